"""A bright jump-and-run world: floating blocks, ramps, tubes, coins, flags, round hills."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.buildings import arch, stairs
from worlds.cameras import View
from worlds.families.layout import add_extras, add_floater, on_ground, scatter
from worlds.motion import bob, spin
from worlds.plants import Flora, mushroom
from worlds.props import Furniture
from worlds.round_shapes import cone, cylinder, dome, lathe, sphere, torus
from worlds.shapes import Array, bevelled_box, block, box, instances, join, place, vec


def build(builder: SceneBuilder) -> View:
    """Build blocks and hills around a runway along +y."""
    rng, palette = builder.rng, builder.palette
    furniture = Furniture(builder, 10)
    base = palette.grass() if rng.random() < 0.45 else palette.anything()
    if rng.random() < 0.8:
        builder.add(box((260, 260, 1), (0, 30, -0.5)), base)
    else:
        builder.add(box((260, 260, 1), (0, 30, -3.5)), palette.water())
        builder.add(place(bevelled_box((9, 90, 2.5), 0.3), (0, 30, -1.25)), base)
    _blocks(builder, furniture)
    for spot in on_ground(scatter(rng, int(rng.integers(3, 12)), (-50, 50, 25, 100)), None, 0.3):
        builder.add(
            place(dome(float(rng.uniform(3, 14)), 20, 7, float(rng.uniform(0.5, 1.6))), spot), furniture.any()
        )
    _toys(builder, furniture)
    flora = Flora(builder, ("broad", "palm", "conifer"), 2)
    flora.trees(on_ground(scatter(rng, 14, (-25, 25, 2, 60), np.zeros((1, 2)), 5)), 2, 6)
    coins = on_ground(np.stack([1.5 * np.sin(np.arange(6)), np.arange(6) * 2.2 + 4], 1)) + vec(0, 0, 1.0)
    disc = place(cylinder(0.35, 0.1, 18), (0, 0.05, 0), pitch=np.pi / 2)
    gold = builder.materials.add(
        0, palette.colour((0.1, 0.15), (0.5, 0.9), (0.8, 0.97)), roughness=0.2, metallic=1.0, exact=True
    )
    for coin in coins:
        pose = spin(builder, coin, rng, 4.0)
        pose[:, 4:6] = 0.0
        builder.add(disc, gold, builder.add_object(pose))
    for spot in on_ground(scatter(rng, 3, (-4, 4, 5, 20))):
        add_floater(builder, spot)
    add_extras(builder, on_ground(scatter(rng, 3, (-4, 4, 4, 18))), 0.6)
    focus = np.concatenate([coins, on_ground(scatter(rng, 6, (-8, 8, 6, 30))) + vec(0, 0, 1.5)])
    return View(area=(-12, 12, -15, 35), focus=focus, heights=(0.6, 9.0), pace=8.0)


def _blocks(builder: SceneBuilder, furniture: Furniture) -> None:
    rng = builder.rng
    for _ in range(int(rng.integers(12, 50))):
        size = rng.choice([1.0, 2.0, 3.0, 4.0], 3) * rng.uniform(0.6, 1.1)
        x, y = rng.uniform(-14, 14), rng.uniform(2, 50)
        z = float(rng.choice([0.0, 0.0, rng.uniform(1, 6)]))
        mesh = bevelled_box(size, float(rng.uniform(0.03, 0.2))) if rng.random() < 0.5 else box(size)
        builder.add(
            place(mesh, (x, y, z + size[2] / 2)),
            furniture.any_metal() if rng.random() < builder.mood.metal + 0.1 else furniture.any(),
        )
    for _ in range(int(rng.integers(0, 3))):
        at = (rng.uniform(-6, 6), rng.uniform(6, 25), 0)
        builder.add(
            place(stairs(3, 2.5, 4, 6), at, float(rng.choice([0, np.pi / 2, -np.pi / 2]))), furniture.any()
        )
    if rng.random() < 0.4:
        builder.add(
            place(arch(3.5, 5, 1.5, 1.0), (rng.uniform(-3, 3), rng.uniform(10, 25), 0)), furniture.any()
        )
    for _ in range(int(rng.integers(0, 4))):
        size = (float(rng.uniform(1.5, 3)), float(rng.uniform(1.5, 3)), 0.4)
        pose = bob(builder, (rng.uniform(-7, 7), rng.uniform(6, 22), rng.uniform(0.5, 3)), rng, 1.5)
        pose[:, 3] = pose[0, 3]
        builder.add(bevelled_box(size, 0.1), furniture.any(), builder.add_object(pose))


def _toys(builder: SceneBuilder, furniture: Furniture) -> None:
    """Tubes, spikes, rings, giant mushrooms, poles."""
    rng, palette = builder.rng, builder.palette
    tube_mesh = lathe(
        [(0, 0), (0.8, 0), (0.8, 1.4), (1.0, 1.4), (1.0, 2.0), (0.75, 2.0), (0.75, 0.4), (0, 0.4)], 22
    )
    spots: Array = on_ground(scatter(rng, int(rng.integers(4, 16)), (-10, 10, 4, 40)))
    for spot in spots:
        kind = rng.integers(5)
        size = float(rng.uniform(0.6, 1.6))
        material = furniture.any_metal() if rng.random() < builder.mood.metal + 0.15 else furniture.any()
        if kind == 0:
            builder.add(place(tube_mesh, spot, 0.0, size), material)
        elif kind == 1:
            row = np.arange(5)[:, None] * [0.6, 0, 0]
            builder.add(instances(cone(0.3, 0.9, 12), spot + row, 0.0, 1.0), material)
        elif kind == 2:
            builder.add(
                place(
                    torus(1.2, 0.25, 26, 9), spot + vec(0, 0, 1.5), float(rng.uniform(0, 3)), size, np.pi / 2
                ),
                material,
            )
        elif kind == 3:
            stem, cap = mushroom(rng, 2.5)
            builder.add(place(stem, spot, 0.0, size), palette.plaster())
            builder.add(place(cap, spot, 0.0, size), material)
        else:
            builder.add(
                place(
                    join(
                        cylinder(0.1, 4, 10),
                        sphere(0.25, 14, 8, (0, 0, 4.1)),
                        block((1.2, 0.06, 0.8), (0.65, 0, 3.0)),
                    ),
                    spot,
                ),
                material,
            )
