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
    """Items of a stream by their position; what is not needed again is forgotten."""

    def __init__(self, stream: Iterator[Item]) -> None:
        self._stream = stream
        self._kept: dict[int, Item] = {}
        self._next = 0

    def take(self, window: Window, next_start: int) -> list[Item]:
        """The window's items, padding included; those before `next_start` are not kept for the next window."""
        while self._next < window.stop:
            self._kept[self._next] = next(self._stream)
            self._next += 1
        items = [self._kept[index] for index in window.sources]
        for index in [index for index in self._kept if index < next_start]:
            del self._kept[index]
        return items


def next_start(windows: Sequence[Window], window: Window) -> int:
    """Where the window after `window` starts; the clip's end after the last one."""
    return windows[window.index + 1].start if window.index + 1 < len(windows) else window.stop


def blend_windows(
    windows: Sequence[Window], predict: Callable[[Window], np.ndarray], step: int
) -> Iterator[np.ndarray]:
    """Yield finished frames (n, h, w, c), n <= `step`, in order; together they are the whole clip.

    `predict(window)` returns the window's real frames as (stop - start, h, w, c) float32, to be written over. No
    piece holds on to its window, so that memory is the same however many windows there are.
    """
    pending = None  # weighted sums of the frames that the windows so far share with the next one
    for window in windows:
        values = predict(window)
        for index, weight in enumerate(blend_weights(windows, window.index)):
            if weight != 1:
                values[index] *= weight  # by index: a view in a variable would keep the window in memory
        if pending is not None:
            shared = min(len(pending), len(values))
            values[:shared] += pending[:shared]
        finished = next_start(windows, window) - window.start
        for first in range(0, finished, step):
            yield values[first : min(first + step, finished)].copy()
        pending = values[finished:].copy()
        del values


def pack(clip: GBuffer) -> np.ndarray:
    """(T, h, w, 10) float32 whose weighted mean blends G-buffers: nine values times foreground, and it.

    Depth goes in as its logarithm, so that the mean is the geometric one.
    """
    mask = clip.mask[..., None]
    packed = np.empty((*mask.shape[:3], 10), np.float32)
    packed[..., 0:3] = clip.albedo
    packed[..., 3:6] = clip.normal
    packed[..., 6:7] = np.log(np.where(mask, np.maximum(clip.depth, 1e-6), 1))
    packed[..., 7:8] = clip.roughness
    packed[..., 8:9] = clip.metallic
    packed[..., :9] *= mask
    packed[..., 9:] = mask
    return packed


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
