"""The 8n+1 rule, the windows that a long clip is cut into, and the weights that blend them again.

Published video networks compress time by eight after a first frame of its own, so they take 1, 9, 17, ...
frames. A clip of any other length is cut into windows of such a length and padded by reflection at its end.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from alaya.errors import FrameCountError, RequestError

TIME_STEP = (
    8  # frames per latent frame; every window starts at a multiple of it (except windows of one frame)
)
MAX_DEFAULT_OVERLAP = 8


def check_num_frames(num_frames: int) -> int:
    """Return `num_frames` if it is 8n+1 (1, 9, 17, ...), else raise FrameCountError with what to try."""
    if num_frames >= 1 and (num_frames - 1) % TIME_STEP == 0:
        return num_frames
    below = max(1, (num_frames - 1) // TIME_STEP * TIME_STEP + 1)
    raise FrameCountError(f"num_frames must be 8n+1, got {num_frames}; try {below} or {below + TIME_STEP}")


def covering_count(frames: int) -> int:
    """The smallest 8n+1 that is at least `frames` (>= 1)."""
    return -(-(frames - 1) // TIME_STEP) * TIME_STEP + 1


def default_overlap(num_frames: int) -> int:
    """Frames shared by two windows unless asked otherwise: eight, and always less than half a window."""
    return min(MAX_DEFAULT_OVERLAP, (num_frames - 1) // 2)


def check_overlap(num_frames: int, overlap: int) -> int:
    """Return `overlap` if it is less than half a window of `num_frames`, else raise RequestError."""
    largest = (num_frames - 1) // 2
    if 0 <= overlap <= largest:
        return overlap
    raise RequestError(
        f"overlap {overlap} does not fit windows of {num_frames} frames; give 0 to {largest}"
        f" (default {default_overlap(num_frames)})"
    )


def window_stride(num_frames: int, overlap: int) -> int:
    """Frames between two window starts: a multiple of 8 (1 for windows of one frame).

    Windows therefore share `num_frames - stride` frames: at least `overlap`, nine for the usual eight. Only
    windows of 9 frames cannot, whatever is asked: they share one.
    """
    if num_frames == 1:
        return 1
    return max(TIME_STEP, (num_frames - overlap) // TIME_STEP * TIME_STEP)


@dataclass(frozen=True)
class Window:
    """The clip's frames [start, stop); `pad` frames follow by reflection to make the length 8n+1."""

    index: int
    start: int
    stop: int
    pad: int

    @property
    def num_real(self) -> int:
        """Frames that exist in the clip."""
        return self.stop - self.start

    @property
    def num_frames(self) -> int:
        """Frames the network sees, padding included (8n+1)."""
        return self.stop - self.start + self.pad

    @property
    def sources(self) -> tuple[int, ...]:
        """Clip frame index of each of the `num_frames` frames the network sees."""
        return tuple(self.start + i for i in reflect_indices(self.num_real, self.num_frames))


def plan_windows(clip_frames: int, num_frames: int, overlap: int | None = None) -> tuple[Window, ...]:
    """Cut a clip of `clip_frames` (>= 1) frames into overlapping windows of `num_frames` (8n+1).

    Starts are multiples of 8. A clip, or the rest of a clip, that is shorter than a window gets a window of
    the next 8n+1 that covers it, not the whole `num_frames`. `overlap` None means `default_overlap`.
    """
    check_num_frames(num_frames)
    if clip_frames < 1:
        raise RequestError(
            f"a clip needs at least 1 frame, got {clip_frames}; choose other frames or another clip"
        )
    overlap = check_overlap(num_frames, default_overlap(num_frames) if overlap is None else overlap)
    stride = window_stride(num_frames, overlap)
    more = max(0, clip_frames - num_frames)  # frames beyond the first window
    windows = []
    for index in range(1 + -(-more // stride)):
        start = index * stride
        stop = min(start + num_frames, clip_frames)
        windows.append(Window(index, start, stop, covering_count(stop - start) - (stop - start)))
    return tuple(windows)


def blend_weights(windows: Sequence[Window], index: int) -> tuple[float, ...]:
    """Raised-cosine weight of each real frame (stop - start of them) of window `index`.

    At every frame of the clip the weights of all windows that cover it are positive and sum to one.
    """
    window = windows[index]
    near = range(max(0, index - _reach(windows, index, -1)), index + _reach(windows, index, 1) + 1)
    own = _ramps(windows, index)
    total = [0.0] * window.num_real
    for other_index in near:
        other, ramps = windows[other_index], _ramps(windows, other_index)
        for frame in range(max(window.start, other.start), min(window.stop, other.stop)):
            total[frame - window.start] += ramps[frame - other.start]
    return tuple(weight / whole for weight, whole in zip(own, total, strict=True))


def _reach(windows: Sequence[Window], index: int, step: int) -> int:
    """How many windows before (step -1) or after (step 1) `index` share a frame with it."""
    reach, other = 0, index + step
    while 0 <= other < len(windows) and _shared(windows[index], windows[other]) > 0:
        reach, other = reach + 1, other + step
    return reach


def _shared(one: Window, other: Window) -> int:
    return min(one.stop, other.stop) - max(one.start, other.start)


def _ramps(windows: Sequence[Window], index: int) -> list[float]:
    """The window's rise after its predecessor times its fall before its successor, not yet normalised."""
    weights = [1.0] * windows[index].num_real
    if index > 0:
        for i, rise in enumerate(_rise(_shared(windows[index - 1], windows[index]))):
            weights[i] *= rise
    if index + 1 < len(windows):
        for i, rise in enumerate(_rise(_shared(windows[index], windows[index + 1]))):
            weights[-1 - i] *= rise
    return weights


def _rise(length: int) -> list[float]:
    """A raised cosine from above 0 to below 1 in `length` frames; it and its mirror image sum to one."""
    return [math.sin(math.pi / 2 * (i + 1) / (length + 1)) ** 2 for i in range(max(0, length))]


def reflect_indices(count: int, length: int) -> tuple[int, ...]:
    """Source index (0 .. count-1) of each of `length` frames: forth, back, ... without doubling the ends.

    A single frame repeats.
    """
    if count == 1:
        return (0,) * length
    period = 2 * (count - 1)
    return tuple(min(i % period, period - i % period) for i in range(length))
