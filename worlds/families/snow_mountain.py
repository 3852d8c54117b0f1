"""Snowfields and mountains: bright white ground, peaks, firs, huts, pistes with poles and gates, sledges."""

from itertools import pairwise

import numpy as np

from worlds.builder import SceneBuilder
from worlds.buildings import HouseStyle, add_house, fence, wire
from worlds.cameras import View
from worlds.families.layout import add_extras, on_ground, scatter
from worlds.motion import drive
from worlds.plants import Flora, lump
from worlds.props import Furniture
from worlds.round_shapes import cone, cylinder, rod, sphere
from worlds.shapes import Array, box, instances, join, place, vec
from worlds.terrain import Terrain
from worlds.vehicles import add_hover, add_kart


def build(builder: SceneBuilder) -> View:
    """Build a slope that falls or climbs along +y with a valley for the camera."""
    rng, palette = builder.rng, builder.palette
    terrain = Terrain.draw(
        rng, float(rng.uniform(0.5, 3)), float(rng.uniform(1.7, 2.3)), float(rng.choice([0, 0.3]))
    )
    slope, wall, width = (
        float(rng.uniform(-0.25, 0.18)),
        float(rng.uniform(0.0, 1.2)),
        float(rng.uniform(6, 20)),
    )

    def valley(x: Array, y: Array, z: Array) -> Array:
        side = np.maximum(np.abs(x) - width, 0)
        return z + slope * y + wall * side * side / (side + 25)

    terrain.shapers.append(valley)
    snow = palette.snow()
    builder.add(terrain.mesh(360, 76), snow)
    _peaks(builder, terrain, snow)
    flora, furniture = Flora(builder, ("conifer", "conifer", "broad"), 3), Furniture(builder, 6)
    flora.trees(on_ground(scatter(rng, int(rng.integers(10, 75)), (-50, 50, -20, 90)), terrain, 0.1), 2.5, 9)
    flora.rocks(on_ground(scatter(rng, int(rng.integers(3, 30)), (-25, 25, -5, 60)), terrain), 0.4, 3.5)
    drifts = on_ground(scatter(rng, 20, (-20, 20, -5, 50)), terrain, 0.3)
    builder.add(
        instances(
            lump(rng, 1.0, 0.08, 14, 8, (1, 1, 0.4)), drifts, rng.uniform(0, 6, 20), rng.uniform(0.5, 2.5, 20)
        ),
        snow,
    )
    _piste(builder, furniture, terrain)
    if rng.random() < 0.5:
        style = HouseStyle(builder)
        for spot in on_ground(scatter(rng, int(rng.integers(1, 5)), (-18, 18, 8, 40)), terrain, 0.3):
            add_house(
                builder, style, spot, float(rng.uniform(0, 6.28)), (rng.uniform(4, 9), rng.uniform(4, 7), 2.8)
            )
    if rng.random() < 0.3:
        ice = on_ground(np.array([[0.0, 20.0]]), terrain)[0]
        builder.add(box((60, 60, 0.3), ice - [0, 0, 0.4]), palette.water())
    if rng.random() < 0.5:
        spot, speed = on_ground(scatter(rng, 1, (-5, 5, 6, 16)), terrain)[0], float(rng.uniform(2, 12))
        pose = drive(builder, spot, float(rng.choice([0.0, np.pi]) + rng.normal(0, 0.3)), speed)
        pose[:, 2] = terrain.height(pose[:, 0], pose[:, 1])
        (add_kart if rng.random() < 0.5 else add_hover)(builder, pose, rng, speed)
    add_extras(builder, on_ground(scatter(rng, 4, (-6, 6, 4, 18)), terrain), 0.6)
    focus = on_ground(scatter(rng, 10, (-15, 15, 8, 50)), terrain) + vec(0, 0, 1.0)
    return View(
        area=(-20, 20, -15, 45),
        focus=focus,
        ground=terrain.height,
        heights=(0.5, 9.0),
        pace=14.0,
        heroes=("walker", "animal", "kart", "hover", "robot"),
    )


def _peaks(builder: SceneBuilder, terrain: Terrain, snow: int) -> None:
    """Far mountains: bumpy cones of rock with snow caps."""
    rng, rock = builder.rng, builder.palette.rock()
    for _ in range(int(rng.integers(3, 11))):
        angle, radius = rng.uniform(-1.9, 1.9), rng.uniform(90, 170)
        x, y = radius * np.sin(angle), 20 + radius * np.cos(angle)
        size = float(rng.uniform(25, 70))
        base = np.array([x, y, float(terrain.height(x, y)) - size * 0.3])
        peak = lump(rng, size, 0.2, 18, 11, (1, 1, rng.uniform(0.6, 1.3)))
        builder.add(place(peak, base), snow if rng.random() < 0.5 else rock)
        if rng.random() < 0.4:
            builder.add(place(cone(size * 0.6, size * 1.1, 14), base + vec(0, 0, size * 0.5)), snow)


def _piste(builder: SceneBuilder, furniture: Furniture, terrain: Terrain) -> None:
    rng, palette = builder.rng, builder.palette
    if rng.random() < 0.7:
        gates = on_ground(np.stack([3.5 * np.sin(np.arange(10) * 1.3), np.arange(10) * 6.0 + 3], 1), terrain)
        flag = join(cylinder(0.03, 1.9, 7), box((0.5, 0.03, 0.5), (0.27, 0, 1.5)))
        for i in range(2):
            builder.add(instances(flag, gates[i::2], 0.0, 1.0), palette.plastic())
    if rng.random() < 0.4:
        y = np.linspace(-10, 50, 25)
        builder.add(fence(terrain.points(6 + 0 * y, y), 1.2, 2.5, 3, True, 0.03), furniture.any())
    if rng.random() < 0.4:
        _lift(builder, furniture, terrain)
    if rng.random() < 0.35:
        for spot in on_ground(scatter(rng, 3, (-5, 5, 5, 20)), terrain):
            builder.add(
                join(
                    *[
                        sphere(r, 16, 9, spot + vec(0, 0, z))
                        for r, z in ((0.55, 0.4), (0.4, 1.15), (0.27, 1.7))
                    ]
                ),
                palette.snow(),
            )
            builder.add(
                place(cone(0.05, 0.4, 8), spot + vec(0, -0.25, 1.7), pitch=np.pi / 2), palette.plastic()
            )
    if rng.random() < 0.2 + 0.5 * builder.mood.metal:
        for spot in on_ground(scatter(rng, int(rng.integers(1, 6)), (-9, 9, 5, 26)), terrain, 0.3):
            size = float(rng.uniform(0.8, 3))
            builder.add(
                place(cylinder(size, size * 1.5, 22), spot, 0.0, 1.0, float(rng.normal(0, 0.1))),
                furniture.any_metal(),
            )


def _lift(builder: SceneBuilder, furniture: Furniture, terrain: Terrain) -> None:
    """Masts, two cables and cabins."""
    rng, palette = builder.rng, builder.palette
    posts = on_ground(np.stack([np.full(6, -7.0), np.arange(6) * 15.0 - 8], 1), terrain, 0.3)
    builder.add(
        instances(join(cylinder(0.18, 8, 10), rod((-1.5, 0, 7.8), (1.5, 0, 7.8), 0.1)), posts, 0.0, 1.0),
        palette.bare_metal(),
    )
    for a, b in pairwise(posts):
        for x in (-1.4, 1.4):
            builder.add(wire(a + vec(x, 0, 7.8), b + vec(x, 0, 7.8), 0.5, 0.03), furniture.metals[0])
        cabin = (a + b) / 2 + vec(1.4, 0, 5.6)
        builder.add(
            box((1.4, 1.8, 1.6), cabin), palette.car_paint() if rng.random() < 0.3 else furniture.any()
        )
