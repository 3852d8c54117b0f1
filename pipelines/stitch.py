"""Windows of a long clip run one after the other and blended where they overlap, in constant memory.

Everything happens at the model's working size, so a border that the full-size restoration would sharpen never
comes to be. A G-buffer is packed into one array whose weighted sum is meaningful for every channel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from alaya.frames import TIME_STEP, Window, blend_weights, default_overlap, plan_windows
from alaya.gbuffer import GBuffer

Item = TypeVar("Item")
ROUNDING = 1e-6  # weights that sum to one up to this need no division


class Lookback(Generic[Item]):
    """Items of a stream by their position, which begins at `first`; what is not needed again is forgotten."""

    def __init__(self, stream: Iterator[Item], first: int = 0) -> None:
        self._stream = stream
        self._kept: dict[int, Item] = {}
        self._next = first

    def take(self, window: Window, next_start: int) -> list[Item]:
        """The window's items, padding included; those before `next_start` are not kept for the next window."""
        while self._next < window.stop:
            self._kept[self._next] = next(self._stream)
            self._next += 1
        items = [self._kept[index] for index in window.sources]
        for index in [index for index in self._kept if index < next_start]:
            del self._kept[index]
        return items

    def give_back(self, first: int, items: Sequence[Item]) -> None:
        """Keep these again, from position `first` on: the window that took them is cut into smaller ones."""
        self._kept |= dict(enumerate(items, first))


@dataclass(frozen=True)
class Carry:
    """What the windows so far give to frames that later ones share: weighted sums and the weights' own sums."""

    sums: np.ndarray  # (n, h, w, c) float32
    weights: tuple[float, ...]


def next_start(windows: Sequence[Window], window: Window) -> int:
    """Where the window after `window` starts; the clip's end after the last one."""
    return windows[window.index + 1].start if window.index + 1 < len(windows) else window.stop


def first_sharing(windows: Sequence[Window], index: int) -> int:
    """The first window that shares a frame with window `index` or a later one."""
    return next(i for i in range(index + 1) if windows[i].stop > windows[index].start)


def recut(windows: Sequence[Window], index: int, num_frames: int, overlap: int | None) -> tuple[Window, ...]:
    """The windows before `index` as they are, and the rest of the clip in windows of `num_frames`."""
    begun = windows[index].start
    allowed = (num_frames - 1) // 2
    overlap = default_overlap(num_frames) if overlap is None else min(overlap, allowed)
    rest = plan_windows(windows[-1].stop - begun, num_frames, overlap)
    moved = (Window(index + one.index, begun + one.start, begun + one.stop, one.pad) for one in rest)
    return (*windows[:index], *moved)


def smaller(num_frames: int) -> int:
    """About half as many frames, 8n+1 again; never below 9."""
    return TIME_STEP * max(1, (num_frames - 1) // TIME_STEP // 2) + 1


def blend(
    windows: Sequence[Window], index: int, values: np.ndarray, carry: Carry | None
) -> tuple[np.ndarray, Carry | None]:
    """Blend a window into what the ones before it left.

    Args:
        windows: the clip's cut.
        index: which of them.
        values: its real frames, (stop - start, h, w, c) float32, written over.
        carry: of the window before; it covers no frame that this window does not.

    Returns:
        The finished frames up to the next window's start (a view of `values`), and what that window gets.
    """
    weights = list(blend_weights(windows, index))
    for i, weight in enumerate(weights):
        if weight != 1:
            values[i] *= weight  # by index: a view in a variable would keep the window in memory
    if carry is not None:
        values[: len(carry.sums)] += carry.sums
        for i, weight in enumerate(carry.weights):
            weights[i] += weight
    finished = next_start(windows, windows[index]) - windows[index].start
    for i, weight in enumerate(weights[:finished]):
        if abs(weight - 1) > ROUNDING:  # the clip was cut anew in between
            values[i] /= weight
    rest = Carry(values[finished:].copy(), tuple(weights[finished:]))
    return values[:finished], rest if rest.weights else None


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
