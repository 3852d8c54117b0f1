"""Close-ups: small things on a table, seen from an arm's length, the room blurred into a few planes behind."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.cameras import View
from worlds.families.layout import scatter
from worlds.furnishing import pierced_wall, small_thing, table
from worlds.motion import bob, drive, spin
from worlds.plants import crag, lump
from worlds.props import random_solid
from worlds.shapes import Array, bevelled_box, box, boxes, instances, place, vec

HEIGHT = 0.75


def build(builder: SceneBuilder) -> View:
    """Build a table around (0, 0) in a plain room or outdoors."""
    rng, palette = builder.rng, builder.palette
    builder.indoor = bool(rng.random() < 0.7)
    _room(builder)
    builder.materials.zoom = float(rng.uniform(2.5, 7.0))
    size = (float(rng.uniform(1.2, 3.0)), float(rng.uniform(1.0, 2.2)), HEIGHT)
    makers = (
        palette.wood,
        palette.fabric,
        palette.floor_tiles,
        palette.marble,
        palette.metal,
        palette.plastic,
        palette.anything,
        palette.concrete,
    )
    builder.add(table(size, rng), makers[int(rng.integers(len(makers)))]())
    if rng.random() < 0.45:
        cloth = (float(rng.uniform(0.3, 0.9)), float(rng.uniform(0.3, 0.8)), 0.006)
        builder.add(
            box(cloth, (rng.normal(0, 0.15), rng.normal(0, 0.15), HEIGHT + 0.003), float(rng.normal(0, 0.3))),
            palette.fabric(),
        )
    reach = float(rng.uniform(0.22, 0.55))
    spots = scatter(rng, int(rng.integers(5, 26)), (-reach * 1.4, reach * 1.4, -reach, reach))
    _things(builder, spots)
    _moving(builder, spots, reach)
    builder.lamp((rng.normal(0, 0.6), rng.normal(0, 0.6), HEIGHT + rng.uniform(0.7, 1.5)), reach=5.0)
    focus = np.concatenate([spots * 0.6, np.full((len(spots), 1), HEIGHT + 0.05)], 1)
    return View(
        area=(-1.3, 1.3, -1.3, 1.3),
        focus=focus,
        ground=_table_top,
        heights=(0.22, 1.4),
        ceiling=2.4,
        pace=0.7,
        scale=0.14,
        modes={"dolly": 0.2, "strafe": 0.15, "orbit": 0.25, "crane": 0.12, "static": 0.1, "handheld": 0.18},
        heroes=(),
        fov=(32.0, 75.0),
        stare=0.93,
        pitch=(-75.0, 10.0),
    )


def _table_top(x: Array, y: Array) -> Array:
    return np.full(np.broadcast(x, y).shape, HEIGHT)


def _room(builder: SceneBuilder) -> None:
    rng, palette = builder.rng, builder.palette
    half, height = float(rng.uniform(2.0, 5)), 2.6
    builder.add(box((60, 60, 0.2), (0, 0, -0.1)), palette.floor())
    if not builder.indoor:
        builder.add(
            boxes(
                [(-14, 9, 3), (4, 16, 4), (12, -12, 3), (-9, -14, 2)],
                [(5, 4, 6), (9, 3, 8), (4, 4, 6), (8, 5, 4)],
            ),
            palette.anything(),
        )
        return
    wall = palette.or_metal("wall")
    builder.add(box((2 * half + 1, 2 * half + 1, 0.2), (0, 0, height + 0.1)), palette.plaster())
    for side in range(4):
        gaps = [(half * 0.6, half * 1.4, 0.9, 2.2)] if rng.random() < 0.4 else []
        yaw = side * np.pi / 2
        corner = (np.cos(yaw) * -half - np.sin(yaw) * half, np.sin(yaw) * -half + np.cos(yaw) * half, 0.0)
        builder.add(place(pierced_wall(2 * half, height, 0.2, gaps), corner, yaw), wall)
    things = [palette.anything() for _ in range(4)]
    for _ in range(int(rng.integers(2, 7))):
        angle = rng.uniform(0, 6.28)
        at = (np.cos(angle) * half * 0.85, np.sin(angle) * half * 0.85, 0.0)
        mesh = bevelled_box(
            (rng.uniform(0.3, 1.2), rng.uniform(0.3, 0.7), h := float(rng.uniform(0.5, 2.0))),
            0.03,
            (0, 0, h / 2),
        )
        builder.add(place(mesh, at, float(rng.uniform(0, 3))), things[int(rng.integers(4))])


def _things(builder: SceneBuilder, spots: Array) -> None:
    """Vessels, fruit, toys, books; some piled up."""
    rng, palette = builder.rng, builder.palette
    share = 0.25 + 0.5 * builder.mood.metal
    materials = [
        palette.bare_metal()
        if rng.random() < share
        else (palette.ceramic, palette.plastic, palette.anything, palette.wood)[int(rng.integers(4))]()
        for _ in range(9)
    ]
    big = float(rng.uniform(0.8, 1.6))
    for spot in spots:
        size = float(rng.uniform(0.05, 0.16)) * big
        mesh = small_thing(rng) if rng.random() < 0.7 else random_solid(rng)
        at = np.array([*spot, HEIGHT])
        builder.add(place(mesh, at, float(rng.uniform(0, 6.28)), size), materials[int(rng.integers(9))])
        if rng.random() < 0.12:
            count = int(rng.integers(2, 5))
            pile = instances(
                box((0.2, 0.15, 0.03)),
                at + vec(0.22, 0, 0.015) + np.arange(count)[:, None] * [0, 0, 0.03],
                rng.normal(0, 0.2, count),
                1.0,
            )
            builder.add(pile, materials[int(rng.integers(9))])
    if rng.random() < 0.4:
        crumbs = np.concatenate([scatter(rng, 30, (-0.5, 0.5, -0.4, 0.4)), np.full((30, 1), HEIGHT)], 1)
        mesh = lump(rng, 0.5, 0.1, 9, 6) if rng.random() < 0.5 else crag(rng, 0.5)
        builder.add(
            instances(mesh, crumbs, rng.uniform(0, 6, 30), rng.uniform(0.015, 0.05, 30)), materials[0]
        )


def _moving(builder: SceneBuilder, spots: Array, reach: float) -> None:
    rng, palette = builder.rng, builder.palette
    for _ in range(int(rng.choice([0, 1, 1, 2, 3]))):
        size = float(rng.uniform(0.05, 0.14))
        at = np.array([rng.uniform(-reach, reach), rng.uniform(-reach, reach), HEIGHT])
        mesh = place(small_thing(rng), (0, 0, 0), 0.0, size)
        kind = rng.integers(3)
        if kind == 0:
            pose = drive(builder, at, float(rng.uniform(0, 6.28)), float(rng.uniform(0.05, 0.5)))
        elif kind == 1:
            pose = spin(builder, at + vec(0, 0, 0.2), rng)
            mesh = place(mesh, (0, 0, -size * 0.5))
        else:
            pose = bob(builder, at + vec(0, 0, 0.02), rng, 0.1)
        builder.add(mesh, palette.anything(0.45), builder.add_object(pose))
