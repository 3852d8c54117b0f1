"""Kept out of training: a castle's courtyard with towers, battlements, gates, banners, siege gear."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.buildings import arch, hip_roof, stairs
from worlds.cameras import View
from worlds.families.layout import add_extras, on_ground, scatter
from worlds.plants import Flora
from worlds.props import Furniture, barrel, crate
from worlds.round_shapes import cone, cylinder, lathe, rod, wheel
from worlds.shapes import Array, Mesh, block, box, boxes, instances, join, place, vec
from worlds.terrain import Terrain, along_path


def build(builder: SceneBuilder) -> View:
    """Build a walled court around (0, 16)."""
    rng, palette = builder.rng, builder.palette
    terrain = Terrain.draw(rng, float(rng.uniform(0.5, 4)))
    half, depth, height = float(rng.uniform(13, 22)), float(rng.uniform(34, 48)), float(rng.uniform(5, 9))
    middle = np.array([[x, y, 0.0] for x in (-half, 0, half) for y in (0, depth / 2, depth)])
    terrain.shapers.append(along_path(middle, depth * 0.45, 25.0))
    builder.add(terrain.mesh(300), palette.grass())
    builder.add(
        box((2 * half, depth, 0.3), (0, depth / 2 - 4, -0.05)),
        palette.cobbles() if rng.random() < 0.7 else palette.stone(),
    )
    stone, trim, furniture = palette.or_metal("stone"), palette.stone(), Furniture(builder, 7)
    corners = np.array([[-half, -4], [half, -4], [half, depth - 4], [-half, depth - 4]])
    for a, b in zip(corners, np.roll(corners, -1, 0), strict=True):
        builder.add(battlement(a, b, height), stone)
    roof = palette.roof()
    for corner in corners:
        _tower(
            builder,
            (*corner, 0.0),
            float(rng.uniform(2.2, 3.6)),
            height * float(rng.uniform(1.2, 1.8)),
            stone,
            roof,
        )
    keep = (float(rng.uniform(8, 13)), float(rng.uniform(7, 10)), height * 1.7)
    builder.add(block(keep, (0, depth - 10, 0)), stone)
    builder.add(place(hip_roof(keep[0] + 1, keep[1] + 1, 4.0, 0.4), (0, depth - 10, keep[2])), roof)
    builder.add(place(arch(3.0, 5.5, 1.6, 1.0), (0, depth - 15.5, 0)), trim)
    builder.add(
        boxes([(x, depth - 10 - keep[1] / 2, z) for x in (-3, 3) for z in (4, 8)], (0.7, 0.2, 1.6)),
        palette.glass(),
    )
    builder.add(place(stairs(3.0, height - 0.4, 5.0, 12), (-half + 2.2, 8, 0)), trim)
    _court(builder, furniture, half, depth)
    flora = Flora(builder, ("broad", "conifer"), 2)
    flora.trees(on_ground(scatter(rng, 20, (-70, 70, -40, 110), middle[:, :2], 20), terrain), 4, 10)
    add_extras(builder, on_ground(scatter(rng, 4, (-6, 6, 5, 18))), 0.8)
    focus = np.stack(
        [rng.uniform(-half, half, 9), rng.uniform(6, depth - 4, 9), rng.uniform(0.5, height, 9)], 1
    )
    return View(
        area=(-half + 2, half - 2, -2, depth - 18),
        focus=focus,
        heights=(0.5, 8.0),
        pace=5.0,
        heroes=("walker", "walker", "animal", "robot"),
    )


def battlement(a: Array, b: Array, height: float) -> Mesh:
    """A crenellated wall from a to b."""
    way = b - a
    length, yaw = float(np.linalg.norm(way)), float(np.arctan2(way[1], way[0]))
    teeth = np.arange(-length / 2 + 0.6, length / 2, 1.6)
    wall = [
        block((length, 1.4, height)),
        boxes(np.stack([teeth, 0 * teeth + 0.45, 0 * teeth + height + 0.4], 1), (0.8, 0.5, 0.8)),
    ]
    wall.append(boxes(np.stack([teeth, 0 * teeth - 0.45, 0 * teeth + height + 0.4], 1), (0.8, 0.5, 0.8)))
    return place(join(*wall), (*(a + b) / 2, 0.0), yaw)


def _tower(
    builder: SceneBuilder, at: tuple[float, float, float], radius: float, height: float, stone: int, roof: int
) -> None:
    rng = builder.rng
    builder.add(
        place(
            lathe(
                [
                    (0, 0),
                    (radius * 1.1, 0),
                    (radius, 1.5),
                    (radius, height - 1),
                    (radius * 1.18, height - 0.6),
                    (radius * 1.18, height),
                    (0, height),
                ],
                20,
            ),
            at,
        ),
        stone,
    )
    if rng.random() < 0.7:
        builder.add(place(cone(radius * 1.3, radius * 2.2, 20), (at[0], at[1], height)), roof)
    else:
        angle = np.linspace(0, 2 * np.pi, 11)[:-1]
        ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1) * radius
        teeth = ring + vec(at[0], at[1], height + 0.4)
        builder.add(boxes(teeth, (0.6, 0.6, 0.8), angle), stone)


def _court(builder: SceneBuilder, furniture: Furniture, half: float, depth: float) -> None:
    rng, palette = builder.rng, builder.palette
    spots = on_ground(scatter(rng, 26, (-half + 3, half - 3, 2, depth - 14)))
    banner = [palette.fabric(), palette.fabric()]
    for spot in spots:
        kind = rng.random()
        material = furniture.any_metal() if rng.random() < 0.35 else furniture.any()
        if kind < 0.3:
            builder.add(
                place(barrel() if rng.random() < 0.5 else crate(0.9), spot, float(rng.uniform(0, 3))),
                material,
            )
        elif kind < 0.45:
            builder.add(place(cylinder(0.07, 4.5, 8), spot), furniture.metals[0])
            builder.add(box((0.9, 0.04, 2.0), spot + vec(0.45, 0, 3.3)), banner[int(rng.integers(2))])
        elif kind < 0.6:
            gun = lathe(
                [(0, 0), (0.25, 0.1), (0.28, 0.3), (0.18, 1.7), (0.22, 1.8), (0.12, 1.8), (0, 1.2)],
                16,
                smooth=False,
            )
            builder.add(
                place(gun, spot + vec(0, 0, 0.7), float(rng.uniform(0, 6)), 1.0, -1.3), furniture.any_metal()
            )
            builder.add(
                join(*[place(wheel(0.5, 0.12), spot + vec(s * 0.5, 0, 0.5)) for s in (-1, 1)]),
                furniture.any(),
            )
        elif kind < 0.75:
            builder.add(
                instances(
                    rod((0, 0, 0), (0.3, 0.3, 2.2), 0.03, 7),
                    spot + np.array([[0, 0, 0], [0.2, 0, 0], [0.4, 0, 0]]),
                    0.0,
                    1.0,
                ),
                furniture.any_metal(),
            )
            builder.add(place(block((1.0, 0.3, 0.9)), spot), furniture.any())
        else:
            furniture.solids([spot], 0.6, 1.8, 0.4, 1)
    for y in np.arange(4, depth - 16, 8):
        if rng.random() < 0.5:
            furniture.street_lamp((float(rng.choice([-1, 1])) * (half - 3), y, 0), 3.0)
