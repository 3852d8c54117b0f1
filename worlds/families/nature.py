"""Open country: hills, water, groups of trees, rocks, a cabin or a ruin here and there."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.buildings import HouseStyle, add_house, fence
from worlds.cameras import View
from worlds.families.layout import add_extras, on_ground, scatter
from worlds.plants import Flora
from worlds.props import Furniture
from worlds.round_shapes import cylinder, sphere
from worlds.shapes import box, instances, place, vec
from worlds.terrain import Terrain


def build(builder: SceneBuilder) -> View:
    """Build a landscape around the origin."""
    rng, palette = builder.rng, builder.palette
    terrain = Terrain.draw(
        rng, float(rng.uniform(0.4, 5.0)), float(rng.uniform(1.6, 2.3)), float(rng.choice([0, 0, 0.6]))
    )
    builder.add(terrain.mesh(300), palette.grass())
    flora = Flora(builder, ("broad", "conifer", "palm"), int(rng.integers(1, 5)))
    whole = (-60.0, 60.0, -30.0, 100.0)
    if rng.random() < 0.45:
        level = float(
            np.quantile(
                terrain.height(rng.uniform(-60, 60, 200), rng.uniform(-30, 90, 200)), rng.uniform(0.1, 0.4)
            )
        )
        builder.add(box((340, 340, 1), (0, 20, level - 0.5)), palette.water())
    density = float(rng.uniform(0.2, 1.0))
    flora.trees(
        on_ground(scatter(rng, int(70 * density), whole), terrain, 0.1), 2.5, float(rng.uniform(4, 11))
    )
    flora.rocks(
        on_ground(scatter(rng, int(rng.integers(5, 60)), (-30, 30, -10, 60)), terrain, 0.05),
        0.4,
        float(rng.uniform(1, 5)),
    )
    flora.bushes(on_ground(scatter(rng, int(rng.integers(0, 40)), (-25, 25, -5, 50)), terrain, 0.0), 0.6, 2.2)
    if rng.random() < 0.6:
        flora.grass(on_ground(scatter(rng, 60, (-10, 10, -6, 24)), terrain, 0.02), 0.25, 0.9)
    _built(builder, terrain)
    extras = on_ground(scatter(rng, 4, (-8, 8, 3, 20)), terrain)
    add_extras(builder, extras, 0.6)
    focus = on_ground(scatter(rng, 10, (-25, 25, 5, 50)), terrain) + vec(0, 0, 1.0)
    return View(area=(-30, 30, -20, 50), focus=focus, ground=terrain.height, heights=(0.4, 12.0), pace=7.0)


def _built(builder: SceneBuilder, terrain: Terrain) -> None:
    """What people left there: a cabin, a fence, masts, a metal tank or sphere."""
    rng, palette = builder.rng, builder.palette
    if rng.random() < 0.45:
        style = HouseStyle(builder)
        for spot in on_ground(scatter(rng, int(rng.integers(1, 4)), (-22, 22, 8, 45)), terrain, 0.2):
            add_house(
                builder,
                style,
                spot,
                float(rng.uniform(0, 6.28)),
                (rng.uniform(4, 9), rng.uniform(4, 7), rng.uniform(2.4, 4)),
            )
    if rng.random() < 0.5:
        x = np.linspace(-24, 24, 25)
        y = rng.uniform(4, 16) + 3 * np.sin(x * rng.uniform(0.05, 0.2))
        builder.add(fence(terrain.points(x, y), 1.1, 2.0, 2, rng.random() < 0.5), palette.or_metal("planks"))
    if rng.random() < 0.35 + 0.5 * builder.mood.metal:
        metal = palette.metal()
        for spot in on_ground(scatter(rng, int(rng.integers(1, 6)), (-14, 14, 5, 35)), terrain, 0.3):
            size = float(rng.uniform(0.8, 3.5))
            if rng.random() < 0.5:
                builder.add(place(cylinder(size, size * 1.6, 20), spot), metal)
            else:
                builder.add(sphere(size, 20, 12, spot + vec(0, 0, size * 0.8)), metal)
    if rng.random() < 0.4:
        spots = on_ground(scatter(rng, 7, (-25, 25, 5, 60)), terrain, 0.3)
        builder.add(
            instances(cylinder(0.12, 1.0, 8), spots, 0.0, np.array([[1.0, 1.0, 7.0]] * len(spots))),
            palette.bare_metal(),
        )
    furniture = Furniture(builder, 5)
    if rng.random() < 0.5:
        furniture.solids(on_ground(scatter(rng, 12, (-12, 12, 3, 30)), terrain, 0.05), 0.5, 2.0, 0.5, 3)
