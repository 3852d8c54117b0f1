"""Dry country: dunes, mesas, natural arches, adobe houses, cacti, wrecks and tanks."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.buildings import arch, fence, stairs
from worlds.cameras import View
from worlds.families.layout import add_extras, on_ground, scatter
from worlds.industry import tank
from worlds.motion import drive
from worlds.plants import Flora, cactus, lump
from worlds.props import Furniture, vase
from worlds.round_shapes import cylinder, dome, lathe, tube
from worlds.shapes import Array, Mesh, bevelled_box, block, boxes, instances, join, place, vec
from worlds.terrain import Terrain
from worlds.vehicles import add_car, add_hover


def build(builder: SceneBuilder) -> View:
    """Build dunes around the origin."""
    rng, palette = builder.rng, builder.palette
    terrain = Terrain.draw(
        rng, float(rng.uniform(0.4, 4)), float(rng.uniform(1.9, 2.8)), float(rng.choice([0, 0.5, 0.8]))
    )
    builder.add(terrain.mesh(320), palette.sand())
    flora, furniture = Flora(builder, ("palm",), 2), Furniture(builder, 6)
    rocks = [palette.rock(), palette.rock()]
    for spot in on_ground(scatter(rng, int(rng.integers(3, 12)), (-70, 70, 20, 110)), terrain, 1.0):
        builder.add(place(mesa(rng), spot, float(rng.uniform(0, 6)), float(rng.uniform(3, 14))), rocks[0])
    for spot in on_ground(scatter(rng, int(rng.integers(0, 4)), (-14, 14, 6, 30)), terrain, 0.4):
        builder.add(
            place(natural_arch(rng), spot, float(rng.normal(0, 0.6)), float(rng.uniform(1.5, 5))), rocks[1]
        )
    flora.rocks(on_ground(scatter(rng, int(rng.integers(10, 60)), (-30, 30, -8, 60)), terrain), 0.3, 3.0)
    if rng.random() < 0.6:
        plants = on_ground(scatter(rng, int(rng.integers(4, 20)), (-25, 25, 0, 50)), terrain)
        green = palette.leaves()
        for i in range(2):
            builder.add(
                instances(
                    cactus(rng, 1.0),
                    plants[i::2],
                    rng.uniform(0, 6, len(plants[i::2])),
                    rng.uniform(1, 4, len(plants[i::2])),
                ),
                green,
            )
    if rng.random() < 0.4:
        flora.trees(on_ground(scatter(rng, 10, (-20, 20, 4, 40)), terrain), 3, 7)
    if rng.random() < 0.6:
        _adobe(builder, furniture, terrain)
    _left_behind(builder, furniture, terrain)
    add_extras(builder, on_ground(scatter(rng, 4, (-7, 7, 3, 18)), terrain), 0.6)
    focus = on_ground(scatter(rng, 10, (-20, 20, 6, 45)), terrain) + vec(0, 0, 1.5)
    return View(
        area=(-28, 28, -18, 45),
        focus=focus,
        ground=terrain.height,
        heights=(0.4, 11.0),
        pace=9.0,
        heroes=("walker", "robot", "animal", "car", "hover"),
    )


def mesa(rng: np.random.Generator) -> Mesh:
    """A layered table mountain, about one unit high."""
    z = np.array([0, 0.25, 0.3, 0.55, 0.6, 0.9, 1.0])
    radius = np.array([1.1, 0.9, 0.75, 0.68, 0.6, 0.56, 0.5]) * rng.uniform(0.8, 1.6)
    profile = [*zip(radius.tolist(), z.tolist(), strict=True), (0.0, 1.02)]
    mesh = lathe(profile, 20, smooth=rng.random() < 0.4)
    angle = np.arctan2(mesh[:, 1], mesh[:, 0])
    swell = 1 + 0.18 * np.sin(3 * angle + rng.uniform(0, 6)) + 0.08 * np.sin(7 * angle + rng.uniform(0, 6))
    mesh[:, :2] *= swell[:, None].astype(np.float32)
    return mesh


def natural_arch(rng: np.random.Generator) -> Mesh:
    """A bridge of rock along x, about one unit high, thick at its feet."""
    angle = np.linspace(-0.25, np.pi + 0.25, 16)
    path = np.stack([np.cos(angle) * rng.uniform(0.8, 1.3), 0.15 * np.sin(3 * angle), np.sin(angle)], 1)
    thick = 0.2 + 0.25 * np.abs(np.cos(angle)) ** 2 + rng.uniform(-0.05, 0.05, 16)
    return join(
        tube(path, thick, 12),
        place(lump(rng, 0.5, 0.2), (1.1, 0, 0)),
        place(lump(rng, 0.5, 0.2), (-1.1, 0, 0)),
    )


def _adobe(builder: SceneBuilder, furniture: Furniture, terrain: Terrain) -> None:
    rng, palette = builder.rng, builder.palette
    walls = [palette.plaster(), palette.plaster()]
    wood, dark = palette.wood(), palette.glass()
    for spot in on_ground(scatter(rng, int(rng.integers(2, 8)), (-22, 22, 5, 40)), terrain, 0.3):
        size = np.array([rng.uniform(3, 8), rng.uniform(3, 7), rng.uniform(2.8, 4.5)])
        yaw, wall = float(rng.uniform(0, 6.28)), walls[int(rng.integers(2))]

        def put(mesh: Mesh, material: int, spot: Array = spot, yaw: float = yaw) -> None:
            builder.add(place(mesh, spot, yaw), material)

        put(place(bevelled_box(size, 0.25), (0, 0, size[2] / 2)), wall)
        x = np.arange(-size[0] / 2 + 0.5, size[0] / 2, 0.9)
        put(boxes([(v, 0, size[2] - 0.5) for v in x], (0.14, size[1] + 0.8, 0.14)), wood)
        put(boxes([(v, -size[1] / 2, 1.6) for v in x[::2]], (0.5, 0.12, 0.7)), dark)
        put(block((0.9, 0.1, 2.0), (0.2, -size[1] / 2 - 0.03, 0)), wood)
        if rng.random() < 0.35:
            put(place(dome(size[1] * 0.4, 18, 6), (0, 0, size[2] - 0.05)), wall)
        elif rng.random() < 0.5:
            put(place(bevelled_box(size * [0.5, 0.6, 0.7], 0.2), (size[0] * 0.2, 0, size[2] * 1.3)), wall)
        if rng.random() < 0.3:
            put(place(stairs(1.0, size[2], size[2], 10), (size[0] / 2 + 0.5, -size[1] / 2, 0)), wall)
    jars = on_ground(scatter(rng, 6, (-10, 10, 3, 20)), terrain)
    builder.add(instances(vase(rng), jars, 0.0, rng.uniform(0.5, 1.1, len(jars))), furniture.any())
    if rng.random() < 0.3:
        gate = on_ground(scatter(rng, 1, (-6, 6, 8, 18)), terrain, 0.3)[0]
        builder.add(place(arch(2.6, 4.6, 1.0, 0.9), gate, float(rng.normal(0, 0.4))), walls[0])


def _left_behind(builder: SceneBuilder, furniture: Furniture, terrain: Terrain) -> None:
    rng = builder.rng
    for spot in on_ground(scatter(rng, int(rng.integers(0, 5)), (-14, 14, 5, 30)), terrain, 0.3):
        builder.add(
            place(
                tank(float(rng.uniform(0.8, 2)), float(rng.uniform(2, 5)), rng.random() < 0.6),
                spot,
                float(rng.uniform(0, 6)),
                pitch=float(rng.normal(0, 0.15)),
            ),
            furniture.any_metal(),
        )
    if rng.random() < 0.5:
        x = np.linspace(-30, 30, 16)
        line = terrain.points(x, 8 + 4 * np.sin(x * 0.1))
        builder.add(fence(line, 1.2, 3.5, 2), furniture.any())
    if rng.random() < 0.4:
        spots = on_ground(scatter(rng, 5, (-12, 12, 5, 40)), terrain, 0.4)
        builder.add(
            instances(cylinder(0.4, 5.0, 14), spots, 0.0, rng.uniform(0.5, 1.3, len(spots))),
            furniture.any_metal() if rng.random() < 0.5 else furniture.any(),
        )
    if rng.random() < 0.5:
        spot = on_ground(scatter(rng, 1, (-8, 8, 6, 20)), terrain)[0]
        speed = float(rng.choice([0.0, rng.uniform(3, 12)]))
        (add_car if rng.random() < 0.6 else add_hover)(
            builder, drive(builder, spot, float(rng.uniform(0, 6.28)), speed), rng, speed
        )
