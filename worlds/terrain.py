"""Ground that is not flat: an analytic height function and its mesh."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from worlds.shapes import Array, Mesh, grid_mesh

Shaper = Callable[[Array, Array, Array], Array]


@dataclass
class Terrain:
    """height(x, y) = sums of waves, shaped by functions of (x, y, z) -> z in order (roads, river beds, mesas)."""

    waves: Array  # (K, 4): wave numbers kx, ky in rad/m, phase, amplitude in metres
    ridged: float = 0.0  # 0 rolling, 1 sharp crests
    shapers: list[Shaper] = field(default_factory=list)

    @staticmethod
    def draw(
        rng: np.random.Generator, amplitude: float, rough: float = 1.9, ridged: float = 0.0
    ) -> "Terrain":
        """`amplitude` metres for the longest wave, each next octave smaller by `rough`."""
        waves = []
        for octave in range(6):
            for _ in range(2):
                angle = rng.uniform(0, np.pi)
                number = 0.022 * 1.95**octave * rng.uniform(0.8, 1.25)
                size = amplitude / rough**octave * rng.uniform(0.4, 0.8)
                waves.append(
                    [number * np.cos(angle), number * np.sin(angle), rng.uniform(0, 2 * np.pi), size]
                )
        return Terrain(np.array(waves), ridged)

    def height(self, x: ArrayLike, y: ArrayLike) -> Array:
        """Metres above z = 0 at world x, y (any shape)."""
        x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
        phase = (
            np.tensordot(self.waves[:, 0], x[None], 0)[:, 0]
            + np.tensordot(self.waves[:, 1], y[None], 0)[:, 0]
        )
        shape = (-1,) + (1,) * x.ndim
        wave = np.sin(phase + self.waves[:, 2].reshape(shape))
        if self.ridged:
            wave = (1 - self.ridged) * wave + self.ridged * (1 - 2 * np.abs(wave))
        z = np.tensordot(self.waves[:, 3], wave, 1)
        for shaper in self.shapers:
            z = shaper(x, y, z)
        return z

    def points(self, x: ArrayLike, y: ArrayLike, sink: float = 0.0) -> Array:
        """(K, 3) points on the ground, `sink` metres below it."""
        return np.stack([np.asarray(x, float), np.asarray(y, float), self.height(x, y) - sink], -1)

    def mesh(
        self,
        size: float = 220.0,
        cells: int = 84,
        centre: tuple[float, float] = (0.0, 20.0),
        sunk: Shaper | None = None,
    ) -> Mesh:
        """A square of `size` metres; cells are small near the centre and grow outwards. `sunk` shapes only the mesh."""
        t = np.linspace(-1, 1, cells + 1)
        axis = np.sign(t) * (0.35 * np.abs(t) + 0.65 * np.abs(t) ** 2.6) * size / 2
        x, y = np.meshgrid(axis + centre[0], axis + centre[1], indexing="ij")
        z = self.height(x, y) if sunk is None else sunk(x, y, self.height(x, y))
        dx, dy = np.gradient(z, axis, axis)
        normal = np.stack([-dx, -dy, np.ones_like(z)], -1)
        normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
        position = np.stack([x, y, z], -1)
        return grid_mesh(position, normal, position[..., :2])


def along_path(path: Array, width: float, blend: float) -> Shaper:
    """A shaper that flattens the ground to the path's own height, `width` metres to each side, then blends."""

    def shape(x: Array, y: Array, z: Array) -> Array:
        squares = np.full(np.shape(x), np.inf)
        level = np.zeros(np.shape(x))
        for px, py, pz in path:
            d = (x - px) ** 2 + (y - py) ** 2
            closer = d < squares
            level = np.where(closer, pz, level)
            squares = np.where(closer, d, squares)
        weight = np.clip((np.sqrt(squares) - width) / blend, 0, 1)
        return level + (z - level) * weight * weight * (3 - 2 * weight)

    return shape


def trench(path: Array, width: float, depth: float) -> Shaper:
    """A shaper that sinks the ground under a road, so that a coarse ground mesh never pokes through it."""

    def shape(x: Array, y: Array, z: Array) -> Array:
        squares = np.full(np.shape(x), np.inf)
        for px, py, _ in path:
            squares = np.minimum(squares, (x - px) ** 2 + (y - py) ** 2)
        return z - depth * np.clip((width - np.sqrt(squares)) / 0.8 + 1, 0, 1)

    return shape


def ribbon(path: Array, left: float, right: float, lift: float) -> Mesh:
    """A strip along a (K, 3) path between two offsets to its right (metres), lifted off the ground."""
    tangent = np.gradient(path[:, :2], axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.stack([tangent[:, 1], -tangent[:, 0], np.zeros(len(path))], 1)
    across = np.linspace(left, right, 3)
    position = path[:, None] + side[:, None] * across[None, :, None] + [0, 0, lift]
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    normal = np.cross(np.gradient(position, axis=1), np.gradient(position, axis=0))
    normal *= np.sign(normal[..., 2:])
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    uv = np.stack([across[None] + 0 * along[:, None], along[:, None] + 0 * across[None]], -1)
    return grid_mesh(position, normal, uv)
