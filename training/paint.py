"""Other paint on surfaces of training inputs: the same light on another colour, often a wall's white."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alaya.colour import linear_to_srgb, srgb_to_linear

ALIKE, APART = 0.3, 0.8  # distance to the drawn colour up to which paint covers, and from which it does not
WHITE_SHARE = 0.5
DARKEST, BRIGHTEST = 0.02, 0.93  # of albedo, linear

Floats = NDArray[np.float32]


def repaint(
    rgb: NDArray[np.uint8], albedo: Floats, metallic: Floats, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], Floats]:
    """Give every surface that has about the colour of one drawn pixel another colour, in picture and albedo.

    What a surface sends back is its albedo times light, so the picture changes by the ratio of the albedos; a
    texture is kept. Metal is left alone: its albedo colours what it mirrors.

    Args:
        rgb: (T, H, W, 3) sRGB.
        albedo: (T, H, W, 3) linear, zeros where no surface is.
        metallic: (T, H, W) in [0, 1].
        rng: draws the pixel and the colour.

    Returns:
        Both anew, or as they are where the pixel is no plain surface.
    """
    frame, row, column = (int(rng.integers(size)) for size in metallic.shape)
    old, new = albedo[frame, row, column], _draw_colour(rng)
    if metallic[frame, row, column] > 0.5 or old.max() < DARKEST:
        return rgb, albedo
    distance = np.abs(albedo - old).max(-1) / old.max()
    cover = np.where(metallic < 0.5, np.clip((APART - distance) / (APART - ALIKE), 0, 1), 0)
    chosen = (cover > 0) & albedo.any(-1)
    ratio = (new / np.maximum(old, DARKEST)) ** cover[chosen][:, None]
    painted, light = albedo.copy(), srgb_to_linear(rgb[chosen] / np.float32(255))
    painted[chosen] = np.clip(albedo[chosen] * ratio, 0, BRIGHTEST)
    changed = light * painted[chosen] / np.maximum(albedo[chosen], DARKEST)
    picture = rgb.copy()
    picture[chosen] = np.rint(linear_to_srgb(np.clip(changed, 0, 1)) * 255).astype(np.uint8)
    return picture, painted


def _draw_colour(rng: np.random.Generator) -> Floats:
    """A linear albedo (3,): a slightly tinted white, or any colour."""
    if rng.random() < WHITE_SHARE:
        return (rng.uniform(0.6, 0.9) * (1 - rng.uniform(0, 0.15, 3))).astype(np.float32)
    return (rng.uniform(0.03, 0.85, 3) ** 1.5).astype(np.float32)
