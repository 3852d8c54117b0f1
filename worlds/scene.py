"""A scene is a description without a renderer: triangles, materials, moving objects, cameras and lamps, from a seed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alaya.errors import RequestError
from worlds.builder import SceneBuilder
from worlds.cameras import choose_shot
from worlds.families import BUILDERS, FAMILIES, HELD_OUT_FAMILIES
from worlds.heroes import add_hero
from worlds.variety import USUAL, Variety

__all__ = ["FAMILIES", "HELD_OUT_FAMILIES", "Scene", "build_scene"]

FPS = 24.0


@dataclass(frozen=True)
class Scene:
    """One clip's world. Right-handed, z up, metres, radians; forward is +y at yaw 0.

    vertices: (N, 10) float32 triangle list: position xyz, outward unit normal xyz, uv in metres along the surface,
        material index, object index. N % 3 == 0, counter-clockwise seen from outside.
    materials: (M <= 128, 20) float32, rows as in worlds/materials.py
    objects: (F, 64, 8) float32 pose of every object index in every frame: xyz, yaw, pitch, roll, scale, 0.
        World = T(xyz) Rz(yaw) Rx(pitch) Ry(roll) scale. Object 0 is the still world (identity).
    eyes, targets: (F, 3) float32, camera position and a point it looks at
    rolls: (F,) float32 radians, camera turned clockwise about its view axis (the picture turns the other way)
    fov: horizontal angle of view, degrees
    lamps: (L, 7) float32 point lamps: xyz, rgb 0..1, range in metres
    indoor: a ceiling covers the scene, sky light is weak
    """

    seed: int
    family: str
    vertices: NDArray[np.float32]
    materials: NDArray[np.float32]
    objects: NDArray[np.float32]
    eyes: NDArray[np.float32]
    targets: NDArray[np.float32]
    rolls: NDArray[np.float32]
    fov: float
    lamps: NDArray[np.float32]
    indoor: bool
    fps: float

    @property
    def num_frames(self) -> int:
        """F, the number of frames of the clip."""
        return len(self.eyes)


def build_scene(seed: int, family: str | None = None, num_frames: int = 9, variety: Variety = USUAL) -> Scene:
    """The scene of a seed; the same arguments give the same bytes.

    family: one of FAMILIES or HELD_OUT_FAMILIES; None draws a training family from the seed (never a held-out one).
    """
    if family is None:
        family = str(np.random.default_rng([seed, 0]).choice(FAMILIES))
    if family not in BUILDERS:
        raise RequestError(f"no scene family {family!r}; the families are {', '.join(BUILDERS)}")
    # the family's place in the seed keeps one seed's families apart; ord-sums would collide, the bytes do not
    rng = np.random.default_rng([seed, 1, *family.encode()])
    builder = SceneBuilder(rng, num_frames, FPS, variety)
    view = BUILDERS[family](builder)
    shot = choose_shot(builder, view, rng)
    if shot.hero is not None:
        add_hero(builder, shot.hero, rng)
    return Scene(
        seed=seed,
        family=family,
        vertices=builder.vertices(),
        materials=builder.materials.rows(),
        objects=builder.objects(),
        eyes=shot.eyes.astype(np.float32),
        targets=shot.targets.astype(np.float32),
        rolls=shot.rolls.astype(np.float32),
        fov=float(shot.fov),
        lamps=builder.lamps(),
        indoor=builder.indoor,
        fps=FPS,
    )
