"""A racing circuit through hills or between high walls: road, kerbs, rails, banners, stands, gates, karts and cars."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.buildings import fence
from worlds.cameras import View
from worlds.families.circuit_walls import add_walls, sideways
from worlds.families.layout import add_extras, add_floater, on_ground, scatter
from worlds.materials import Kind, hsv
from worlds.motion import attach
from worlds.plants import Flora
from worlds.props import Furniture
from worlds.round_shapes import cylinder, torus
from worlds.shapes import Array, block, box, instances, join, place, vec
from worlds.terrain import Terrain, along_path, ribbon, trench
from worlds.vehicles import add_car, add_hover, add_kart


def build(builder: SceneBuilder) -> View:
    """Build a stretch of track that winds along +y."""
    rng, palette = builder.rng, builder.palette
    furniture = Furniture(builder)
    half = float(rng.uniform(3.0, 6.0))
    path = _path(rng)
    walled = rng.random() < 0.5
    terrain = Terrain.draw(rng, float(rng.uniform(0.1, 1) if walled else rng.uniform(0.5, 5)))
    path[:, 2] = terrain.height(path[:, 0], path[:, 1]) * 0.6
    kernel = np.ones(9) / 9
    path[:, 2] = np.convolve(np.pad(path[:, 2], 4, mode="edge"), kernel, mode="valid")
    terrain.shapers.append(along_path(path[::2], half + 2.0, 12.0))
    sides = palette.grass() if rng.random() < 0.7 else palette.sand()
    builder.add(terrain.mesh(300, 80, sunk=trench(path[::2], half - 0.4, 0.3)), sides)
    _road(builder, path, half)
    _edges(builder, furniture, path, half)
    if walled:
        add_walls(builder, path, half)
    flora = Flora(builder, ("broad", "conifer", "palm"), 3)
    track = path[:, :2]
    flora.trees(on_ground(scatter(rng, 60, (-60, 60, -30, 110), track, half + 4), terrain, 0.1), 2.5, 9)
    flora.rocks(on_ground(scatter(rng, 25, (-40, 40, -20, 80), track, half + 3), terrain), 0.5, 3)
    flora.bushes(on_ground(scatter(rng, 20, (-25, 25, -10, 60), track, half + 2), terrain), 0.5, 1.5)
    _racers(builder, path, half, int(rng.integers(2, 7) if walled else rng.integers(1, 5)))
    if rng.random() < 0.4:
        add_extras(builder, path[[30, 36]] + vec(half + 1.5, 0, 0.05), 1.0)
    middle = path[16:70]
    focus = middle[::5] + vec(0, 0, 1.0)
    return View(
        area=(-40, 40, -40, 90),
        focus=focus,
        ground=terrain.height,
        path=track[14:60],
        heights=(0.5, 8.0),
        pace=20.0,
        heroes=("kart", "kart", "car", "hover", "walker"),
    )


def _path(rng: np.random.Generator) -> Array:
    y = np.linspace(-50, 130, 110)
    bend, phase = rng.uniform(0.02, 0.06), rng.uniform(0, 6.28)
    x = rng.uniform(2, 12) * (np.sin(bend * y + phase) - np.sin(phase))
    return np.stack([x, y, 0 * y], 1)


def _road(builder: SceneBuilder, path: Array, half: float) -> None:
    rng, palette = builder.rng, builder.palette
    road = palette.asphalt() if rng.random() < 0.75 else palette.anything()
    builder.add(ribbon(path, -half, half, 0.06), road)
    kerb = builder.materials.add(
        Kind.STRIPES,
        palette.colour((0, 1), (0.5, 0.95), (0.5, 0.95)),
        (0.92, 0.92, 0.92),
        roughness=0.5,
        scale=rng.uniform(0.3, 0.8),
        bump=0.0,
        exact=True,
    )
    builder.add(ribbon(path, -half - 0.7, -half, 0.1), kerb)
    builder.add(ribbon(path, half, half + 0.7, 0.1), kerb)
    paint = builder.materials.add(Kind.SOLID, hsv(0.13, rng.uniform(0, 0.8), 0.9), roughness=0.5, bump=0.0)
    for i in range(0, len(path) - 4, 4):
        builder.add(ribbon(path[i : i + 3], -0.1, 0.1, 0.085), paint)
    check = builder.materials.add(
        Kind.CHECKER, (0.95, 0.95, 0.95), (0.05, 0.05, 0.05), roughness=0.5, scale=1.3, bump=0.0, exact=True
    )
    start = int(rng.integers(34, 50))
    builder.add(ribbon(path[start : start + 3], -half, half, 0.09), check)


def _edges(builder: SceneBuilder, furniture: Furniture, path: Array, half: float) -> None:
    rng = builder.rng
    step, side = sideways(path)
    for sign in (-1, 1):
        line = path + side * sign * (half + 1.4)
        _barrier(builder, furniture, line, step)
        for point in line[8:90:7]:
            if rng.random() < 0.5:
                furniture.street_lamp(point + side[0] * sign, float(rng.uniform(4, 7)))
    if rng.random() < 0.7:
        at = int(rng.integers(30, 55))
        yaw, post = float(np.arctan2(-step[at, 0], step[at, 1])), cylinder(0.3, 6.0, 12)
        gate = join(place(post, (-half - 1, 0, 0)), place(post, (half + 1, 0, 0)))
        builder.add(place(gate, path[at], yaw), furniture.any_metal())
        builder.add(place(box((2 * half + 3, 0.5, 1.5), (0, 0, 6)), path[at], yaw), furniture.sign)
    if rng.random() < 0.5:
        at, sign = int(rng.integers(28, 48)), float(rng.choice([-1, 1]))
        stand = join(*[block((14, 1.2, 0.6 * (i + 1)), (0, 1.2 * i, 0)) for i in range(5)])
        yaw = float(np.arctan2(-step[at, 0], step[at, 1])) - sign * np.pi / 2
        builder.add(place(stand, path[at] + side[at] * sign * (half + 5), yaw), furniture.any())
    for point in path[22:60:9]:
        if rng.random() < 0.3 and builder.room_for_objects > 40:
            add_floater(builder, point + side[0] * rng.uniform(-half, half) * 0.7, 0.7)


def _barrier(builder: SceneBuilder, furniture: Furniture, line: Array, step: Array) -> None:
    """A rail, concrete blocks, tyre stacks or nothing along one side."""
    rng = builder.rng
    kind = rng.random()
    if kind < 0.35:
        builder.add(fence(line[5:-5:2], 0.8, 2.5, 2, False, 0.06), builder.palette.bare_metal())
    elif kind < 0.6:
        walls = [
            block((0.5, 2.6, 0.9), p, float(np.arctan2(-s[0], s[1])))
            for p, s in zip(line[4:-4:2], step[4:-4:2], strict=True)
        ]
        cut = len(walls) // 2
        builder.add(join(*walls[:cut:2], *walls[cut::2]), furniture.any())
        builder.add(join(*walls[1:cut:2], *walls[cut + 1 :: 2]), furniture.any())
    elif kind < 0.8:
        pile = join(*[place(torus(0.3, 0.14, 10, 5), (0, 0, 0.14 + 0.26 * i)) for i in range(3)])
        builder.add(
            instances(pile, line[12:60:1], 0.0, 1.0),
            builder.palette.rubber() if rng.random() < 0.6 else furniture.any(),
        )


def _racers(builder: SceneBuilder, path: Array, half: float, count: int) -> None:
    rng = builder.rng
    makers = (add_kart, add_kart, add_car, add_hover)
    maker = makers[int(rng.integers(len(makers)))]
    for _ in range(count):
        if builder.room_for_objects < 20:
            break
        speed, start, offset = (
            float(rng.uniform(5, 25)),
            float(rng.uniform(-5, 35)),
            float(rng.uniform(-0.6, 0.6) * half),
        )
        y = start + speed * builder.times
        pose = builder.still()
        for axis in range(3):
            pose[:, axis] = np.interp(y, path[:, 1], path[:, axis])
        slope = np.interp(y, path[:, 1], np.gradient(path[:, 0], path[:, 1]))
        pose[:, 3] = -np.arctan(slope)
        pose[:, 2] += 0.07
        maker(builder, attach(pose, (offset, 0, 0)), rng, speed)
