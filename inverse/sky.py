"""Which pixels of a prediction are background: sure enough as a whole, and more than specks."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

LEVEL = 0.0
"""Sky plane above which a pixel may be background: 2 p - 1 of the probability p."""
SPECK = 1
"""Background thinner than 2 SPECK + 1 pixels is a highlight or a gap between leaves, and stays surface."""
SURE = 0.65
"""Mean of the sky plane that a connected piece of background needs: white walls are half believed, sky is believed."""
LEAST = 0.003
"""Share of its frames below which all background stays surface: so little is a lamp or a window more often than sky."""


def settle_sky(plane: Tensor) -> Tensor:
    """Decide what is background.

    Args:
        plane: (T, 1, H, W) of sky, as a network predicts it.

    Returns:
        The same shape and type, 1 on background and -1 on surface.
    """
    side = 2 * SPECK + 1
    eroded = -F.max_pool2d(-(plane > LEVEL).float(), side, 1, SPECK)
    opened = F.max_pool2d(eroded, side, 1, SPECK) > 0
    found = sure_pieces(opened[:, 0].cpu().numpy(), plane[:, 0].float().cpu().numpy())
    if found.mean() < LEAST:
        found[:] = False
    return torch.from_numpy(found).to(plane)[:, None] * 2 - 1


def sure_pieces(mask: NDArray[np.bool_], plane: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Keep the pieces of a mask on which a plane is high on the whole.

    A piece hangs together within a frame by sides of pixels, and from frame to frame at the same pixel: what is judged
    once for all its frames does not come and go.

    Args:
        mask: (T, H, W).
        plane: (T, H, W) in [-1, 1].

    Returns:
        A new mask (T, H, W).
    """
    pieces = np.zeros(mask.shape, np.int32)
    ndimage.label(mask, output=pieces)
    sums, counts = np.bincount(pieces.ravel(), plane.ravel()), np.bincount(pieces.ravel())
    sure = sums / np.maximum(counts, 1) > SURE
    sure[0] = False  # what is no piece
    return sure[pieces]
