"""How still predictions stand in time: errors along exact motion, and flicker under a camera that stands still."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from alaya.colour import linear_to_srgb
from alaya.gbuffer import GBuffer
from alaya.metrics import FAR, Scores, seen_before, static_flicker, warping_error

NOISE = 2 / 255
"""Standard deviation of the noise that a still picture gets in every frame."""
STILL_FRAMES = 9


def visible_channels(gbuffer: GBuffer) -> dict[str, np.ndarray]:
    """Channels in the coding in which a change is seen: sRGB-coded albedo, log depth, the others as they are."""
    return {
        "albedo": linear_to_srgb(gbuffer.albedo),
        "normal": gbuffer.normal,
        "log_depth": np.log(np.minimum(gbuffer.depth, FAR)),
        "roughness": gbuffer.roughness,
        "metallic": gbuffer.metallic,
    }


def warping_of_gbuffer(predicted: GBuffer, truth: GBuffer, motion: np.ndarray) -> Scores:
    """Warping error of each channel, and of the true channel beside it: turning normals and depth change too."""
    seen = seen_before(truth.depth[..., 0], motion)
    scores: Scores = {}
    for name, right in visible_channels(truth).items():
        scores[f"warping_{name}"] = warping_error(visible_channels(predicted)[name], motion, seen)
        scores[f"warping_{name}_truth"] = warping_error(right, motion, seen)
    return scores


def warping_of_pictures(drawn: np.ndarray, target: np.ndarray, truth: GBuffer, motion: np.ndarray) -> Scores:
    """Warping error of a drawn clip (T, H, W, 3) and of its target."""
    seen = seen_before(truth.depth[..., 0], motion)
    return {
        "warping": warping_error(drawn, motion, seen),
        "warping_truth": warping_error(target, motion, seen),
    }


def still_clip(picture: np.ndarray, seed: int) -> np.ndarray:
    """One picture (H, W, 3) in [0, 1] as nine noisy frames of a camera that stands still, float32."""
    noise = np.random.default_rng(seed).normal(0, NOISE, (STILL_FRAMES, *picture.shape))
    return np.clip(picture + noise, 0, 1).astype(np.float32)


def still_gbuffer(frame: GBuffer, seed: int) -> GBuffer:
    """One frame of G-buffers as nine noisy ones; the noise lies on coded albedo and on the logarithm of depth."""
    rng = np.random.default_rng(seed)
    surface = np.repeat(frame.mask[..., None], STILL_FRAMES, axis=0)

    def shaken(values: np.ndarray) -> np.ndarray:
        return values + rng.normal(0, NOISE, (STILL_FRAMES, *values.shape[1:]))

    def unit(values: np.ndarray) -> np.ndarray:
        return np.where(surface, np.clip(values, 0, 1), 0).astype(np.float32)

    normal = shaken(frame.normal)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    coded = np.clip(shaken(np.sqrt(frame.albedo)), 0, 1)
    return GBuffer(
        albedo=unit(coded**2),
        normal=np.where(surface, normal, 0).astype(np.float32),
        depth=(frame.depth * np.exp(shaken(np.zeros_like(frame.depth)))).astype(np.float32),
        roughness=unit(shaken(frame.roughness)),
        metallic=unit(shaken(frame.metallic)),
    )


def flicker_of_gbuffer(predicted: GBuffer) -> Scores:
    """Mean change from frame to frame of each channel where both show a surface, and of the background's outline."""
    mask = predicted.mask
    still = mask.copy()
    still[1:] &= mask[:-1]
    channels: Mapping[str, np.ndarray] = visible_channels(predicted)
    scores = {f"flicker_{name}": static_flicker(values, still) for name, values in channels.items()}
    return scores | {"flicker_sky": static_flicker(mask[..., None])}
