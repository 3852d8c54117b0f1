"""A village: houses with steep roofs close to the camera, lanes, fences, wells, gardens."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.buildings import HouseStyle, add_house, fence, gabled_roof, stairs
from worlds.cameras import View
from worlds.families.layout import add_extras, on_ground, scatter
from worlds.plants import Flora
from worlds.props import Furniture, barrel, bench, crate
from worlds.round_shapes import cylinder, lathe
from worlds.shapes import Array, block, instances, join, place, vec
from worlds.terrain import Terrain, along_path, ribbon, trench


def build(builder: SceneBuilder) -> View:
    """Build a lane along +y with houses on both sides."""
    rng, palette = builder.rng, builder.palette
    y = np.linspace(-40, 90, 60)
    x = rng.uniform(0, 5) * np.sin(rng.uniform(0.03, 0.08) * y + rng.uniform(0, 6))
    terrain = Terrain.draw(rng, float(rng.uniform(0.1, 2.0)))
    path = np.stack([x, y, terrain.height(x, y) * 0.7], 1)
    terrain.shapers.append(along_path(path[::2], 9.0, 18.0))
    half = float(rng.uniform(1.2, 3))
    ground = palette.grass() if rng.random() < 0.75 else palette.soil()
    builder.add(terrain.mesh(260, 76, sunk=trench(path, half - 0.3, 0.15)), ground)
    lane = palette.soil() if rng.random() < 0.5 else palette.cobbles()
    builder.add(ribbon(path, -half, half, 0.05), lane)
    style, furniture, flora = (
        HouseStyle(builder),
        Furniture(builder),
        Flora(builder, ("broad", "conifer", "palm"), 3),
    )
    houses = _houses(builder, style, path, half)
    _yards(builder, furniture, terrain, path, half)
    keep_out = np.concatenate([houses, path[:, :2]])
    flora.trees(on_ground(scatter(rng, 40, (-35, 35, -20, 70), keep_out, 6.0), terrain, 0.1), 3, 8)
    flora.bushes(on_ground(scatter(rng, 30, (-14, 14, -8, 40), path[:, :2], half + 0.8), terrain), 0.5, 1.6)
    flora.grass(on_ground(scatter(rng, 40, (-8, 8, -8, 25), path[:, :2], half + 0.3), terrain), 0.2, 0.6)
    flora.rocks(on_ground(scatter(rng, 8, (-10, 10, -5, 40), path[:, :2], half + 0.5), terrain), 0.3, 1.0)
    add_extras(builder, path[[24, 28, 33]] + [rng.uniform(-1, 1), 0, 0.05], 0.75)
    focus = np.concatenate(
        [np.concatenate([houses, np.full((len(houses), 1), 2.0)], 1), path[24:44:4] + vec(0, 0, 1)]
    )
    return View(
        area=(-14, 14, -15, 45),
        focus=focus,
        ground=terrain.height,
        path=path[12:44, :2],
        heights=(0.4, 9.0),
        pace=5.0,
    )


def _houses(builder: SceneBuilder, style: HouseStyle, path: Array, half: float) -> Array:
    rng, spots = builder.rng, []
    for side in (-1, 1):
        at = 6.0
        while at < len(path) - 6:
            row = path[int(at)]
            length, depth, height = (
                rng.uniform(5, 11),
                rng.uniform(4.5, 8),
                float(rng.choice([2.5, 3.0, 5.2])),
            )
            gap = half + rng.uniform(0.8, 4.0) + depth / 2
            yaw = side * np.pi / 2 + rng.normal(0, 0.12)
            if rng.random() < 0.85:
                spot = row + vec(side * gap, 0, 0)
                add_house(builder, style, spot, float(yaw), (length, depth, height))
                spots.append(spot[:2])
                if rng.random() < 0.5:
                    builder.add(
                        place(
                            stairs(1.4, 0.4, 0.9, 3),
                            spot + vec(-side * (depth / 2 + 0.9), 0, -0.05),
                            float(yaw),
                        ),
                        style.trims[0],
                    )
            at += length / 2.2 * rng.uniform(0.95, 1.6)
    return np.array(spots).reshape(-1, 2)


def _yards(builder: SceneBuilder, furniture: Furniture, terrain: Terrain, path: Array, half: float) -> None:
    rng, palette = builder.rng, builder.palette
    for side in (-1, 1):
        line = path[10:50:1] + vec(side * (half + 0.5), 0, 0)
        line[:, 2] = terrain.height(line[:, 0], line[:, 1])
        if rng.random() < 0.5:
            start = int(rng.integers(0, 20))
            builder.add(
                fence(
                    line[start : start + 12],
                    rng.uniform(0.7, 1.3),
                    rng.uniform(0.6, 2),
                    2,
                    rng.random() < 0.4,
                ),
                furniture.any(),
            )
    near = on_ground(scatter(rng, 14, (-half - 2.5, half + 2.5, -2, 35)), terrain)
    near = near[np.abs(near[:, 0] - np.interp(near[:, 1], path[:, 1], path[:, 0])) > half * 0.8]
    kinds = (
        barrel(),
        crate(0.8),
        lathe([(0, 0), (0.25, 0), (0.4, 0.4), (0.3, 0.7), (0.34, 0.75), (0.26, 0.75), (0, 0.4)], 16),
    )
    for i, spot in enumerate(near):
        builder.add(
            place(kinds[i % 3], spot, float(rng.uniform(0, 6))),
            furniture.any_metal() if rng.random() < 0.4 else furniture.any(),
        )
    if rng.random() < 0.5:
        spot = path[int(rng.integers(22, 36))] + vec(half + 1.2, 0, 0)
        well = lathe([(0, 0), (0.9, 0), (0.9, 0.9), (0.7, 0.9), (0.7, 0.2), (0, 0.2)], 18)
        builder.add(place(well, spot), palette.stone())
        posts = join(place(cylinder(0.07, 2.2, 8), (-0.8, 0, 0)), place(cylinder(0.07, 2.2, 8), (0.8, 0, 0)))
        builder.add(place(posts, spot), furniture.any())
        builder.add(place(gabled_roof(2.2, 1.8, 0.8), spot + vec(0, 0, 2.2)), palette.roof())
    for row in path[14:46:6]:
        if rng.random() < 0.4:
            furniture.street_lamp(row + vec(half + 0.3, 0, 0), float(rng.uniform(2.4, 4)))
        if rng.random() < 0.25:
            slats, legs = bench()
            at = row + vec(-half - 0.4, 1.5, 0)
            builder.add(place(slats, at, np.pi / 2), furniture.any())
            builder.add(place(legs, at, np.pi / 2), furniture.any_metal())
    if rng.random() < 0.4:
        carts = [block((1.2, 2.0, 0.5), (0, 0, 0.6))]
        at = path[int(rng.integers(22, 34))] + vec(-half, 0, 0)
        builder.add(place(join(*carts), at, float(rng.uniform(0, 3))), furniture.any())
        stack = path[26] + vec(half + 0.6, 0, 0)
        builder.add(
            instances(
                place(cylinder(0.16, 1.6, 10), (0, 0, 0), pitch=np.pi / 2),
                stack + np.array([[0, 0, 0.16], [0.33, 0, 0.16], [0.16, 0, 0.44]]),
                0.0,
                1.0,
            ),
            palette.bark(),
        )
