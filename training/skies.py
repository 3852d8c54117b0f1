"""Other skies for training inputs: what is sky is told by where it is and how it ends, not by its colour alone."""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray
from PIL import Image

KINDS = ("blue", "overcast", "dusk", "night", "any")
SHARES = (0.5, 0.2, 0.12, 0.08, 0.1)


def swap_sky(rgb: NDArray[np.uint8], sky: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Put another sky behind a clip, the same one in every frame.

    Args:
        rgb: (T, H, W, 3) sRGB.
        sky: (T, H, W), True where no surface is.
        rng: draws the sky.

    Returns:
        A new clip, or `rgb` itself where there is no sky.
    """
    if not sky.any():
        return rgb
    picture = draw_sky(sky.shape[1], sky.shape[2], rng)
    return np.where(sky[..., None], picture, rgb)


def draw_sky(height: int, width: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A sky (H, W, 3) sRGB: a gradient from top to bottom, mostly with clouds."""
    kind = str(rng.choice(KINDS, p=SHARES))
    top, bottom = (np.array(_colour(kind, low, rng)) for low in (False, True))
    end = rng.uniform(0.25, 1.0)  # where the horizon's colour is reached
    ramp = np.clip(np.arange(height) / height / end, 0, 1) ** rng.uniform(0.6, 1.6)
    across = rng.uniform(-0.08, 0.08) * np.linspace(-1, 1, width)
    picture = top + (bottom - top) * ramp[:, None, None] + across[None, :, None]
    if rng.random() < 0.65:
        cover = np.clip((_noise(height, width, rng) - rng.uniform(0.35, 0.7)) / rng.uniform(0.1, 0.4), 0, 1)
        cloud = float(np.clip(picture.mean() + rng.uniform(-0.15, 0.5), 0, 1))
        picture = picture + (cloud - picture) * cover[..., None] * rng.uniform(0.2, 1)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def _colour(kind: str, low: bool, rng: np.random.Generator) -> tuple[float, float, float]:
    """SRGB of a sky's top, or of what lies low in it."""
    ranges = {  # hue, saturation, value
        "blue": ((0.54, 0.66), (0.1, 0.55) if low else (0.35, 0.95), (0.55, 1.0) if low else (0.35, 1.0)),
        "overcast": ((0.5, 0.7), (0.0, 0.12), (0.45, 1.0)),
        "dusk": ((-0.05, 0.12), (0.3, 0.85), (0.5, 1.0)) if low else ((0.55, 0.8), (0.2, 0.7), (0.15, 0.6)),
        "night": ((0.55, 0.72), (0.1, 0.8), (0.0, 0.2)),
        "any": ((0.0, 1.0), (0.0, 0.9), (0.05, 1.0)),
    }[kind]
    hue, saturation, value = (float(rng.uniform(*span)) for span in ranges)
    return colorsys.hsv_to_rgb(hue % 1, saturation, value)


def _noise(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Smooth noise (H, W) in about [0, 1], finer toward nothing."""
    total = np.zeros((height, width))
    for octave, share in ((4, 0.55), (9, 0.3), (20, 0.15)):
        coarse = Image.fromarray(rng.random((octave, octave * 2), np.float32))
        total += share * np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    return total
