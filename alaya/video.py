"""RGB clips in and out: the one door to video files, images and folders of images.

`probe` describes a clip, `read_frames` streams it, `VideoWriter` writes one, `copy_audio` keeps its sound.
"""

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from alaya.audio import copy_audio
from alaya.errors import RequestError
from alaya.images import is_image, probe_images, read_images
from alaya.video_info import DEFAULT_FPS, VideoInfo, probe_video
from alaya.video_read import check_video, read_video
from alaya.video_write import VideoWriter, to_float

__all__ = [
    "DEFAULT_FPS",
    "VideoInfo",
    "VideoWriter",
    "check_frames",
    "copy_audio",
    "open_input",
    "probe",
    "read_frames",
    "to_float",
]


def probe(path: str | os.PathLike[str], fps: Fraction | None = None) -> VideoInfo:
    """Describe a video, an image or a folder of images; `fps` is for images, which have none (default 24)."""
    path = Path(path)
    if not os.path.exists(path):
        raise RequestError(f"{path} does not exist; give a video, an image or a folder of images")
    if os.path.isdir(path) or is_image(path):
        return probe_images(path, DEFAULT_FPS if fps is None else Fraction(fps))
    if not os.path.isfile(path):
        raise RequestError(f"{path} is no ordinary file; give a video, an image or a folder of images")
    return probe_video(path)


def open_input(path: str | os.PathLike[str], fps: Fraction | None = None, tolerate: int = 0) -> VideoInfo:
    """`probe`, then look at every frame once: ClipError with the counts if over `tolerate` frames are bad."""
    info = probe(path, fps)
    check_frames(info, tolerate)
    return info


def read_frames(
    clip: str | os.PathLike[str] | VideoInfo, start: int = 0, stop: int | None = None, tolerate: int = 0
) -> Iterator[np.ndarray]:
    """Stream frames [start, stop): (H, W, 3) uint8, or uint16 if deeper than 8 bits, sRGB, upright.

    One frame is in memory at a time. After the last frame of the range ClipError tells how many were damaged
    or missing, if more than `tolerate` are; they are never replaced. A `VideoInfo` saves a second probe.
    """
    info = clip if isinstance(clip, VideoInfo) else probe(clip)
    stop = info.declared_frames if stop is None else stop
    if not 0 <= start < stop <= info.declared_frames:
        raise RequestError(
            f"frames {start}:{stop} are not within {info.path}, which has {info.declared_frames}"
        )
    return (read_images if info.files else read_video)(info, start, stop, tolerate)


def check_frames(info: VideoInfo, tolerate: int = 0) -> int:
    """Decode every frame without keeping it; ClipError if over `tolerate` are bad, else how many are."""
    if not info.files:
        return check_video(info, tolerate)
    good = sum(1 for _ in read_images(info, 0, info.num_frames, tolerate))
    return info.num_frames - good
