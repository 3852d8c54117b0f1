"""Windows of a long clip run one after the other and blended where they overlap, in constant memory.

Everything happens at the model's working size, so a border that the full-size restoration would sharpen never
comes to be. A G-buffer is packed into one array whose weighted sum is meaningful for every channel.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import numpy as np

from alaya.frames import Window, blend_weights
from alaya.gbuffer import GBuffer

Item = TypeVar("Item")


class Lookback(Generic[Item]):
    """Items of a stream by their position; what lies before the last start asked for is forgotten."""

    def __init__(self, stream: Iterator[Item]) -> None:
        self._stream = stream
        self._kept: dict[int, Item] = {}
        self._next = 0

    def take(self, start: int, stop: int) -> list[Item]:
        """Items start .. stop-1; starts must not go backwards."""
        for index in [index for index in self._kept if index < start]:
            del self._kept[index]
        while self._next < stop:
            item = next(self._stream)
            if self._next >= start:
                self._kept[self._next] = item
            self._next += 1
        return [self._kept[index] for index in range(start, stop)]


def blend_windows(
    windows: Sequence[Window], predict: Callable[[Window], np.ndarray]
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first frame, finished frames (n, h, w, c)) in order; together they are the whole clip.

    `predict(window)` returns the window's real frames as (stop - start, h, w, c) float32.
    """
    pending = None  # weighted sums of the frames from windows[index].start on that are not finished yet
    for index, window in enumerate(windows):
        values = predict(window)
        values = values * np.asarray(blend_weights(windows, index), np.float32)[:, None, None, None]
        if pending is not None and len(pending):
            shared = min(len(pending), len(values))
            values[:shared] += pending[:shared]
        last = index + 1 == len(windows)
        finished = window.num_real if last else windows[index + 1].start - window.start
        yield window.start, values[:finished]
        pending = values[finished:].copy()


def pack(clip: GBuffer) -> np.ndarray:
    """(T, h, w, 10) float32 whose weighted mean blends G-buffers: nine values times foreground, and it.

    Depth goes in as its logarithm, so that the mean is the geometric one.
    """
    mask = clip.mask[..., None].astype(np.float32)
    log_depth = np.log(np.where(mask > 0, np.maximum(clip.depth, 1e-6), 1.0))
    channels = (clip.albedo, clip.normal, log_depth, clip.roughness, clip.metallic)
    return np.concatenate([channel * mask for channel in channels] + [mask], axis=-1, dtype=np.float32)


def unpack(packed: np.ndarray) -> GBuffer:
    """The G-buffer of a blended `pack`: background by weighted majority, normals of unit length."""
    weight = packed[..., 9:]
    mask = weight >= 0.5  # weights of all windows sum to one
    values = np.where(mask, packed[..., :9] / np.maximum(weight, 1e-6), 0).astype(np.float32)
    normal = values[..., 3:6]
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    towards_viewer = np.array([0, 0, 1], np.float32)  # where opposite normals cancelled out
    normal = np.where(length > 1e-6, normal / np.maximum(length, 1e-6), towards_viewer) * mask
    return GBuffer(
        albedo=values[..., 0:3],
        normal=normal.astype(np.float32),
        depth=np.where(mask, np.exp(values[..., 6:7]), np.inf).astype(np.float32),
        roughness=values[..., 7:8],
        metallic=values[..., 8:9],
    )
