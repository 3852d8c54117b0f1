"""Weight-free metrics: how near a predicted G-buffer or picture is to the truth, and how still it is in time.

All sums are float64. Background (sky) is left out of every channel; a set's number is its clips' mean.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from alaya.colour import linear_to_srgb
from alaya.gbuffer import GBuffer

Scores = dict[str, float]
FLOOR = 1e-12
"""Least mean squared error: an exact prediction scores 120 dB."""
FAR = 1e4
"""Depth that stands for a predicted background where the truth has a surface."""


def psnr(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of values whose range is [0, 1]; any shape."""
    error = np.asarray(predicted, np.float64) - truth
    return float(-10 * np.log10(max(np.mean(error * error), FLOOR)))


def best_gain(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Factor that brings `predicted` nearest to `truth` in least squares."""
    predicted, truth = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    return float((predicted * truth).sum() / max((predicted * predicted).sum(), FLOOR))


def score_albedo(predicted: np.ndarray, truth: np.ndarray) -> Scores:
    """Score linear albedo of surface pixels, both (N, 3).

    Returns:
        albedo_psnr in linear light, albedo_psnr_srgb in sRGB coding, and in linear light after the best
        single gain (albedo_si_psnr) or the best gain for each of the three channels (albedo_si3_psnr).
    """
    predicted, truth = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    clipped = np.clip(predicted, 0, 1)
    gains = np.array([best_gain(predicted[:, channel], truth[:, channel]) for channel in range(3)])
    return {
        "albedo_psnr": psnr(clipped, truth),
        "albedo_psnr_srgb": psnr(linear_to_srgb(clipped), linear_to_srgb(truth)),
        "albedo_si_psnr": psnr(best_gain(predicted, truth) * predicted, truth),
        "albedo_si3_psnr": psnr(gains * predicted, truth),
    }


def normal_angles(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Angles in degrees between vectors (N, 3) of any length; a zero vector is 90 degrees from all."""
    units = []
    for vectors in (predicted, truth):
        vectors = np.asarray(vectors, np.float64)
        units.append(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9))
    return np.degrees(np.arccos(np.clip((units[0] * units[1]).sum(-1), -1, 1)))


def score_normal(predicted: np.ndarray, truth: np.ndarray) -> Scores:
    """Mean and median angle in degrees, and the shares of pixels below 11.25 and 30 degrees; both (N, 3)."""
    angles = normal_angles(predicted, truth)
    return {
        "normal_mean": float(angles.mean()),
        "normal_median": float(np.median(angles)),
        "normal_acc11": float((angles < 11.25).mean()),
        "normal_acc30": float((angles < 30).mean()),
    }


def score_depth(predicted: np.ndarray, truth: np.ndarray) -> Scores:
    """Score depth (N,) at any scale after one factor, median(truth) / median(predicted).

    Returns:
        depth_absrel, mean of |predicted - truth| / truth; depth_delta1, the share of pixels whose ratio, the
        greater over the smaller, is below 1.25.
    """
    truth = np.asarray(truth, np.float64)
    predicted = np.asarray(predicted, np.float64)
    scaled = np.maximum(np.where(np.isfinite(predicted), predicted, FAR), 1e-6)
    scaled = scaled * (np.median(truth) / np.median(scaled))
    ratio = np.maximum(scaled / truth, truth / scaled)
    return {
        "depth_absrel": float(np.mean(np.abs(scaled - truth) / truth)),
        "depth_delta1": float((ratio < 1.25).mean()),
    }


def rmse(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Root of the mean squared error; any shape."""
    error = np.asarray(predicted, np.float64) - truth
    return float(np.sqrt(np.mean(error * error)))


def auc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the ROC curve of scores (N,) for bool labels (N,), ties shared; nan with one class only."""
    positives = int(np.count_nonzero(labels))
    negatives = labels.size - positives
    if not positives or not negatives:
        return float("nan")
    _, place, counts = np.unique(np.asarray(scores, np.float64), return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # ties get the mean of their ranks
    above = ranks[place.reshape(-1)][labels].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def sky_iou(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two bool masks of background; nan where neither has any."""
    union = np.count_nonzero(predicted | truth)
    return float(np.count_nonzero(predicted & truth) / union) if union else float("nan")


def score_gbuffer(predicted: GBuffer, truth: GBuffer) -> Scores:
    """Score all five channels of one clip and its background; keys as in the functions above."""
    surface = truth.mask
    scores = {"sky_iou": sky_iou(~predicted.mask, ~surface)}
    if not surface.any():
        return scores
    scores |= score_albedo(predicted.albedo[surface], truth.albedo[surface])
    scores |= score_normal(predicted.normal[surface], truth.normal[surface])
    scores |= score_depth(predicted.depth[surface][:, 0], truth.depth[surface][:, 0])
    for name in ("roughness", "metallic"):
        found, right = getattr(predicted, name)[surface], getattr(truth, name)[surface]
        scores[f"{name}_rmse"] = rmse(found, right)
    metallic = truth.metallic[surface][:, 0] > 0.5
    return scores | {"metallic_auc": auc(predicted.metallic[surface][:, 0], metallic)}


def mean_scores(clips: Iterable[Mapping[str, float]]) -> Scores:
    """Mean of each score over the clips that have it; nan is skipped, nan where no clip has a number."""
    return _over_clips(clips, np.mean)


def median_scores(clips: Iterable[Mapping[str, float]]) -> Scores:
    """Median of each score over the clips that have it; nan is skipped."""
    return _over_clips(clips, np.median)


def ssim(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity of pictures (..., H, W, C) in [0, 1], at least 11x11.

    Wang et al. 2004: Gaussian window of 11 pixels, sigma 1.5, K1 .01, K2 .03; borders are left out and
    channels averaged.
    """
    x, y = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    mean_x, mean_y = _blurred(x), _blurred(y)
    var_x, var_y = _blurred(x * x) - mean_x**2, _blurred(y * y) - mean_y**2
    cov = _blurred(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    top = (2 * mean_x * mean_y + c1) * (2 * cov + c2)
    return float(np.mean(top / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))))


def static_flicker(frames: np.ndarray, still: np.ndarray | None = None) -> float:
    """Mean absolute change from frame to frame, (T, H, W, C), where `still` (T, H, W) is True.

    `still[t]` marks the pixels that show the same thing at the same place in frame t-1; all of them when
    left out. nan with a single frame or nothing still.
    """
    change = np.abs(np.diff(np.asarray(frames, np.float64), axis=0)).mean(-1)
    where = np.ones(change.shape, bool) if still is None else still[1:]
    return float(change[where].mean()) if where.any() else float("nan")


def warping_error(frames: np.ndarray, motion: np.ndarray, visible: np.ndarray) -> float:
    """Mean absolute difference between frame t and frame t-1 moved along exact motion vectors.

    Args:
        frames: (T, H, W, C).
        motion: (T, H, W, 2) pixels to each pixel's place in the frame before (dx right, dy down).
        visible: (T, H, W) bool, what was seen in the frame before too; see `seen_before`.

    Returns:
        The mean over visible pixels and channels; nan with a single frame or nothing visible.
    """
    frames = np.asarray(frames, np.float64)
    total, count = 0.0, 0
    for t in range(1, len(frames)):
        error = np.abs(frames[t] - warp(frames[t - 1], motion[t])).mean(-1)[visible[t]]
        total, count = total + error.sum(), count + error.size
    return float(total / count) if count else float("nan")


def seen_before(depth: np.ndarray, motion: np.ndarray, tolerance: float = 0.1) -> np.ndarray:
    """Mark what frame t-1 shows too: inside the picture, at a depth that differs by less than `tolerance`.

    Args:
        depth: (T, H, W) true depth, +inf in the sky.
        motion: (T, H, W, 2) as in `warping_error`.
        tolerance: relative difference of depth; a moving camera changes depth a little.

    Returns:
        (T, H, W) bool; the first frame is all False. Sky is never marked.
    """
    found = np.zeros(depth.shape, bool)
    with np.errstate(divide="ignore"):
        nearness = 1 / np.asarray(depth, np.float64)
    for t in range(1, len(depth)):
        before = warp(nearness[t - 1][..., None], motion[t], outside=0.0)[..., 0]
        close = np.abs(before - nearness[t]) < tolerance * nearness[t]
        found[t] = close & (nearness[t] > 0)
    return found


def warp(frame: np.ndarray, motion: np.ndarray, outside: float = np.nan) -> np.ndarray:
    """Sample `frame` (H, W, C) at each pixel plus `motion` (H, W, 2), bilinear; `outside` beyond the edges."""
    height, width = frame.shape[:2]
    x = np.arange(width) + np.asarray(motion[..., 0], np.float64)
    y = np.arange(height)[:, None] + np.asarray(motion[..., 1], np.float64)
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    x, y = np.where(inside, x, 0), np.where(inside, y, 0)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, low = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    u, v = (x - left)[..., None], (y - top)[..., None]
    upper = (1 - u) * frame[top, left] + u * frame[top, right]
    lower = (1 - u) * frame[low, left] + u * frame[low, right]
    return np.where(inside[..., None], (1 - v) * upper + v * lower, outside)


def _over_clips(clips: Iterable[Mapping[str, float]], reduce: Callable[[np.ndarray], np.floating]) -> Scores:
    rows = list(clips)
    keys = dict.fromkeys(key for row in rows for key in row)
    numbers = {key: np.array([row[key] for row in rows if key in row], np.float64) for key in keys}
    numbers = {key: values[~np.isnan(values)] for key, values in numbers.items()}
    return {key: float(reduce(values)) if values.size else float("nan") for key, values in numbers.items()}


def _blurred(pictures: np.ndarray) -> np.ndarray:
    """Gaussian means of (..., H, W, C) where the window of 11 fits: (..., H-10, W-10, C)."""
    offsets = np.arange(-5, 6)
    weights = np.exp(-(offsets**2) / (2 * 1.5**2))
    weights /= weights.sum()
    for axis in (-3, -2):
        length = pictures.shape[axis] - 10
        parts = [np.take(pictures, range(start, start + length), axis) for start in range(11)]
        pictures = np.einsum("k,k...->...", weights, np.stack(parts))
    return pictures
