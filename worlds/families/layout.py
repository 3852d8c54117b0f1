"""Where things stand: random spots, rows, and the moving extras that several families share."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.figures import add_animal, add_walker
from worlds.motion import bob, drive, spin
from worlds.props import random_solid
from worlds.shapes import Array, vec
from worlds.terrain import Terrain


def scatter(
    rng: np.random.Generator,
    count: int,
    area: tuple[float, float, float, float],
    keep_out: Array | None = None,
    gap: float = 3.0,
) -> Array:
    """(K, 2) random spots in x0, x1, y0, y1, those nearer than `gap` to a keep_out (M, 2) point dropped."""
    spots = np.stack([rng.uniform(area[0], area[1], count), rng.uniform(area[2], area[3], count)], 1)
    if keep_out is not None and len(keep_out):
        distance = np.linalg.norm(spots[:, None] - keep_out[None], axis=-1).min(1)
        spots = spots[distance > gap]
    return spots


def on_ground(spots: Array, terrain: Terrain | None = None, sink: float = 0.0) -> Array:
    """(K, 2) -> (K, 3) on the terrain, or at z = 0."""
    if terrain is None:
        return np.concatenate([spots, np.full((len(spots), 1), -sink)], 1)
    return terrain.points(spots[:, 0], spots[:, 1], sink)


def add_extras(builder: SceneBuilder, spots: Array, chance: float = 0.6) -> None:
    """Walkers, animals, floating and spinning things at some of (K, 3) spots."""
    rng = builder.rng
    if rng.random() > chance:
        return
    for spot in spots[: int(rng.integers(1, 4))]:
        kind = rng.random()
        if kind < 0.4:
            speed = float(rng.uniform(0, 3))
            add_walker(
                builder,
                drive(builder, spot, float(rng.uniform(0, 6.28)), speed),
                rng,
                speed,
                rng.random() < 0.25,
            )
        elif kind < 0.52:
            speed = float(rng.uniform(0, 4))
            add_animal(builder, drive(builder, spot, float(rng.uniform(0, 6.28)), speed), rng, speed)
        else:
            add_floater(builder, spot)


def add_floater(builder: SceneBuilder, spot: Array, size: float | None = None) -> None:
    """A pickup: a solid that bobs or spins over the ground."""
    rng = builder.rng
    size = float(rng.uniform(0.3, 1.2)) if size is None else size
    mesh = random_solid(rng)
    mesh[:, :3] = (mesh[:, :3] - np.array([0, 0, 0.5], np.float32)) * np.float32(size)
    mesh[:, 6:] *= np.float32(size)
    centre = np.asarray(spot, float) + vec(0, 0, size * rng.uniform(0.6, 2.5))
    pose = bob(builder, centre, rng, size * 0.6) if rng.random() < 0.5 else spin(builder, centre, rng)
    builder.add(mesh, builder.palette.anything(0.4), builder.add_object(pose))
