"""Rooms from inside: shells with windows, and the furniture that stands in them."""

import numpy as np
from numpy.typing import ArrayLike

from worlds.builder import SceneBuilder
from worlds.plants import lump
from worlds.props import stool_table, vase
from worlds.round_shapes import cylinder, lathe, sphere, torus
from worlds.shapes import Mesh, bevelled_box, block, box, boxes, join, place


def pierced_wall(
    length: float, height: float, thick: float, gaps: list[tuple[float, float, float, float]]
) -> Mesh:
    """A wall along x from the origin, its inner face at y = 0, with openings (x0, x1, z0, z1) sorted by x."""
    centres, sizes = [], []

    def piece(x0: float, x1: float, z0: float, z1: float) -> None:
        if x1 - x0 > 1e-3 and z1 - z0 > 1e-3:
            centres.append(((x0 + x1) / 2, thick / 2, (z0 + z1) / 2))
            sizes.append((x1 - x0, thick, z1 - z0))

    at = 0.0
    for x0, x1, z0, z1 in gaps:
        piece(at, x0, 0, height)
        piece(x0, x1, 0, z0)
        piece(x0, x1, z1, height)
        at = x1
    piece(at, length, 0, height)
    return boxes(np.array(centres), np.array(sizes))


def add_room(
    builder: SceneBuilder, width: float, depth: float, height: float, openness: float
) -> tuple[int, int]:
    """A room over [-width/2, width/2] x [0, depth] with windows; returns (wall, trim) materials."""
    rng, palette = builder.rng, builder.palette
    walls = [palette.or_metal("wall"), palette.or_metal("plaster")]
    trim, pane = palette.or_metal("wood"), palette.glass()
    builder.add(box((width + 1, depth + 1, 0.4), (0, depth / 2, -0.2)), palette.floor())
    if rng.random() < 0.93:
        builder.add(
            box((width + 1, depth + 1, 0.3), (0, depth / 2, height + 0.15)), palette.or_metal("plaster")
        )
    spans = (
        (width, (-width / 2, depth), 0.0),
        (depth, (width / 2, depth), -np.pi / 2),
        (width, (width / 2, 0), np.pi),
        (depth, (-width / 2, 0), np.pi / 2),
    )
    feature = int(rng.integers(4))
    for index, (length, corner, yaw) in enumerate(spans):
        gaps = []
        if rng.random() < openness:
            count = int(rng.integers(1, max(2, int(length / 2.2))))
            sill, lintel, share = (
                rng.uniform(0.05, 1.0),
                height - rng.uniform(0.2, 0.6),
                rng.uniform(0.35, 0.75),
            )
            cell = length / count
            gaps = [
                (cell * (i + 0.5 - share / 2), cell * (i + 0.5 + share / 2), sill, lintel)
                for i in range(count)
            ]
        at = (*corner, 0.0)
        builder.add(place(pierced_wall(length, height, 0.3, gaps), at, yaw), walls[int(index == feature)])
        skirting = box((length, 0.03, 0.12), (length / 2, -0.015, 0.06))
        builder.add(place(skirting, at, yaw), trim)
        for x0, x1, z0, z1 in gaps:
            bars = [box((x1 - x0, 0.08, 0.06), ((x0 + x1) / 2, 0.15, z)) for z in (z0, (z0 + z1) / 2, z1)]
            bars += [box((0.06, 0.08, z1 - z0), (x, 0.15, (z0 + z1) / 2)) for x in (x0, (x0 + x1) / 2, x1)]
            builder.add(place(join(*bars), at, yaw), trim)
            if rng.random() < 0.3:
                builder.add(
                    place(box((x1 - x0, 0.02, z1 - z0), ((x0 + x1) / 2, 0.2, (z0 + z1) / 2)), at, yaw), pane
                )
        if not gaps and rng.random() < 0.7:
            for _ in range(int(rng.integers(1, 4))):
                x, size = rng.uniform(0.8, length - 0.8), rng.uniform(0.3, 0.8, 2)
                frame = (x, -0.02, rng.uniform(1.3, min(2.0, height - 0.6)))
                builder.add(place(box((size[0] + 0.1, 0.05, size[1] + 0.1), frame), at, yaw), trim)
                builder.add(place(box((size[0], 0.07, size[1]), frame), at, yaw), palette.anything())
    return walls[0], trim


def table(size: ArrayLike, rng: np.random.Generator) -> Mesh:
    """A four-legged or trestle table, `size` = length, depth, height."""
    x, y, z = (float(v) for v in np.asarray(size))
    top = bevelled_box((x, y, 0.05), 0.015, (0, 0, z - 0.025))
    if rng.random() < 0.3:
        return join(top, block((x * 0.7, y * 0.6, 0.04)), block((0.12, 0.12, z - 0.05)))
    leg = cylinder(0.04, z - 0.04, 8) if rng.random() < 0.5 else block((0.07, 0.07, z - 0.04))
    return join(
        top, *[place(leg, (a * (x / 2 - 0.08), b * (y / 2 - 0.08), 0)) for a in (-1, 1) for b in (-1, 1)]
    )


def chair(rng: np.random.Generator) -> Mesh:
    """A chair facing +y."""
    leg = cylinder(0.022, 0.45, 7)
    legs = [place(leg, (a * 0.19, b * 0.19, 0)) for a in (-1, 1) for b in (-1, 1)]
    back = [box((0.04, 0.03, 0.5), (a * 0.19, -0.2, 0.7)) for a in (-1, 1)]
    slats = [box((0.42, 0.025, 0.07), (0, -0.2, z)) for z in np.linspace(0.6, 0.92, int(rng.integers(2, 5)))]
    return join(bevelled_box((0.46, 0.46, 0.05), 0.02, (0, 0, 0.46)), *legs, *back, *slats)


def sofa(length: float) -> Mesh:
    """A sofa or armchair facing +y."""
    parts = [
        bevelled_box((length, 0.85, 0.4), 0.08, (0, 0, 0.25)),
        bevelled_box((length, 0.25, 0.55), 0.1, (0, -0.35, 0.6)),
    ]
    parts += [bevelled_box((0.22, 0.85, 0.35), 0.09, (a * (length / 2 - 0.05), 0, 0.5)) for a in (-1, 1)]
    count = max(1, round(length / 0.75))
    width = (length - 0.25) / count
    for i in range(count):
        parts.append(
            bevelled_box(
                (width * 0.96, 0.6, 0.16), 0.06, ((i + 0.5) * width - (length - 0.25) / 2, 0.08, 0.5)
            )
        )
    return join(*parts)


def add_shelf(
    builder: SceneBuilder, position: ArrayLike, yaw: float, size: ArrayLike, boards: int, things: list[int]
) -> None:
    """A shelf facing -y with books and vessels; `size` = length, depth, height."""
    rng = builder.rng
    x, y, z = (float(v) for v in np.asarray(size))
    frame = [box((0.04, y, z), (a * x / 2, 0, z / 2)) for a in (-1, 1)] + [
        box((x, 0.02, z), (0, y / 2, z / 2))
    ]
    levels = np.linspace(0.05, z - 0.03, boards)
    frame += [box((x, y, 0.03), (0, 0, level)) for level in levels]
    builder.add(place(join(*frame), position, yaw), things[0])
    room = (levels[1] - levels[0]) * 0.9 if boards > 1 else 0.3
    for material in things[1:]:
        count = int(rng.integers(6, 20))
        wide, tall = rng.uniform(0.025, 0.09, count), rng.uniform(0.5, 0.95, count) * room
        at = np.stack(
            [
                rng.uniform(-x / 2 + 0.1, x / 2 - 0.1, count),
                rng.uniform(-0.1, 0.02, count) * y,
                rng.choice(levels[:-1], count) + tall / 2 + 0.015,
            ],
            1,
        )
        builder.add(
            place(boxes(at, np.stack([wide, np.full(count, y * 0.7), tall], 1)), position, yaw), material
        )


def floor_lamp(height: float) -> tuple[Mesh, Mesh]:
    """(stand, shade)."""
    stand = lathe(
        [(0, 0), (0.17, 0), (0.16, 0.03), (0.018, 0.05), (0.018, height - 0.1), (0, height - 0.1)], 14
    )
    return stand, place(cylinder(0.24, 0.3, 16, top=0.15), (0, 0, height - 0.3))


def pot_plant(rng: np.random.Generator, size: float) -> tuple[Mesh, Mesh]:
    """(pot, leaves)."""
    pot = lathe(
        [
            (0, 0),
            (0.16 * size, 0),
            (0.24 * size, 0.35 * size),
            (0.2 * size, 0.36 * size),
            (0.19 * size, 0.3 * size),
            (0, 0.3 * size),
        ],
        14,
    )
    leaves = [
        place(lump(rng, 0.22 * size, 0.3, 10, 7), (*rng.normal(0, 0.09, 2) * size, size * z))
        for z in (0.5, 0.7, 0.9)
    ]
    return pot, join(*leaves)


def small_thing(rng: np.random.Generator) -> Mesh:
    """Something that stands on a table, about one unit high: cup, bowl, bottle, fruit, box, ring, book."""
    makers = (
        lambda: lathe([(0, 0), (0.3, 0), (0.36, 0.8), (0.31, 0.8), (0.27, 0.08), (0, 0.06)], 18),
        lambda: lathe(
            [(0, 0), (0.25, 0), (0.3, 0.05), (0.65, 0.42), (0.6, 0.42), (0.25, 0.09), (0, 0.08)], 22
        ),
        lambda: lathe(
            [(0, 0), (0.24, 0.0), (0.26, 0.05), (0.26, 0.75), (0.09, 1.0), (0.08, 1.3), (0, 1.3)], 16
        ),
        lambda: sphere(0.42, 20, 12, (0, 0, 0.42)),
        lambda: place(lump(rng, 0.4, 0.05, 18, 12, (1, 1, rng.uniform(0.75, 1.1))), (0, 0, 0.38)),
        lambda: place(bevelled_box((1.0, 0.7, 0.5), 0.05), (0, 0, 0.25)),
        lambda: place(torus(0.5, 0.14, 24, 10), (0, 0, 0.14)),
        lambda: place(box((1.3, 0.9, 0.2)), (0, 0, 0.1)),
        lambda: vase(rng),
        lambda: join(stool_table(0.45, 0.9), sphere(0.3, 16, 9, (0, 0, 1.2))),
        lambda: join(
            lathe([(0, 0), (0.3, 0), (0.34, 0.75), (0.29, 0.75), (0.26, 0.06), (0, 0.05)], 18),
            place(torus(0.24, 0.05, 14, 6), (0.36, 0, 0.38), pitch=np.pi / 2),
        ),
    )
    return makers[int(rng.integers(len(makers)))]()
