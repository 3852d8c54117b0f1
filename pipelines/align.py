"""One depth scale and one albedo scale for a whole clip: each window is brought to the windows before it.

A network that sees one window at a time knows depth and albedo up to a factor, and the factor may differ from
window to window. It is measured once where a window overlaps what is finished, and holds for the whole window.
"""

import numpy as np

from pipelines.stitch import Carry

DEPTH_ALIKE, ALBEDO_ALIKE = 0.005, 0.01
"""Logarithms of factors that are no difference: correcting them window after window would let errors add up."""
DARK = 0.02  # albedo below which a ratio says nothing
SHARE = 0.01  # of a frame's pixels that have to show the same surface in both windows
SAMPLES = 128  # rows and columns that are looked at, at most
MIDDLE = 0.1  # frames that one side gives less than this lie at a window's end, where networks are least sure
LOG_DEPTH, MASK = 6, 9  # planes of `stitch.pack`
Scale = tuple[float, ...]
"""Natural logarithms of the factors of depth, red, green and blue albedo; () is no change."""


def fit_scale(values: np.ndarray, carry: Carry) -> Scale:
    """The factors that bring a window to the scale of the ones before it.

    Args:
        values: the window's frames as `stitch.pack` gives them, (n, h, w, 10).
        carry: what the windows before it gave to its first frames.

    Returns:
        Four logarithms, 0 where both agree or too little is seen to tell; () if that is so for all.
    """
    logs = [_ratios(values[i], carry.sums[i] / np.float32(carry.weights[i])) for i in _middle(carry)]
    limits = (DEPTH_ALIKE, *[ALBEDO_ALIKE] * 3)
    scale = tuple(_agreed(column, limit) for column, limit in zip(np.array(logs).T, limits, strict=True))
    return scale if any(scale) else ()


def apply_scale(values: np.ndarray, scale: Scale) -> None:
    """Multiply a window's depth and albedo, in place; albedo stays within [0, 1]."""
    if not scale:
        return
    values[..., LOG_DEPTH] += np.float32(scale[0]) * values[..., MASK]
    values[..., :3] *= np.exp(np.array(scale[1:], np.float32))
    np.minimum(values[..., :3], 1, out=values[..., :3])


def _middle(carry: Carry) -> list[int]:
    """Frames to which both sides give something; all of them if there is none."""
    frames = [i for i, weight in enumerate(carry.weights) if MIDDLE < weight < 1 - MIDDLE]
    return frames or list(range(len(carry.weights)))


def _ratios(frame: np.ndarray, known: np.ndarray) -> tuple[float, ...]:
    """How much greater `known` is than `frame`, both (h, w, 10): median logarithms of depth and albedo, or nan."""
    rows, columns = (-(-side // SAMPLES) for side in frame.shape[:2])
    one, two = (part[::rows, ::columns].reshape(-1, part.shape[-1]) for part in (frame, known))
    both = (one[:, MASK] > 0.999) & (two[:, MASK] > 0.999)
    found = [_median((two - one)[both, LOG_DEPTH], len(one))]
    for plane in range(3):
        lit = both & (np.minimum(one, two)[:, plane] > DARK) & (np.maximum(one, two)[:, plane] < 0.99)
        found.append(_median(np.log(two[lit, plane] / one[lit, plane]), len(one)))
    return tuple(found)


def _median(logs: np.ndarray, pixels: int) -> float:
    return float(np.median(logs)) if len(logs) >= max(1, SHARE * pixels) else np.nan


def _agreed(logs: np.ndarray, alike: float) -> float:
    """One number for all frames; 0 if it is small, or if the frames say different things."""
    logs = logs[~np.isnan(logs)]
    if not len(logs):
        return 0.0
    middle = float(np.median(logs))
    wobble = float(np.median(np.abs(logs - middle)))
    return middle if abs(middle) > max(alike, 2 * wobble) else 0.0
