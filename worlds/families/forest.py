"""Dense woods: trunks near the camera, undergrowth, fallen logs, mushrooms, a path, now and then a machine."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.cameras import View
from worlds.families.layout import add_extras, on_ground, scatter
from worlds.plants import Flora, mushroom
from worlds.props import Furniture
from worlds.round_shapes import cylinder, sphere
from worlds.shapes import instances, place, vec
from worlds.terrain import Terrain, along_path, ribbon


def build(builder: SceneBuilder) -> View:
    """Build a wood along a winding path."""
    rng, palette = builder.rng, builder.palette
    terrain = Terrain.draw(rng, float(rng.uniform(0.3, 2.5)))
    y = np.linspace(-30, 70, 50)
    x = rng.uniform(1, 6) * np.sin(rng.uniform(0.05, 0.12) * y + rng.uniform(0, 6))
    path = np.stack([x, y, terrain.height(x, y)], 1)
    terrain.shapers.append(along_path(path[::2], 1.0, 4.0))
    builder.add(terrain.mesh(200, 72), palette.grass() if rng.random() < 0.7 else palette.soil())
    if rng.random() < 0.6:
        builder.add(ribbon(path, -0.9, 0.9, 0.04), palette.soil())
    kinds = (("conifer",), ("broad",), ("broad", "conifer"), ("palm", "broad"))[int(rng.integers(4))]
    flora, furniture = Flora(builder, kinds, 4), Furniture(builder, 6)
    count = int(rng.integers(50, 115))
    flora.trees(
        on_ground(scatter(rng, count, (-28, 28, -16, 60), path[:, :2], 2.2), terrain, 0.15),
        4,
        float(rng.uniform(7, 15)),
    )
    stems = on_ground(
        scatter(rng, int(rng.integers(10, 60)), (-22, 22, -10, 50), path[:, :2], 1.8), terrain, 0.3
    )
    scales = np.stack([s := rng.uniform(0.4, 1.4, len(stems)), s, rng.uniform(0.8, 1.6, len(stems))], 1)
    builder.add(
        instances(cylinder(0.25, 9.0, 9, top=0.15), stems, rng.uniform(0, 6, len(stems)), scales),
        palette.bark(),
    )
    flora.bushes(
        on_ground(scatter(rng, int(rng.integers(15, 40)), (-18, 18, -8, 40), path[:, :2], 1.2), terrain),
        0.4,
        1.8,
    )
    flora.rocks(
        on_ground(scatter(rng, int(rng.integers(5, 30)), (-15, 15, -6, 40), path[:, :2], 1.0), terrain),
        0.3,
        2.0,
    )
    flora.grass(on_ground(scatter(rng, 70, (-9, 9, -5, 22), path[:, :2], 0.7), terrain, 0.02), 0.2, 0.8)
    _floor(builder, furniture, terrain, path)
    add_extras(builder, path[[19, 22, 26]] + vec(0, 0, 0.03), 0.6)
    focus = on_ground(scatter(rng, 8, (-10, 10, 4, 30)), terrain) + vec(0, 0, 1.2)
    return View(
        area=(-16, 16, -12, 40),
        focus=focus,
        ground=terrain.height,
        path=path[10:34, :2],
        heights=(0.35, 7.0),
        pace=4.0,
    )


def _floor(builder: SceneBuilder, furniture: Furniture, terrain: Terrain, path: np.ndarray) -> None:
    """Logs, mushrooms, and man-made things that do not belong there."""
    rng, palette = builder.rng, builder.palette
    log = place(cylinder(0.3, 4.0, 12, top=0.24), (0, 0, 0.2), pitch=np.pi / 2)
    logs = on_ground(scatter(rng, int(rng.integers(0, 9)), (-12, 12, 0, 30), path[:, :2], 2.4), terrain)
    if len(logs):
        builder.add(
            instances(log, logs, rng.uniform(0, 6, len(logs)), rng.uniform(0.5, 1.4, len(logs))),
            palette.bark(),
        )
    if rng.random() < 0.4:
        stem, cap = mushroom(rng, 1.0)
        spots = on_ground(scatter(rng, 16, (-8, 8, 1, 18), path[:, :2], 1.2), terrain)
        yaws, sizes = (
            rng.uniform(0, 6, len(spots)),
            rng.uniform(0.2, float(rng.choice([0.8, 3.0])), len(spots)),
        )
        builder.add(instances(stem, spots, yaws, sizes), palette.plaster())
        builder.add(instances(cap, spots, yaws, sizes), palette.or_metal("ceramic"))
    if rng.random() < 0.3 + 0.6 * builder.mood.metal:
        metal = palette.metal()
        for spot in on_ground(
            scatter(rng, int(rng.integers(1, 5)), (-7, 7, 4, 20), path[:, :2], 1.6), terrain, 0.3
        ):
            size = float(rng.uniform(0.6, 2.4))
            builder.add(sphere(size, 22, 13, spot + vec(0, 0, size * 0.8)), metal)
    if rng.random() < 0.4:
        furniture.solids(
            on_ground(scatter(rng, 8, (-7, 7, 3, 20), path[:, :2], 1.2), terrain, 0.05), 0.4, 1.8, 0.5, 3
        )
    for row in path[15:34:6]:
        if rng.random() < 0.2:
            furniture.street_lamp(row + vec(1.2, 0, 0), float(rng.uniform(1.5, 3.5)))
