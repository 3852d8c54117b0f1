"""Ways to join the windows of the embedded inverse model, compared on one clip: cut, blend, condition, align."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from einops import rearrange

from alaya import flow, netcode
from alaya.frames import Window, plan_windows
from alaya.gbuffer import GBuffer
from alaya.seams import ClipSeams, Overlap
from alaya.video import to_float
from inverse.models import load_inverse
from inverse.sky import settle_sky
from inverse.small import SmallInverse
from pipelines.align import apply_scale, fit_scale
from pipelines.stitch import Carry, blend, pack, unpack

NUM_FRAMES = 17
KNOWN_TIME = 0.5
"""Flow time that a window is put back to when frames of it are known; the network was trained on all of them."""
WANDER = 0.05
"""Deviation of the logarithm of each window's own scale, where a model that cannot hold its scale is played."""
KEPT = ("ratio", "stands_out", "worst", "jump", "across", "drift")
Predict = Callable[[Window, Carry | None], np.ndarray]


def compare_ways(pictures: np.ndarray, num_frames: int = NUM_FRAMES) -> dict[str, Any]:
    """Figures of each way by channel, for the model as it is and for one whose scale wanders from window to window.

    Args:
        pictures: (T, H, W, 3) uint8; H and W are multiples of 8 and the working size.
        num_frames: length of a window.
    """
    model = load_inverse("small", "cpu")
    if not isinstance(model, SmallInverse):
        raise TypeError("only the embedded model is taken apart here")
    rgb = to_float(pictures)
    windows, apart = plan_windows(len(rgb), num_frames), plan_windows(len(rgb), num_frames, overlap=0)
    overlaps = [Overlap(b.start, a.stop) for a, b in itertools.pairwise(windows)]
    cuts = [Overlap(window.stop, window.stop) for window in apart[:-1]]
    result: dict[str, Any] = {"frames": len(rgb), "num_frames": num_frames}
    for name, wander in (("as it is", 0.0), ("wandering scale", WANDER)):
        plain = _predictor(model, rgb, wander)
        conditioned = _conditioned(model, rgb, wander)
        result[name] = {
            "one window": _figures(
                unpack(plain(plan_windows(len(rgb), 8 * len(rgb) + 1)[0], None)), overlaps
            ),
            "independent": _figures(_cut(apart, plain), cuts),
            "blend": _figures(_joined(windows, plain, align=False), overlaps),
            "blend, conditioned": _figures(_joined(windows, conditioned, align=False), overlaps),
            "blend, aligned": _figures(_joined(windows, plain, align=True), overlaps),
        }
    return result


def _predictor(model: SmallInverse, rgb: np.ndarray, wander: float) -> Predict:
    def predict(window: Window, carry: Carry | None) -> np.ndarray:
        found = model.predict(rgb[list(window.sources)], first_frame=window.start)
        return _wandered(pack(found.frames(0, window.num_real)), window, wander)

    return predict


def _conditioned(model: SmallInverse, rgb: np.ndarray, wander: float) -> Predict:
    """A second step whose noisy start holds the frames that are known; it costs a window twice."""

    @torch.inference_mode()
    def predict(window: Window, carry: Carry | None) -> np.ndarray:
        clip = rearrange(torch.from_numpy(rgb[list(window.sources)]), "t h w c -> 1 t c h w") * 2 - 1
        planes = model.net(clip, torch.ones(1))
        if carry is not None:
            weights = np.array(carry.weights, np.float32)[:, None, None, None]
            known = netcode.encode(unpack(carry.sums / weights))
            planes = planes.clone()
            planes[0, : len(known)] = known
            noise = flow.frame_noise(0, window.start, planes.shape[1], tuple(planes.shape[2:]))
            t = torch.full((1,), KNOWN_TIME)
            planes = model.net(clip, t, flow.add_noise(planes, noise[None], t))
        planes[0, :, netcode.SKY] = settle_sky(planes[0, :, netcode.SKY])
        found = netcode.decode(planes[0]).frames(0, window.num_real)
        return _wandered(pack(found), window, wander)

    return predict


def _wandered(values: np.ndarray, window: Window, wander: float) -> np.ndarray:
    """The window with a scale of depth and of albedo that is its own."""
    depth, albedo = np.random.default_rng(window.start).normal(0, wander, 2) if wander else (0.0, 0.0)
    apply_scale(values, (float(depth), *[float(albedo)] * 3))
    return values


def _joined(windows: Sequence[Window], predict: Predict, align: bool) -> GBuffer:
    carry, parts = None, []
    for window in windows:
        values = predict(window, carry)
        if align and carry is not None:
            apply_scale(values, fit_scale(values, carry))
        finished, carry = blend(windows, window.index, values, carry)
        parts.append(finished.copy())
    return unpack(np.concatenate(parts))


def _cut(windows: Sequence[Window], predict: Predict) -> GBuffer:
    parts, done = [], 0
    for window in windows:
        parts.append(predict(window, None)[done - window.start :])
        done = window.stop
    return unpack(np.concatenate(parts))


def _figures(clip: GBuffer, overlaps: Sequence[Overlap]) -> dict[str, Any]:
    seams = ClipSeams()
    for pair in range(clip.num_frames - 1):
        seams.add(pair, clip.frames(pair, pair + 2))
    found = seams.figures(overlaps, clip.num_frames)
    return {name: {key: figures[key] for key in KEPT} for name, figures in found.items()}
