"""Which runs of a scene's triangles a view can show: boxes around small blocks of them, held against the view."""

import numpy as np
from numpy.typing import NDArray

BLOCK = 32
"""Triangles in one block at most; neighbours in a scene's list lie close together."""
GAP = 3
"""Blocks that no view needs and that are still drawn when they part two others: another call costs more."""
MARGIN = 0.02
"""How far outside a view a block must lie to be left out, in units of clip space: a shield against rounding."""


class Blocks:
    """The blocks of a triangle list, none of which spans two groups or two objects.

    corners: (N, 3) float32, where the vertices of all triangles lie
    groups: (N / 3,) int of each triangle, such as its material's pattern
    objects: (N / 3,) int, the object that each triangle moves with; 0 stands still
    """

    def __init__(
        self, corners: NDArray[np.float32], groups: NDArray[np.intp], objects: NDArray[np.intp]
    ) -> None:
        count = len(groups)
        changes = np.flatnonzero((groups[1:] != groups[:-1]) | (objects[1:] != objects[:-1])) + 1
        firsts = np.concatenate([[0], changes])
        within = np.arange(count) - np.repeat(firsts, np.diff(firsts, append=count))
        starts = np.flatnonzero(within % BLOCK == 0)
        self.firsts, self.ends = 3 * starts, 3 * np.append(starts[1:], count)
        self.groups, self._objects = groups[starts], objects[starts]
        self.moving = self._objects > 0
        turns = np.diff(self.moving, prepend=self.moving[:1])
        self._stretches = (
            np.cumsum(turns),
            np.cumsum(turns | (np.diff(self.groups, prepend=self.groups[:1]) != 0)),
        )
        axes = np.ascontiguousarray(corners.T)  # (3, N): long rows are reduced fastest
        low = np.minimum.reduceat(axes, self.firsts, axis=1).astype(np.float64)
        high = np.maximum.reduceat(axes, self.firsts, axis=1).astype(np.float64)
        self._middle, self._half = ((low + high) / 2).T, ((high - low) / 2).T

    def seen(
        self, view_projection: NDArray[np.float64], poses: NDArray[np.float32] | None
    ) -> NDArray[np.bool_]:
        """(blocks,) False where a block lies wholly outside one of the six planes of a (4, 4) view.

        poses: (objects, 4, 4) to the world; without them nothing that moves is seen.
        """
        rows = np.asarray(view_projection, np.float64)
        planes = np.concatenate([rows[3] + rows[:3], rows[3] - rows[:3]])  # inside: plane . (x, y, z, 1) >= 0
        kept = _reach(planes[None], self._middle, self._half)
        if poses is None:
            return kept & ~self.moving
        which = np.flatnonzero(self.moving)
        turned = (planes @ poses.astype(np.float64))[self._objects[which]]  # planes as the objects see them
        kept[which] = _reach(turned, self._middle[which], self._half[which])
        return kept

    def runs(self, kept: NDArray[np.bool_], by_group: bool = False) -> list[tuple[int, int, int, bool]]:
        """Kept blocks in their order as (group, first vertex, number of vertices, moving), neighbours joined.

        What lies between two near ones comes along. All of a run moves or none; nor does it span two groups where
        they are asked for, else it names the group of its first block.
        """
        if not kept.any():
            return []
        chosen = np.flatnonzero(kept)
        apart = (np.diff(chosen) > 1 + GAP) | (np.diff(self._stretches[by_group][chosen]) != 0)
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


def _reach(
    planes: NDArray[np.float64], middle: NDArray[np.float64], half: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """(K,) whether boxes (K, 3) lie at least partly inside all of their planes (K or 1, 6, 4)."""
    normals = planes[..., :3]
    nearest = np.einsum("kpc,kc->kp", normals, middle) + np.einsum("kpc,kc->kp", np.abs(normals), half)
    return (nearest + planes[..., 3] > -MARGIN).all(axis=1)


def shared_corners(vertices: NDArray[np.float32]) -> NDArray[np.uint32]:
    """(N,) the row to take for each row (N, 10) of a triangle list: corners that the halves of a quad share, once."""
    halves = vertices.view(np.uint64).reshape(-1, 3, 5)  # equal bits are asked for, nothing less
    before, after = halves[:-1], halves[1:]
    first = _equal(before[:, 0], after[:, 0])
    onward = first & _equal(before[:, 2], after[:, 1])  # corners 0 1 2 and 0 2 3
    backward = first & _equal(before[:, 1], after[:, 2])  # corners 0 2 1 and 0 3 2
    joined = np.flatnonzero(onward | backward)
    place = np.arange(len(joined))
    fresh = np.diff(joined, prepend=-2) > 1
    in_fan = place - np.maximum.accumulate(np.where(fresh, place, 0))
    joined = joined[in_fan % 2 == 0]  # in a fan every other
    on, back = joined[onward[joined]], joined[~onward[joined]]
    rows = np.arange(len(vertices), dtype=np.uint32)
    rows[3 * joined + 3] = 3 * joined
    rows[3 * on + 4], rows[3 * back + 5] = 3 * on + 2, 3 * back + 1
    return rows


def _equal(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """(K,) whether rows agree; column by column, as numpy is slow along short rows."""
    same = a[:, 0] == b[:, 0]
    for column in range(1, a.shape[1]):
        same &= a[:, column] == b[:, column]
    return same
