"""Harder light for training inputs: what is lit burns, what is in shade stays, and the truth is the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alaya.colour import linear_to_srgb, srgb_to_linear

DARKEST = 0.02
"""Albedo below which no light is read off a pixel: dark paint says little of it."""
_LINEAR = srgb_to_linear(np.arange(256) / 255).astype(np.float32)
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def harden(
    rgb: NDArray[np.uint8], albedo: NDArray[np.float32], surface: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Make the brightest part of a clip's light up to five times as bright, and expose for the whole.

    Pictures of a low sun between houses or trees are exposed for the shade most of them lies in, so that dark stone
    in the sun is as bright as paper. Light is the picture over its albedo; the same change holds for all frames.

    Args:
        rgb: (T, H, W, 3) sRGB.
        albedo: (T, H, W, 3) linear.
        surface: (T, H, W), False where the sky is.
        rng: draws how hard.

    Returns:
        A new clip, or `rgb` itself where there is no surface.
    """
    factor, shade = 2 ** rng.uniform(0.6, 2.3), rng.uniform(35, 80)
    width, share = rng.uniform(0.15, 0.6), rng.uniform(0.6, 1.1)
    sky, film = rng.random(), rng.random() < 0.35
    if not surface.any():
        return rgb
    picture = _LINEAR[rgb]
    light = np.log(np.maximum(picture @ _LUMA, 1e-3) / np.maximum(albedo @ _LUMA, DARKEST))
    middle = np.percentile(light[surface][:: max(1, int(surface.sum()) // 4096)], shade)
    lit = np.where(surface, 1 / (1 + np.exp(-(light - middle) / width)), sky)
    hard = picture * (1 + (factor - 1) * lit)[..., None]
    before, after = (float(values[surface].mean()) for values in (picture, hard))
    hard = hard * (before / max(after, 1e-4)) ** share
    if film:  # a shoulder in place of a cut
        hard = np.where(hard > 0.5, 1 - 0.5 * np.exp(-(hard - 0.5) / 0.5), hard)
    return np.rint(linear_to_srgb(np.clip(hard, 0, 1)) * 255).astype(np.uint8)
