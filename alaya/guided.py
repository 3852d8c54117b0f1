"""Edge-aware enlargement: a coarse result follows the edges of a full-size guide (fast guided filter)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def enlarge(
    coarse: Tensor, guide_coarse: Tensor, guide: Tensor, radius: int = 3, ridge: float = 1e-3
) -> Tensor:
    """Enlarge a picture along the edges of a guide.

    Around every coarse pixel the result is written as a linear function of the guide (least squares over a
    window); those coefficients are smooth, so they can be enlarged without harm and then applied to the guide
    at full size. He & Sun, "Fast Guided Filter" (2015), here with a guide of any number of channels.

    Args:
        coarse: (C, h, w).
        guide_coarse: (G, h, w), the guide at the coarse size.
        guide: (G, H, W).
        radius: of the window, in coarse pixels.
        ridge: variance of the guide below which its detail is not followed.

    Returns:
        (C, H, W).
    """
    slope, offset = _coefficients(coarse, guide_coarse, radius, ridge)
    channels, guides = coarse.shape[0], guide.shape[0]
    stacked = torch.cat([slope.flatten(0, 1), offset])[None]  # (1, C*G + C, h, w)
    large = F.interpolate(stacked, guide.shape[-2:], mode="bilinear", align_corners=False)[0]
    result = large[channels * guides :]
    for index in range(guides):
        result = torch.addcmul(result, large[index : channels * guides : guides], guide[index])
    return result


def _coefficients(coarse: Tensor, guide: Tensor, radius: int, ridge: float) -> tuple[Tensor, Tensor]:
    """Slopes (C, G, h, w) and offsets (C, h, w) of the local linear model, averaged over windows."""
    guides = guide.shape[0]
    mean_guide, mean = _box(guide, radius), _box(coarse, radius)
    pairs = torch.einsum("ghw,khw->gkhw", guide, guide).flatten(0, 1)
    covariance = _box(pairs, radius).view(guides, guides, *guide.shape[1:])
    covariance = covariance - torch.einsum("ghw,khw->gkhw", mean_guide, mean_guide)
    covariance = covariance + ridge * torch.eye(guides)[:, :, None, None].to(guide)
    cross = _box(torch.einsum("ghw,chw->gchw", guide, coarse).flatten(0, 1), radius)
    cross = cross.view(guides, coarse.shape[0], *guide.shape[1:])
    cross = cross - torch.einsum("ghw,chw->gchw", mean_guide, mean)
    slope = _solve(covariance, cross)  # (G, C, h, w)
    offset = mean - torch.einsum("gchw,ghw->chw", slope, mean_guide)
    slope = _box(slope.flatten(0, 1), radius).view_as(slope)
    return slope.transpose(0, 1), _box(offset, radius)


def _box(planes: Tensor, radius: int) -> Tensor:
    """Mean over a (2 radius + 1) square window, of what lies inside the picture."""
    side = 2 * radius + 1
    return F.avg_pool2d(planes[None], side, 1, radius, count_include_pad=False)[0]


def _solve(matrix: Tensor, right: Tensor) -> Tensor:
    """Solve positive definite systems at every pixel at once by elimination.

    Args:
        matrix: (G, G, h, w), symmetric positive definite.
        right: (G, C, h, w).
    """
    rows = [torch.cat([matrix[index], right[index]]) for index in range(matrix.shape[0])]
    for pivot in range(len(rows)):
        rows[pivot] = rows[pivot] / rows[pivot][pivot].clone()
        for other in range(len(rows)):
            if other != pivot:
                rows[other] = rows[other] - rows[other][pivot].clone() * rows[pivot]
    return torch.stack([row[matrix.shape[0] :] for row in rows])
