"""Streaming read of a video file: one frame in memory, damage counted and reported, never padded."""

import bisect
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import av
import numpy as np
from av.error import FFmpegError

from alaya.errors import ClipError
from alaya.video_colour import RgbDecoder
from alaya.video_decode import decode, open_video, orientation, upright, video_stream
from alaya.video_info import VideoInfo


def read_video(info: VideoInfo, start: int, stop: int, tolerate: int) -> Iterator[np.ndarray]:
    """Frames [start, stop) of a probed video: (H, W, 3) uint8 (uint16 if deeper than 8 bits), sRGB, upright.

    Frames known to be damaged are given as far as they decode; when the range ends and more than `tolerate`
    of it are damaged or missing, ClipError with the counts is raised. Nothing stands in for a missing frame.
    """
    good = bad = 0
    size = None
    rgb = RgbDecoder()
    for frame, damaged in _frames_from(info, start, stop):
        picture = upright(rgb.convert(frame), *orientation(frame))
        size = size or picture.shape
        if picture.shape != size:
            where = start + good + bad
            raise ClipError(
                f"{info.path} changes size at frame {where}, to {picture.shape[1]}x{picture.shape[0]}"
            )
        good, bad = good + (not damaged), bad + damaged
        yield picture
    _check_account(info, stop - start, good, bad, tolerate)


def check_video(info: VideoInfo, tolerate: int) -> int:
    """Decode the whole file; ClipError if more than `tolerate` frames are bad, else how many are."""
    good = bad = 0
    for _, damaged in _frames_from(info, 0, info.declared_frames):
        good, bad = good + (not damaged), bad + damaged
    _check_account(info, info.declared_frames, good, bad, tolerate)
    return info.declared_frames - good


def _check_account(info: VideoInfo, expected: int, good: int, damaged: int, tolerate: int) -> None:
    missing = max(0, expected - good - damaged)
    if missing + damaged <= tolerate:
        return
    parts = [f"{count} {what}" for count, what in ((missing, "missing"), (damaged, "damaged")) if count]
    raise ClipError(
        f"{info.path}: {good} good frames, {' and '.join(parts)} of {expected} declared;"
        f" restore the file or tolerate {missing + damaged} bad frames",
        good_frames=good,
        bad_frames=missing + damaged,
    )


def _frames_from(info: VideoInfo, start: int, stop: int) -> Iterator[tuple[av.VideoFrame, bool]]:
    """(frame, whether it is damaged) of the frames [start, stop), sought by time if times are known."""
    first = info.ticks[start] if info.ticks and 0 < start < len(info.ticks) else None
    for seek in (True, False) if first is not None else (False,):
        with open_video(info.path) as container:
            stream = video_stream(container, info.path)
            if first is not None and seek and not _seek(container, stream, first):
                continue
            frames = decode(container, stream)
            head = next(frames, None)
            if head is None or (first is not None and seek and _is_later(head[0], first)):
                continue  # the file's index led past the frame: decode from the beginning instead
            yield from _between(itertools.chain([head], frames), info.ticks, start, stop)
            return


def _seek(container: Any, stream: Any, tick: int) -> bool:
    try:
        container.seek(tick, stream=stream)
    except (FFmpegError, OSError):
        return False
    return True


def _is_later(frame: av.VideoFrame, tick: int) -> bool:
    return frame.pts is None or frame.pts > tick


def _between(
    frames: Iterable[tuple[av.VideoFrame, bool]], ticks: tuple[int, ...] | None, start: int, stop: int
) -> Iterator[tuple[av.VideoFrame, bool]]:
    """Those of `frames` whose place in the clip (by time, else by count) is in [start, stop)."""
    place = -1
    for frame, damaged in frames:
        place = bisect.bisect_left(ticks, frame.pts) if ticks and frame.pts is not None else place + 1
        if place >= stop:
            return
        if place >= start:
            yield frame, damaged
