"""Edge-aware enlargement: a coarse result gets its fine detail from a full-size guide (fast guided filter)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def enlarge(
    coarse: Tensor,
    guide_coarse: Tensor,
    guide: Tensor,
    radius: int = 1,
    ridge: float | Sequence[float] = 1e-3,
) -> Tensor:
    """Enlarge a picture along the edges of a guide.

    Around every coarse pixel the result is written as a linear function of the guide (least squares over a
    window). The picture is enlarged bilinearly, and what bilinear enlargement loses of the guide is added to
    it by those slopes: nothing of the coarse result is smoothed away, and a linear function of the guide comes
    back exactly. After He & Sun, "Fast Guided Filter" (2015), for a guide of any number of channels.

    Args:
        coarse: (C, h, w).
        guide_coarse: (G, h, w), the guide averaged to the coarse size.
        guide: (G, H, W).
        radius: of the window, in coarse pixels.
        ridge: variance of the guide below which its detail is not followed; one for all or one a channel.

    Returns:
        (C, H, W).
    """
    ridges = [ridge] * len(coarse) if isinstance(ridge, int | float) else list(ridge)
    slope = _slopes(coarse, guide_coarse, radius, ridges)  # (C, G, h, w)
    lost = guide - bilinear(guide_coarse, guide)
    result = coarse.new_empty(len(coarse), *guide.shape[-2:])
    for channel, plane in enumerate(
        result
    ):  # one at a time: the enlarged slopes of all would not fit a cache
        large = bilinear(torch.cat([coarse[channel : channel + 1], slope[channel]]), guide)
        plane.copy_(large[0])
        for index, detail in enumerate(lost):
            plane.addcmul_(large[1 + index], detail)
    return result


def bilinear(planes: Tensor, like: Tensor) -> Tensor:
    """Enlarge (C, h, w) to the height and width of `like`."""
    return F.interpolate(planes[None], like.shape[-2:], mode="bilinear", align_corners=False)[0]


def _slopes(coarse: Tensor, guide: Tensor, radius: int, ridges: Sequence[float]) -> Tensor:
    """Slopes (C, G, h, w) of the local linear models, averaged over windows; one ridge a channel."""
    guides, channels = len(guide), len(coarse)
    means = _box(torch.cat([guide, coarse]), radius)
    mean_guide, mean = means[:guides], means[guides:]
    first, second = torch.triu_indices(guides, guides)
    products = torch.cat([guide[first] * guide[second], (guide[:, None] * coarse).flatten(0, 1)])
    boxed = _box(products, radius)
    pairs = boxed[: len(first)] - mean_guide[first] * mean_guide[second]
    cross = boxed[len(first) :].view(guides, channels, *guide.shape[1:]) - mean_guide[:, None] * mean
    slope = torch.empty_like(cross)
    for ridge in dict.fromkeys(ridges):
        chosen = [channel for channel, own in enumerate(ridges) if own == ridge]
        slope[:, chosen] = _solve(_matrix(pairs, guides, ridge), cross[:, chosen])
    return _box(slope.flatten(0, 1), radius).view_as(slope).transpose(0, 1)


def _matrix(pairs: Tensor, size: int, ridge: float) -> list[list[Tensor]]:
    """Rows of the symmetric matrix whose upper triangle is `pairs`, with the ridge on its diagonal."""
    rows = [[pairs[0]] * size for _ in range(size)]
    for (row, column), plane in zip(torch.triu_indices(size, size).T.tolist(), pairs, strict=True):
        rows[row][column] = rows[column][row] = plane + ridge if row == column else plane
    return rows


def _box(planes: Tensor, radius: int) -> Tensor:
    """Mean over a (2 radius + 1) square window; beyond the picture its edge pixels go on."""
    side = 2 * radius + 1
    padded = F.pad(planes[None], [radius] * 4, mode="replicate")[0]
    for axis in (-1, -2):  # sums of shifted planes: for small windows several times faster than pooling
        length = padded.shape[axis] - side + 1
        total = padded.narrow(axis, 0, length).clone()
        for shift in range(1, side):
            total += padded.narrow(axis, shift, length)
        padded = total
    return padded.div_(side * side)


def _solve(matrix: list[list[Tensor]], right: Tensor) -> Tensor:
    """Solve positive definite systems at every pixel at once by Gaussian elimination.

    Args:
        matrix: (G, G) planes (h, w).
        right: (G, C, h, w).

    Returns:
        (G, C, h, w).
    """
    size, values = len(matrix), list(right)
    rows = [list(row) for row in matrix]
    for pivot in range(size):
        for below in range(pivot + 1, size):
            factor = rows[below][pivot] / rows[pivot][pivot]
            for column in range(pivot + 1, size):
                rows[below][column] = rows[below][column] - factor * rows[pivot][column]
            values[below] = values[below] - factor * values[pivot]
    for pivot in reversed(range(size)):
        for column in range(pivot + 1, size):
            values[pivot] = values[pivot] - rows[pivot][column] * values[column]
        values[pivot] = values[pivot] / rows[pivot][pivot]
    return torch.stack(values)
