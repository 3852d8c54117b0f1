"""Which runs of a scene's triangles a view can show: boxes around small blocks of them, held against the view."""

import numpy as np
from numpy.typing import NDArray

BLOCK = 32
"""Triangles in one block at most; neighbours in a scene's list lie close together."""
MARGIN = 0.02
"""How far outside a view a block must lie to be left out, in units of clip space: a shield against rounding."""


class Blocks:
    """The blocks of a triangle list, none of which spans two groups; what moves is in every view.

    corners: (N, 3) float32, where the vertices of all triangles lie
    groups: (N / 3,) int of each triangle, such as its material's pattern
    moving: (N / 3,) bool, triangles that may lie elsewhere
    """

    def __init__(
        self, corners: NDArray[np.float32], groups: NDArray[np.intp], moving: NDArray[np.bool_]
    ) -> None:
        count = len(groups)
        changes = np.flatnonzero((groups[1:] != groups[:-1]) | (moving[1:] != moving[:-1])) + 1
        firsts = np.concatenate([[0], changes])
        within = np.arange(count) - np.repeat(firsts, np.diff(firsts, append=count))
        starts = np.flatnonzero(within % BLOCK == 0)
        self.firsts, self.ends = 3 * starts, 3 * np.append(starts[1:], count)
        self.groups, self.moving = groups[starts], moving[starts]
        axes = np.ascontiguousarray(corners.T)  # (3, N): long rows are reduced fastest
        low = np.minimum.reduceat(axes, self.firsts, axis=1).astype(np.float64)
        high = np.maximum.reduceat(axes, self.firsts, axis=1).astype(np.float64)
        self._middle, self._half = (low + high) / 2, (high - low) / 2

    def seen(self, view_projection: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(blocks,) False where a still block lies wholly outside one of the six planes of a (4, 4) view."""
        rows = np.asarray(view_projection, np.float64)
        planes = np.concatenate([rows[3] + rows[:3], rows[3] - rows[:3]])  # inside: plane . (x, y, z, 1) >= 0
        nearest = planes[:, :3] @ self._middle + planes[:, 3:] + np.abs(planes[:, :3]) @ self._half
        return self.moving | (nearest > -MARGIN).all(axis=0)

    def runs(self, kept: NDArray[np.bool_], by_group: bool = False) -> list[tuple[int, int, int, bool]]:
        """Kept blocks in their order as (group, first vertex, number of vertices, moving), neighbours joined.

        by_group: join only within a group; else a run names the group of its first block.
        """
        if not kept.any():
            return []
        chosen = np.flatnonzero(kept)
        apart = (np.diff(chosen) > 1) | (np.diff(self.moving[chosen].astype(np.int8)) != 0)
        if by_group:
            apart |= np.diff(self.groups[chosen]) != 0
        cuts = np.flatnonzero(apart) + 1
        heads, tails = chosen[np.concatenate([[0], cuts])], chosen[np.concatenate([cuts - 1, [-1]])]
        first, last = self.firsts[heads], self.ends[tails]
        return list(
            zip(
                self.groups[heads].tolist(),
                first.tolist(),
                (last - first).tolist(),
                self.moving[heads].tolist(),
                strict=True,
            )
        )
