"""A world of cubes: stepped hills, blocky trees, houses and ores."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.cameras import View
from worlds.families.layout import add_extras, add_floater, on_ground, scatter
from worlds.shapes import Array, box, boxes, vec
from worlds.terrain import Terrain


class Steps(Terrain):
    """A terrain in whole steps of one cell."""

    cell = 1.0

    def height(self, x: Array, y: Array) -> Array:
        """The height of the column that holds (x, y)."""
        cx = (np.floor(np.asarray(x, float) / self.cell) + 0.5) * self.cell
        cy = (np.floor(np.asarray(y, float) / self.cell) + 0.5) * self.cell
        return np.floor(super().height(cx, cy) / self.cell) * self.cell


def build(builder: SceneBuilder) -> View:
    """Build columns around (0, 18)."""
    rng, palette = builder.rng, builder.palette
    waves = Terrain.draw(rng, float(rng.uniform(0.6, 6)), float(rng.uniform(1.5, 2.2))).waves
    terrain = Steps(waves)
    terrain.cell = float(rng.choice([1.0, 1.0, 1.5]))
    cell = terrain.cell
    index = np.arange(-24, 25)
    x, y = (v.ravel() for v in np.meshgrid((index + 0.5) * cell, (index + 18.5) * cell, indexing="ij"))
    z = terrain.height(x, y)
    deep = 5.0
    columns = (
        boxes(np.stack([x, y, z - deep / 2], 1), (cell, cell, deep)).reshape(-1, 36, 8)[:, :30].reshape(-1, 8)
    )
    top = np.tile(np.arange(30) >= 24, len(x))
    skins = (palette.grass, palette.sand, palette.snow, palette.rock, palette.anything, palette.metal)
    surface, under = skins[int(rng.choice(6, p=[0.4, 0.15, 0.12, 0.13, 0.15, 0.05]))](), palette.soil()
    builder.add(columns, np.where(top, surface, under))
    far = float(z.min()) - 0.5
    builder.add(box((400, 400, 1), (0, 18, far - 0.5)), surface if rng.random() < 0.5 else palette.water())
    if rng.random() < 0.4:
        builder.add(
            box((49 * cell, 49 * cell, 0.2), (0, 18.5 * cell, float(np.quantile(z, 0.3)) + 0.3)),
            palette.water(),
        )
    _trees(builder, terrain)
    _ores(builder, terrain)
    _huts(builder, terrain)
    spots = on_ground(scatter(rng, 4, (-5, 5, 5, 18)), terrain)
    add_extras(builder, spots, 0.7)
    for spot in spots[:2]:
        add_floater(builder, spot, 0.5)
    focus = on_ground(scatter(rng, 8, (-12, 12, 8, 32)), terrain) + vec(0, 0, 1.0)
    return View(
        area=(-18 * cell, 18 * cell, -4, 36 * cell),
        focus=focus,
        ground=terrain.height,
        heights=(0.9, 10.0),
        pace=6.0,
    )


def _snap(spots: Array, cell: float) -> Array:
    return (np.floor(spots / cell) + 0.5) * cell


def _trees(builder: SceneBuilder, terrain: Steps) -> None:
    rng, palette, cell = builder.rng, builder.palette, terrain.cell
    bark, leaves = palette.bark(), palette.leaves()
    for spot in on_ground(_snap(scatter(rng, int(rng.integers(0, 22)), (-20, 20, 2, 40)), cell), terrain):
        tall = int(rng.integers(3, 6))
        builder.add(box((cell, cell, tall * cell), spot + vec(0, 0, tall * cell / 2)), bark)
        sizes = np.array([[3, 3, 1], [5, 5, 2], [3, 3, 1]]) * cell
        centres = spot + np.array([[0, 0, tall + 2.5], [0, 0, tall + 1.0], [0, 0, tall - 0.5]]) * cell
        builder.add(boxes(centres, sizes), leaves)


def _ores(builder: SceneBuilder, terrain: Steps) -> None:
    rng, cell = builder.rng, terrain.cell
    for _ in range(4):
        material = builder.palette.anything(0.2 + builder.mood.metal)
        spots = on_ground(_snap(scatter(rng, int(rng.integers(2, 14)), (-16, 16, 3, 36)), cell), terrain)
        level = rng.integers(0, 3, len(spots))[:, None] * np.array([[0, 0, 1.0]]) * cell
        builder.add(boxes(spots + level + vec(0, 0, cell / 2), (cell, cell, cell)), material)


def _huts(builder: SceneBuilder, terrain: Steps) -> None:
    rng, palette, cell = builder.rng, builder.palette, terrain.cell
    for spot in on_ground(_snap(scatter(rng, int(rng.integers(0, 4)), (-14, 14, 10, 34)), cell), terrain):
        wall, roof, pane = palette.or_metal("wall"), palette.or_metal("planks"), palette.glass()
        wide = int(rng.integers(4, 8)) * cell
        builder.add(box((wide, wide, 6 * cell), spot + vec(0, 0, cell)), wall)
        for step in range(int(wide / cell / 2) + 1):
            size = wide + 2 * cell - 2 * step * cell
            if size > 0:
                builder.add(box((size, size, cell), spot + vec(0, 0, (4.5 + step) * cell)), roof)
        builder.add(box((wide + 0.1, cell, cell), spot + vec(0, 0, 2.5 * cell)), pane)
        builder.add(box((cell, wide + 0.1, 2 * cell), spot + vec(0, 0, 1.5 * cell)), roof)
