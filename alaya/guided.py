"""Edge-aware enlargement: a coarse result gets its fine detail from a full-size guide (fast guided filter)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

STRIP_VALUES = 1 << 18  # that are worked on together: more would not fit a core's cache


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
    lost = (guide - bilinear(guide_coarse, guide)).contiguous()
    planes = torch.cat(
        [coarse[:, None], _slopes(coarse, guide_coarse, radius, ridges)], 1
    )  # (C, 1 + G, h, w)
    height, width = guide.shape[-2:]
    upper, between = _source_rows(planes.shape[-2], height, planes.device)
    wide = F.interpolate(planes.flatten(0, 1), width, mode="linear").unflatten(0, planes.shape[:2])
    result = coarse.new_empty(len(coarse), height, width)
    rows = max(1, STRIP_VALUES // (planes.shape[1] * width))
    strips = upper.split(rows), between.split(rows), lost.split(rows, 1)
    for plane, narrow in zip(result, wide, strict=True):
        rise = narrow.diff(dim=1, append=narrow[:, -1:])
        for part, above, share, missing in zip(plane.split(rows), *strips, strict=True):
            large = narrow.index_select(1, above).addcmul_(rise.index_select(1, above), share)
            large[1:].mul_(missing)
            torch.sum(large, 0, out=part)
    return result


def bilinear(planes: Tensor, like: Tensor) -> Tensor:
    """Enlarge (C, h, w) to the height and width of `like`."""
    return F.interpolate(planes[None], like.shape[-2:], mode="bilinear", align_corners=False)[0]


def _source_rows(rows: int, height: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Where each of `height` rows lies among `rows`, as `bilinear` places it.

    Whole rows gathered and mixed take half the time of interpolating pixel by pixel.

    Returns:
        The row above (height,) and how far below it (height, 1) in [0, 1).
    """
    place = torch.arange(height, device=device, dtype=torch.float32).add_(0.5).mul_(rows / height).sub_(0.5)
    place.clamp_(0, rows - 1)
    upper = place.floor()
    return upper.long(), (place - upper)[:, None]


def _slopes(coarse: Tensor, guide: Tensor, radius: int, ridges: Sequence[float]) -> Tensor:
    """Slopes (C, G, h, w) of the local linear models, averaged over windows; one ridge a channel."""
    guides, channels = len(guide), len(coarse)
    means = _box(torch.cat([guide, coarse]), radius)
    mean_guide, mean = means[:guides], means[guides:]
    places = [(row, column) for row in range(guides) for column in range(row, guides)]
    products = guide.new_empty(len(places) + guides * channels, *guide.shape[1:])
    for plane, (row, column) in zip(products, places, strict=False):
        torch.mul(guide[row], guide[column], out=plane)
    crossed = guides, channels, *guide.shape[1:]
    torch.mul(guide[:, None], coarse, out=products[len(places) :].view(crossed))
    boxed = _box(products, radius)
    for plane, (row, column) in zip(boxed, places, strict=False):
        plane.sub_(mean_guide[row] * mean_guide[column])
    cross = boxed[len(places) :].view(crossed).sub_(mean_guide[:, None] * mean)
    slope = torch.empty_like(cross)
    for ridge in dict.fromkeys(ridges):
        chosen = torch.tensor([channel for channel, own in enumerate(ridges) if own == ridge])
        chosen = chosen.to(guide.device)
        rows = [[boxed[0]] * guides for _ in range(guides)]
        for plane, (row, column) in zip(boxed, places, strict=False):
            rows[row][column] = plane + ridge * (row == column)
        slope.index_copy_(1, chosen, _solve(rows, cross.index_select(1, chosen)))
    return _box(slope.flatten(0, 1), radius).view_as(slope).transpose(0, 1)


def _box(planes: Tensor, radius: int) -> Tensor:
    """Mean over a (2 radius + 1) square window; beyond the picture its edge pixels go on."""
    return box_sums(F.pad(planes[None], [radius] * 4, mode="replicate")[0], radius).div_(
        (2 * radius + 1) ** 2
    )


def box_sums(padded: Tensor, radius: int) -> Tensor:
    """Sums over every (2 radius + 1) square window of (C, h, w) planes that are padded by `radius` already."""
    side = 2 * radius + 1
    for axis in (-1, -2):  # sums of shifted planes: for small windows several times faster than pooling
        length = padded.shape[axis] - side + 1
        total = padded.narrow(axis, 0, length) + padded.narrow(axis, 1, length)
        for shift in range(2, side):
            total += padded.narrow(axis, shift, length)
        padded = total
    return padded


def _solve(matrix: Sequence[Sequence[Tensor]], right: Tensor) -> Tensor:
    """Solve symmetric positive definite systems at every pixel at once by Gaussian elimination.

    Args:
        matrix: (G, G) planes (h, w), of which those on and above the diagonal are read.
        right: (G, C, h, w).

    Returns:
        (G, C, h, w).
    """
    size, right = len(right), right.clone()
    matrix = [list(row) for row in matrix]
    for pivot in range(size):
        for below in range(pivot + 1, size):
            factor = matrix[pivot][below] / matrix[pivot][pivot]
            for column in range(below, size):  # what is left stays symmetric: its upper half is enough
                matrix[below][column] = matrix[below][column] - factor * matrix[pivot][column]
            right[below].sub_(factor * right[pivot])
    for pivot in reversed(range(size)):
        for column in range(pivot + 1, size):
            right[pivot].sub_(matrix[pivot][column] * right[column])
        right[pivot].div_(matrix[pivot][pivot])
    return right
