"""Pictures of held-out samples beside their truth, so that a person can see a training run learn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from alaya.netcode import ALBEDO, DEPTH, METALLIC, NORMAL, ROUGHNESS, SKY


def rgb_sheet(columns: Sequence[Tensor]) -> np.ndarray:
    """Put clips' first frames side by side.

    Args:
        columns: each (B, T, 3, H, W) in about [0, 1].

    Returns:
        (B*H, columns*W, 3) uint8.
    """
    row = torch.cat([column[:, 0].float().cpu().clamp(0, 1) for column in columns], -1)
    return (rearrange(row, "b c h w -> (b h) w c").numpy() * 255).round().astype(np.uint8)


def plane_pictures(planes: Tensor) -> list[Tensor]:
    """Five pictures of a clip's planes: albedo, normal, depth (near is bright), roughness, metallic in grey.

    Args:
        planes: (B, T, 10, H, W).
    """

    def grey(plane: Tensor) -> Tensor:
        return plane.expand(-1, -1, 3, -1, -1)

    sky = planes[:, :, SKY] > 0
    depth = torch.where(sky, torch.zeros_like(planes[:, :, DEPTH]), 0.5 - planes[:, :, DEPTH] / 2)
    halves = [planes[:, :, part] / 2 + 0.5 for part in (ALBEDO, NORMAL)]
    grey_ones = [depth, planes[:, :, ROUGHNESS] / 2 + 0.5, planes[:, :, METALLIC] / 2 + 0.5]
    return [torch.where(sky, 0.0, picture) for picture in [*halves, *(grey(plane) for plane in grey_ones)]]


def inverse_sheet(rgb: Tensor, truth: Tensor, predicted: Tensor) -> np.ndarray:
    """RGB, then truth above prediction in five columns; ``rgb``: (B, T, 3, H, W), the others planes."""
    above = rgb_sheet([rgb, *plane_pictures(truth)])
    below = rgb_sheet([rgb, *plane_pictures(predicted)])
    height = rgb.shape[-2]
    pairs = zip(np.split(above, len(above) // height), np.split(below, len(below) // height), strict=True)
    return np.concatenate([picture for pair in pairs for picture in pair])
