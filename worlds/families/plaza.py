"""An open square: patterned paving, monuments, fountains, columns, clutter."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.buildings import HouseStyle, add_house, arch, fence, stairs
from worlds.cameras import View
from worlds.families.layout import add_extras, on_ground, scatter
from worlds.plants import Flora
from worlds.props import Furniture, random_solid, stool_table
from worlds.round_shapes import cylinder, lathe, sphere, torus
from worlds.shapes import block, box, instances, place, vec


def build(builder: SceneBuilder) -> View:
    """Build the square around (0, 12)."""
    rng, palette = builder.rng, builder.palette
    furniture = Furniture(builder, 10)
    paving = palette.floor() if rng.random() < 0.7 else palette.cobbles()
    builder.add(box((300, 300, 0.5), (0, 20, -0.25)), paving)
    if rng.random() < 0.6:
        builder.add(box((rng.uniform(8, 30), rng.uniform(8, 30), 0.06), (0, 14, 0)), palette.floor())
    _surround(builder)
    centres = _monuments(builder, furniture)
    spots = scatter(rng, int(rng.integers(12, 50)), (-16, 16, 0, 40), centres, 3.0)
    furniture.solids(
        on_ground(spots),
        0.4,
        float(rng.choice([1.0, 1.8, 3.5])),
        builder.mood.metal + 0.1,
        int(rng.integers(3, 8)),
    )
    flora = Flora(builder, ("broad", "palm", "conifer"), 2)
    if rng.random() < 0.6:
        flora.trees(on_ground(scatter(rng, int(rng.integers(3, 12)), (-25, 25, 4, 45), centres, 3.0)), 2.5, 7)
    for spot in scatter(rng, int(rng.integers(0, 8)), (-14, 14, 0, 36), centres, 2.0):
        furniture.street_lamp((*spot, 0), float(rng.uniform(3, 5.5)))
    if rng.random() < 0.4:
        tables = on_ground(scatter(rng, 6, (-10, 10, 2, 20), centres, 3.0))
        builder.add(instances(stool_table(0.5, 0.75), tables, 0.0, 1.0), furniture.any())
        builder.add(instances(stool_table(0.22, 0.45), tables + vec(0.8, 0.2, 0), 0.0, 1.0), furniture.any())
    if rng.random() < 0.35:
        angle = np.linspace(0.3, 2.8, 14)
        ring = np.stack([14 * np.cos(angle), 14 + 14 * np.sin(angle), 0 * angle], 1)
        builder.add(fence(ring, 1.0, 1.8, 2), furniture.any_metal())
    add_extras(builder, on_ground(scatter(rng, 4, (-7, 7, 3, 18), centres, 2.0)), 0.75)
    focus = np.concatenate(
        [np.concatenate([centres, np.full((len(centres), 1), 1.0)], 1), on_ground(spots[:6])]
    )
    return View(area=(-18, 18, -12, 40), focus=focus, heights=(0.4, 10.0))


def _surround(builder: SceneBuilder) -> None:
    rng, palette = builder.rng, builder.palette
    kind = rng.random()
    if kind < 0.45:
        style = HouseStyle(builder)
        for x in np.arange(-30, 31, 15):
            size = (rng.uniform(8, 13), rng.uniform(8, 12), rng.uniform(4, 14))
            add_house(builder, style, (x + rng.uniform(-2, 2), 50 + rng.uniform(0, 8), 0), 0.0, size)
    elif kind < 0.85:
        walls = [palette.facade(), palette.anything(), palette.or_metal("wall")]
        for _ in range(int(rng.integers(4, 11))):
            angle, radius = rng.uniform(-2.2, 2.2), rng.uniform(45, 90)
            size = (rng.uniform(6, 18), rng.uniform(6, 18), rng.uniform(4, 40))
            at = (radius * np.sin(angle), 12 + radius * np.cos(angle), 0)
            builder.add(block(size, at, float(rng.uniform(0, 3))), walls[int(rng.integers(3))])


def _monuments(builder: SceneBuilder, furniture: Furniture) -> np.ndarray:
    """The large pieces in the middle; returns their (K, 2) places."""
    rng, palette = builder.rng, builder.palette
    centres = []
    for x, y in scatter(rng, int(rng.integers(1, 4)), (-9, 9, 8, 26)):
        kind = rng.integers(6)
        stone = palette.or_metal("stone") if rng.random() < 0.5 else palette.marble()
        at = np.array([x, y, 0.0])
        if kind == 0:
            builder.add(
                place(
                    lathe(
                        [(0, 0), (3, 0), (3, 0.6), (2.7, 0.6), (2.7, 0.3), (0.4, 0.3), (0.3, 1.6), (0, 1.6)],
                        24,
                    ),
                    at,
                ),
                stone,
            )
            builder.add(place(cylinder(2.65, 0.42, 24), at), palette.water())
            builder.add(sphere(0.5, 16, 9, at + vec(0, 0, 2.0)), furniture.any_metal())
        elif kind == 1:
            builder.add(block((2.2, 2.2, 1.4), at, 0.3), stone)
            builder.add(
                place(
                    random_solid(rng),
                    at + vec(0, 0, 1.4),
                    float(rng.uniform(0, 6)),
                    float(rng.uniform(1.5, 3)),
                ),
                palette.metal(),
            )
        elif kind == 2:
            angle = np.linspace(0, 2 * np.pi, 9)[:-1]
            ring = at + np.stack([3.5 * np.cos(angle), 3.5 * np.sin(angle), 0 * angle], 1)
            builder.add(
                instances(
                    lathe(
                        [
                            (0, 0),
                            (0.5, 0),
                            (0.5, 0.3),
                            (0.34, 0.4),
                            (0.28, 3.4),
                            (0.5, 3.7),
                            (0.5, 4),
                            (0, 4),
                        ],
                        12,
                    ),
                    ring,
                    0.0,
                    1.0,
                ),
                stone,
            )
            builder.add(place(torus(3.5, 0.35, 28, 8), at + vec(0, 0, 4.2)), stone)
        elif kind == 3:
            builder.add(place(arch(3.0, 5.0, 1.4, 1.0), at, float(rng.normal(0, 0.4))), stone)
        elif kind == 4:
            builder.add(place(stairs(6, 1.5, 3.0, 8), at, float(rng.choice([0, np.pi / 2, np.pi]))), stone)
        else:
            size = float(rng.uniform(1.2, 2.6))
            builder.add(sphere(size, 26, 14, at + vec(0, 0, size * 0.95)), palette.metal())
        centres.append([x, y])
    return np.array(centres).reshape(-1, 2)
