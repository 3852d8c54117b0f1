"""Storage halls and workshops: racks, crates, barrels, pipes, sheet-metal walls, forklift trucks."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.cameras import MODES, View
from worlds.families.layout import add_extras, on_ground, scatter
from worlds.furnishing import pierced_wall
from worlds.industry import lattice_beam, pipe_run, rack, tank
from worlds.motion import drive
from worlds.props import Furniture, barrel, crate
from worlds.round_shapes import cylinder
from worlds.shapes import block, box, boxes, instances, join, place, vec
from worlds.vehicles import add_kart, add_truck


def build(builder: SceneBuilder) -> View:
    """Build a hall over x in [-w/2, w/2], y in [0, d]."""
    rng = builder.rng
    builder.indoor = True
    width, depth, height = (float(v) for v in (rng.uniform(12, 26), rng.uniform(22, 50), rng.uniform(4.5, 9)))
    furniture = Furniture(builder, 9)
    _hall(builder, furniture, width, depth, height)
    aisle = float(rng.uniform(2.2, 4.5))
    _racks(builder, furniture, width, depth, height, aisle)
    floor = scatter(rng, int(rng.integers(8, 30)), (-width / 2 + 1, width / 2 - 1, 2, depth - 2))
    floor = floor[np.abs(floor[:, 0]) > aisle * 0.3]
    _loose(builder, furniture, on_ground(floor))
    _pipes(builder, furniture, width, depth, height)
    if rng.random() < 0.5:
        pose = drive(
            builder,
            (rng.uniform(-0.5, 0.5), rng.uniform(8, 18), 0),
            float(rng.choice([0, np.pi])),
            float(rng.uniform(0, 4)),
        )
        (add_truck if height > 6 and rng.random() < 0.4 else add_kart)(builder, pose, rng, 2.0)
    add_extras(
        builder,
        np.array([[rng.uniform(-1, 1), rng.uniform(5, 14), 0], [rng.uniform(-1, 1), rng.uniform(9, 20), 0]]),
        0.7,
    )
    y = np.linspace(1.5, depth * 0.7, 24)
    focus = np.stack(
        [rng.uniform(-width / 2, width / 2, 8), rng.uniform(4, depth, 8), rng.uniform(0.3, height * 0.6, 8)],
        1,
    )
    return View(
        area=(-width / 2 + 0.6, width / 2 - 0.6, 0.6, depth - 0.6),
        focus=focus,
        path=np.stack([rng.uniform(-0.3, 0.3) * aisle + 0 * y, y], 1),
        heights=(0.4, height - 1.5),
        ceiling=height - 0.6,
        pace=4.0,
        modes={**MODES, "above": 0.05},
        heroes=("walker", "walker", "robot", "kart"),
    )


def _hall(builder: SceneBuilder, furniture: Furniture, width: float, depth: float, height: float) -> None:
    rng, palette = builder.rng, builder.palette
    floor = palette.concrete() if rng.random() < 0.6 else palette.floor()
    builder.add(box((160, 160, 0.4), (0, depth / 2, -0.2)), floor)
    sheet = palette.corrugated() if rng.random() < 0.4 else palette.or_metal("wall")
    spans = (
        (width, (-width / 2, depth), 0.0),
        (depth, (width / 2, depth), -np.pi / 2),
        (width, (width / 2, 0), np.pi),
        (depth, (-width / 2, 0), np.pi / 2),
    )
    for length, corner, yaw in spans:
        gaps = []
        if rng.random() < 0.5:
            count = int(rng.integers(1, 5))
            cell, low = length / count, float(rng.choice([0.0, height * 0.5]))
            gaps = [(cell * (i + 0.25), cell * (i + 0.75), low, height * 0.8) for i in range(count)]
        builder.add(place(pierced_wall(length, height, 0.3, gaps), (*corner, 0.0), yaw), sheet)
    if rng.random() < 0.85:
        strips = np.arange(0.0, depth, 6.0)
        builder.add(
            boxes(np.stack([0 * strips, strips + 2.6, 0 * strips + height + 0.1], 1), (width + 1, 5.2, 0.2)),
            palette.or_metal("concrete"),
        )
    beam = lattice_beam(width, 0.6)
    for y in np.arange(3, depth, float(rng.uniform(4, 7))):
        builder.add(place(beam, (0, y, height - 0.4)), furniture.metals[0])
        if rng.random() < 0.7:
            at = np.array([rng.uniform(-width / 4, width / 4), y + 1.5, height - 0.8])
            builder.add(box((1.5, 0.3, 0.1), at), furniture.glow)
            builder.lamp(at - [0, 0, 0.3], reach=14.0)
        for x in (-width / 2 + 0.25, width / 2 - 0.25):
            builder.add(block((0.4, 0.4, height), (x, y, 0)), furniture.metals[0])


def _racks(
    builder: SceneBuilder, furniture: Furniture, width: float, depth: float, height: float, aisle: float
) -> None:
    rng = builder.rng
    x = aisle / 2 + 0.6
    while x < width / 2 - 0.8:
        for side in (-1, 1):
            if rng.random() < 0.75:
                tall, levels = float(rng.uniform(2, height - 1)), int(rng.integers(2, 5))
                length = float(rng.uniform(0.4, 0.9)) * (depth - 6)
                uprights, shelves = rack(length, 1.0, tall, levels, 2.6)
                at = np.array([side * x, depth / 2 + rng.uniform(-1, 1), 0])
                builder.add(place(uprights, at, np.pi / 2), furniture.metals[1])
                builder.add(place(shelves, at, np.pi / 2), furniture.metals[2])
                for z in np.linspace(0.15, tall - 0.3, levels):
                    _stock(builder, furniture, at + vec(0, 0, z + 0.07), length)
        x += 1.0 + float(rng.uniform(1.8, 3.5))


def _stock(builder: SceneBuilder, furniture: Furniture, at: np.ndarray, length: float) -> None:
    """Boxes and drums along one shelf."""
    rng = builder.rng
    count = int(length / rng.uniform(0.9, 2.0))
    y = at[1] + rng.uniform(-length / 2 + 0.4, length / 2 - 0.4, count)
    if rng.random() < 0.65:
        sizes = np.stack(
            [rng.uniform(0.4, 0.9, count), rng.uniform(0.3, 0.9, count), rng.uniform(0.2, 0.7, count)], 1
        )
        centres = np.stack([0 * y + at[0], y, at[2] + sizes[:, 2] / 2], 1)
        half = count // 2
        for part, material in ((slice(0, half), furniture.any()), (slice(half, None), furniture.any())):
            if len(centres[part]):
                builder.add(boxes(centres[part], sizes[part]), material)
    elif count:
        spots = np.stack([0 * y + at[0], y, 0 * y + at[2]], 1)
        builder.add(
            instances(cylinder(0.25, 0.6, 12), spots, 0.0, rng.uniform(0.6, 1.2, count)),
            furniture.any_metal(),
        )


def _loose(builder: SceneBuilder, furniture: Furniture, spots: np.ndarray) -> None:
    rng, box_mesh, drum = builder.rng, crate(1.0), barrel(0.9)
    for spot in spots:
        kind = rng.random()
        if kind < 0.35:
            builder.add(
                place(box_mesh, spot, float(rng.uniform(0, 3)), float(rng.uniform(0.5, 1.4))), furniture.any()
            )
        elif kind < 0.6:
            trio = instances(drum, spot + np.array([[0, 0, 0], [0.7, 0.1, 0], [0.3, 0.65, 0]]), 0.0, 1.0)
            builder.add(trio, furniture.any_metal() if rng.random() < 0.7 else furniture.any())
        elif kind < 0.75:
            furniture.stack(spot, box_mesh if rng.random() < 0.5 else place(drum, (0, 0, 0)), 1.0, 2, 1.05)
        elif kind < 0.85:
            builder.add(
                place(tank(0.7, 2.4, rng.random() < 0.5), spot, float(rng.uniform(0, 3))),
                furniture.any_metal(),
            )
        else:
            pallet = boxes([(0, y, 0.12) for y in np.linspace(-0.5, 0.5, 5)], (1.2, 0.14, 0.03))
            feet = boxes([(x, 0, 0.05) for x in (-0.5, 0, 0.5)], (0.1, 1.1, 0.1))
            builder.add(place(join(pallet, feet), spot, float(rng.uniform(0, 3))), furniture.any())


def _pipes(builder: SceneBuilder, furniture: Furniture, width: float, depth: float, height: float) -> None:
    rng = builder.rng
    for _ in range(int(rng.integers(0, 6))):
        side, z, radius = (
            float(rng.choice([-1, 1])),
            float(rng.uniform(0.4, height - 1)),
            float(rng.uniform(0.05, 0.3)),
        )
        x = side * (width / 2 - 0.4 - radius)
        turn_at = float(rng.uniform(0.3, 0.8)) * depth
        points = [(x, 0.5, z), (x, turn_at, z), (x, turn_at, height - 0.7), (-x, turn_at, height - 0.7)]
        builder.add(pipe_run(points, radius), furniture.any_metal())
