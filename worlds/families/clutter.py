"""No place at all: shapes of every kind, size and turn around the camera, for robustness rather than realism."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.cameras import View
from worlds.families.layout import add_extras, add_floater, on_ground, scatter
from worlds.industry import container_walls, lattice_beam, pipe_run
from worlds.motion import spin
from worlds.props import random_solid
from worlds.round_shapes import tube
from worlds.shapes import box, boxes, place, vec
from worlds.terrain import Terrain


def build(builder: SceneBuilder) -> View:
    """Build a heap around (0, 14)."""
    rng, palette = builder.rng, builder.palette
    builder.indoor = bool(rng.random() < 0.3)
    terrain = Terrain(np.zeros((1, 4)))
    if rng.random() < 0.5:
        terrain = Terrain.draw(rng, float(rng.uniform(0.2, 3)))
    grounds = (palette.anything, palette.metal, palette.floor, palette.soil, palette.concrete)
    builder.add(terrain.mesh(200, 64), grounds[int(rng.integers(len(grounds)))]())
    materials = [palette.anything(max(0.25, builder.mood.metal)) for _ in range(14)]
    materials += [palette.rock(), palette.leaves(), palette.light(), palette.wall(), palette.fabric()]
    if builder.indoor:
        _hall(builder, materials)
    _heap(builder, materials, terrain)
    _lines(builder, materials)
    walls = rng.integers(0, 6)
    for _ in range(int(walls)):
        size = (rng.uniform(2, 14), rng.uniform(0.1, 1), rng.uniform(2, 9))
        at = (rng.uniform(-18, 18), rng.uniform(6, 40), size[2] / 2 - 0.3)
        builder.add(box(size, at, float(rng.uniform(0, 3))), materials[int(rng.integers(len(materials)))])
    for spot in on_ground(scatter(rng, int(rng.integers(0, 7)), (-7, 7, 4, 20)), terrain):
        add_floater(builder, spot)
    if rng.random() < 0.4:
        pose = spin(builder, (rng.uniform(-5, 5), rng.uniform(8, 18), rng.uniform(2, 4)), rng)
        big = place(random_solid(rng), (0, 0, -1.2), 0.0, float(rng.uniform(1.5, 3.0)))
        builder.add(big, palette.anything(0.5), builder.add_object(pose))
    add_extras(builder, on_ground(scatter(rng, 3, (-5, 5, 4, 16)), terrain), 0.5)
    focus = on_ground(scatter(rng, 10, (-8, 8, 6, 24)), terrain) + vec(0, 0, 1.2)
    return View(
        area=(-18, 18, -12, 36),
        focus=focus,
        ground=terrain.height,
        heights=(0.4, 9.0),
        ceiling=12.0 if builder.indoor else 1e9,
    )


def _hall(builder: SceneBuilder, materials: list[int]) -> None:
    """Four walls, a ceiling and coloured lamps."""
    rng, palette = builder.rng, builder.palette
    builder.add(box((70, 90, 1), (0, 20, 14)), materials[0])
    builder.add(
        boxes(
            [(-30, 20, 6), (30, 20, 6), (0, 60, 6), (0, -20, 6)],
            [(1, 90, 16), (1, 90, 16), (70, 1, 16), (70, 1, 16)],
        ),
        materials[1],
    )
    for y in (2, 14, 28):
        builder.lamp(
            (rng.uniform(-6, 6), y, rng.uniform(4, 9)), palette.colour((0, 1), (0, 0.6), (0.8, 1)), 18.0
        )


def _heap(builder: SceneBuilder, materials: list[int], terrain: Terrain) -> None:
    """Solids of all sizes, half of them turned freely, some in the air."""
    rng = builder.rng
    large = float(rng.choice([1.0, 2.0, 4.0]))
    for spot in on_ground(scatter(rng, int(rng.integers(25, 110)), (-16, 16, 0, 40)), terrain, 0.1):
        size = float(np.exp(rng.uniform(np.log(0.3), np.log(2.2 * large))))
        lift = float(rng.choice([0.0, 0.0, rng.uniform(0, 5)]))
        free = rng.random() < 0.5
        mesh = place(
            random_solid(rng),
            spot + vec(0, 0, lift),
            float(rng.uniform(0, 6.28)),
            size,
            *(rng.uniform(-1.5, 1.5, 2) if free else (0.0, 0.0)),
        )
        builder.add(mesh, materials[int(rng.integers(len(materials)))])


def _lines(builder: SceneBuilder, materials: list[int]) -> None:
    """Pipes, girders, boxes of sheet metal and bent tubes."""
    rng = builder.rng
    for _ in range(int(rng.integers(0, 9))):
        ends = rng.uniform((-15, 0, 0), (15, 35, 6), (3, 3))
        kind = rng.integers(4)
        material = materials[int(rng.integers(len(materials)))]
        if kind == 0:
            builder.add(pipe_run(ends, float(rng.uniform(0.05, 0.4))), material)
        elif kind == 1:
            builder.add(
                place(lattice_beam(float(rng.uniform(5, 14)), 0.7), ends[0], float(rng.uniform(0, 3))),
                material,
            )
        elif kind == 2:
            builder.add(place(container_walls(), ends[0] * [1, 1, 0], float(rng.uniform(0, 3))), material)
        else:
            s = np.linspace(0, 1, 20)[:, None]
            curve = ends[0] * (1 - s) ** 2 + 2 * ends[1] * s * (1 - s) + ends[2] * s**2
            builder.add(tube(curve, float(rng.uniform(0.03, 0.3)), 9), material)
