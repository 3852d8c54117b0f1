"""A video that grows in closed parts, each a file of its own, which are coded as one video in the end.

A part that is on the disk is never touched again, so a process that is killed loses only the part it was writing.
Parts are lossless: were they coded as the video is, each would begin with a key frame that can be seen where the
picture stands still. The same pictures always give the same video, wherever they were parted.
"""

import contextlib
import glob
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np

from alaya.errors import ClipError
from alaya.video_decode import decode, open_video, video_stream
from alaya.video_write import DEFAULT_CRF, VideoWriter

LOSSLESS = 0  # crf
QUICKLY = "ultrafast"  # preset: large parts for a short time


class PartWriter:
    """Writes the parts of one video into a folder, named by their first picture. A context manager.

    `start` is the picture to go on with; parts from there on, and what killed processes left, are removed. `into` is
    the whole video, open for writing: it is given the pictures of the parts that are there, then every new one.
    """

    def __init__(
        self,
        room: Path,
        name: str,
        height: int,
        width: int,
        fps: Fraction,
        *,
        start: int = 0,
        into: VideoWriter | None = None,
    ) -> None:
        self._room, self._name, self._into = room, name, into
        self._next, self._size, self._fps = start, (height, width), fps
        self._writer: VideoWriter | None = None
        for path in room.glob(f"{glob.escape(name)}-*.mp4"):
            if int(path.stem.rpartition("-")[2]) >= start:
                path.unlink()
        for path in room.glob(f".{glob.escape(name)}-*.tmp-*"):
            path.unlink()

    @property
    def parts(self) -> list[Path]:
        """The closed parts, in order."""
        return sorted(self._room.glob(f"{glob.escape(self._name)}-*.mp4"))

    def write(self, frame: np.ndarray) -> None:
        """Append a picture, as `VideoWriter.write`."""
        if self._writer is None:
            path = self._room / f"{self._name}-{self._next:08d}.mp4"
            coded = {"crf": LOSSLESS, "preset": QUICKLY}
            self._writer = VideoWriter(path, *self._size, self._fps, **coded).__enter__()
        picture = self._writer.picture(frame)
        self._writer.append(picture)
        if self._into is not None:
            self._into.append(picture)
        self._next += 1

    def seal(self) -> list[Path]:
        """Close the part under way, which is on the disk then, and return it (nothing if there is none)."""
        writer, self._writer = self._writer, None
        if writer is None:
            return []
        writer.__exit__(None, None, None)
        return [writer.path]

    def __enter__(self) -> Self:
        if self._into is not None:
            append_parts(self._into, self.parts, self._next)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the part under way; after an error, drop it."""
        if error is None:
            self.seal()
        elif self._writer is not None:
            writer, self._writer = self._writer, None
            with contextlib.suppress(BaseException):  # it raises the error again, which is on its way already
                writer.__exit__(kind, error, trace)


def join_parts(
    path: Path,
    parts: Sequence[Path],
    num_frames: int,
    fps: Fraction,
    *,
    timestamps: Sequence[Fraction] | None = None,
    audio_from: Path | None = None,
    audio_start: Fraction = Fraction(0),
    crf: int = DEFAULT_CRF,
) -> None:
    """Write the video at `path` from the pictures of `parts`, whole or not at all.

    Args:
        path: ends in one of `alaya.video_write.CONTAINERS`; an existing file is replaced.
        parts: videos that `PartWriter` wrote, in their order.
        num_frames: how many pictures they hold together.
        fps: frames per second.
        timestamps: seconds of each picture, for variable rates.
        audio_from: a file whose audio packets are copied unchanged.
        audio_start: the time on its clock at which the first picture is shown.
        crf: how fine it is coded.

    Raises:
        ClipError: the parts are damaged, do not hold `num_frames`, or differ in size.
    """
    size = _size(parts[0])
    sound = {"audio_from": audio_from, "audio_start": audio_start}
    with VideoWriter(path, *size, fps, timestamps=timestamps, crf=crf, overwrite=True, **sound) as writer:
        append_parts(writer, parts, num_frames)


def append_parts(video: VideoWriter, parts: Sequence[Path], num_frames: int) -> None:
    """Append all pictures of `parts` to a video, which must hold `num_frames` then, else ClipError."""
    size = _size(parts[0]) if parts else (0, 0)
    for part in parts:
        for picture in _pictures(part, size):
            video.append(picture)
    if video.frames_written != num_frames:
        held = video.frames_written
        raise ClipError(f"{video.path}: {held} of its {num_frames} pictures came together; make it again")


def _size(part: Path) -> tuple[int, int]:
    with open_video(part) as container:
        context = video_stream(container, part).codec_context
        return context.height, context.width


def _pictures(part: Path, size: tuple[int, int]) -> Iterator[av.VideoFrame]:
    """The part's pictures as they were coded; one is in memory at a time."""
    with open_video(part) as container:
        for picture, damaged in decode(container, video_stream(container, part)):
            if damaged or (picture.height, picture.width) != size:
                what = "damaged" if damaged else "of another size than the parts before it"
                raise ClipError(f"{part} is {what}; make the video again")
            yield picture
