"""Which pixels of a prediction are background: sure enough, and more than specks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from alaya.netcode import SKY

LEVEL = 0.0
"""Sky plane above which a pixel may be background: 2 p - 1 of the probability p."""
SPECK = 1
"""Background thinner than 2 SPECK + 1 pixels is a highlight or a gap between leaves, and stays surface."""
LEAST = 0.003
"""Share of its frames below which all background stays surface: so little is a lamp or a window more often than sky."""


def settle_sky(planes: Tensor) -> Tensor:
    """Make the sky plane 1 on background and -1 on surface.

    Args:
        planes: (T, 10, H, W), of which only the sky plane is read and written.

    Returns:
        New planes.
    """
    mask = (planes[:, SKY] > LEVEL).float()
    side = 2 * SPECK + 1
    eroded = -F.max_pool2d(-mask, side, 1, SPECK)
    opened = F.max_pool2d(eroded, side, 1, SPECK)
    if opened.mean() < LEAST:
        opened = torch.zeros_like(opened)
    return torch.cat([planes[:, : SKY.start], opened * 2 - 1], 1)
