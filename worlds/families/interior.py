"""Furnished rooms: living rooms, kitchens, offices, halls."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.cameras import MODES, View
from worlds.families.layout import add_extras, add_floater, on_ground, scatter
from worlds.furnishing import add_room, add_shelf, chair, floor_lamp, pot_plant, small_thing, sofa, table
from worlds.props import Furniture, stool_table
from worlds.round_shapes import cylinder, lathe, sphere
from worlds.shapes import bevelled_box, block, box, instances, place, vec


def build(builder: SceneBuilder) -> View:
    """Build one room over x in [-w/2, w/2], y in [0, d]."""
    rng, palette = builder.rng, builder.palette
    builder.indoor = True
    width, depth, height = (float(v) for v in (rng.uniform(4, 11), rng.uniform(5, 13), rng.uniform(2.4, 4.5)))
    furniture = Furniture(builder, 9)
    outside = palette.grass() if rng.random() < 0.7 else palette.concrete()
    builder.add(box((200, 200, 0.2), (0, depth / 2, -0.6)), outside)
    _, trim = add_room(builder, width, depth, height, float(rng.uniform(0.1, 0.9)))
    _walls(builder, furniture, width, depth, height)
    spots = scatter(rng, int(rng.integers(4, 14)), (-width / 2 + 0.8, width / 2 - 0.8, 1.0, depth - 0.9))
    for spot in spots:
        _piece(builder, furniture, np.array([*spot, 0.0]))
    if rng.random() < 0.6:
        rug = (float(rng.uniform(1.5, 3)), float(rng.uniform(1.5, 4)), 0.02)
        builder.add(
            box(rug, (rng.uniform(-1, 1), depth / 2, 0.012), float(rng.normal(0, 0.2))), palette.fabric()
        )
    for y in np.arange(1.5, depth, float(rng.uniform(2, 4))):
        at = np.array([rng.uniform(-0.5, 0.5), y, height])
        if rng.random() < 0.5:
            builder.add(
                cylinder(0.01, 0.5, 5) + np.array([*(at - [0, 0, 0.5]), 0, 0, 0, 0, 0], np.float32), trim
            )
            builder.add(sphere(0.16, 14, 8, at - [0, 0, 0.6]), furniture.glow)
        else:
            builder.add(box((1.2, 0.3, 0.06), at - [0, 0, 0.03]), furniture.glow)
        builder.lamp(at - [0, 0, 0.8], reach=9.0)
    if rng.random() < 0.5:
        add_extras(
            builder, on_ground(scatter(rng, 2, (-width / 2 + 1.2, width / 2 - 1.2, 2, depth - 1.5))), 1.0
        )
    elif rng.random() < 0.6:
        add_floater(builder, np.array([rng.uniform(-1, 1), depth * 0.6, 0.3]), 0.5)
    focus = (
        np.concatenate([spots, rng.uniform(0.2, 1.4, (len(spots), 1))], 1)
        if len(spots)
        else np.array([[0, depth * 0.7, 1.0]])
    )
    margin = 0.6
    return View(
        area=(-width / 2 + margin, width / 2 - margin, margin, depth - margin),
        focus=focus,
        heights=(0.5, max(1.0, min(2.6, height - 0.8))),
        ceiling=height,
        pace=2.0,
        scale=0.55,
        modes={**MODES, "follow": 0.1},
        heroes=("walker", "walker", "robot", "animal"),
    )


def _walls(builder: SceneBuilder, furniture: Furniture, width: float, depth: float, height: float) -> None:
    """Shelves, cupboards and kitchen rows along the walls."""
    rng = builder.rng
    tall = min(height - 0.3, 2.1)
    for x in np.arange(-width / 2 + 1.0, width / 2 - 0.8, 1.7):
        if rng.random() < 0.45:
            things = [furniture.any() for _ in range(5)]
            add_shelf(
                builder,
                (x, depth - 0.2, 0),
                0.0,
                (1.4, 0.32, tall * rng.uniform(0.4, 1)),
                int(rng.integers(3, 7)),
                things,
            )
    for y in np.arange(1.2, depth - 1.0, 1.6):
        for side in (-1, 1):
            kind = rng.random()
            at = (side * (width / 2 - 0.32), y, 0.0)
            if kind < 0.2:
                builder.add(block((0.6, 1.3, 0.88), at), furniture.any())
                builder.add(
                    block((0.66, 1.36, 0.05), (at[0], y, 0.88)),
                    furniture.any_metal() if rng.random() < 0.4 else furniture.any(),
                )
            elif kind < 0.32:
                builder.add(
                    place(bevelled_box((0.62, 0.8, tall * 0.9), 0.04), (at[0], y, tall * 0.45)),
                    furniture.any_metal(),
                )
            elif kind < 0.45:
                things = [furniture.any() for _ in range(4)]
                add_shelf(
                    builder, (side * (width / 2 - 0.2), y, 0), -side * np.pi / 2, (1.3, 0.32, tall), 5, things
                )


def _piece(builder: SceneBuilder, furniture: Furniture, at: np.ndarray) -> None:
    """One free-standing piece with what lies on it."""
    rng, yaw = builder.rng, float(rng_angle(builder))
    kind = rng.integers(6)
    if kind == 0:
        size = (rng.uniform(1.0, 2.0), rng.uniform(0.7, 1.1), rng.uniform(0.4, 0.8))
        builder.add(place(table(size, rng), at, yaw), furniture.any())
        for _ in range(int(rng.integers(1, 5))):
            spot = at + vec(rng.uniform(-0.3, 0.3), rng.uniform(-0.25, 0.25), size[2])
            builder.add(
                place(small_thing(rng), spot, 0.0, float(rng.uniform(0.1, 0.25))),
                furniture.any_metal() if rng.random() < 0.35 else furniture.any(),
            )
        seat, material = chair(rng), furniture.any()
        around = at + np.array(
            [[size[0] * 0.2, -0.75, 0], [size[0] * 0.2, 0.75, 0], [-size[0] * 0.2, 0.75, 0]]
        )
        builder.add(instances(seat, around, [0.0, np.pi, np.pi], 1.0), material)
    elif kind == 1:
        builder.add(place(sofa(float(rng.uniform(0.9, 2.3))), at, yaw), furniture.any())
    elif kind == 2:
        builder.add(place(stool_table(float(rng.uniform(0.3, 0.7)), 0.6), at), furniture.any())
        builder.add(place(small_thing(rng), at + vec(0, 0, 0.6), yaw, 0.25), furniture.any_metal())
    elif kind == 3:
        stand, shade = floor_lamp(float(rng.uniform(1.2, 1.8)))
        builder.add(place(stand, at), furniture.any_metal())
        builder.add(place(shade, at), furniture.glow)
    elif kind == 4:
        pot, leaves = pot_plant(rng, float(rng.uniform(0.7, 1.6)))
        builder.add(place(pot, at), furniture.any())
        builder.add(place(leaves, at), builder.palette.leaves())
    else:
        furniture.solids([at], 0.4, 1.0, 0.4, 1)
        builder.add(
            place(lathe([(0, 0), (0.3, 0), (0.3, 0.5), (0, 0.5)], 16), at + vec(0.9, 0, 0)), furniture.any()
        )


def rng_angle(builder: SceneBuilder) -> float:
    """Furniture mostly stands square to the walls."""
    rng = builder.rng
    return float(
        rng.choice([0.0, np.pi / 2, np.pi, -np.pi / 2]) + (rng.normal(0, 0.4) if rng.random() < 0.3 else 0.0)
    )
