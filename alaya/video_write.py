"""Writing an H.264 video: converted to BT.709 and tagged so, times kept, audio copied, whole or absent."""

import contextlib
import os
from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from alaya.audio import BITEXACT, AudioCopy
from alaya.errors import AlayaError, RequestError
from alaya.files import atomic_path
from alaya.video_colour import YuvEncoder
from alaya.video_decode import demux, open_video

CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
DEFAULT_CRF = 14
DEFAULT_PRESET = "faster"  # 60 % of the time of "medium" for 1 dB
_THREADS = 4  # x264's bytes depend on the number of threads: a fixed one gives the same file on every machine
_FINEST_TICK = 1_000_000  # ticks a second; times of stranger fractions are rounded to 1/90000 s


class VideoWriter:
    """Writes frames one by one; `path` appears, complete, when the `with` block ends without an error.

    Even sizes are coded yuv420p, odd ones yuv444p (4:2:0 has no odd sizes). `timestamps` are seconds from the
    first frame, one a frame, for variable rates. `audio_from` names a file whose audio packets are copied
    unchanged, and `audio_start` the time on its clock at which the first frame is shown (`VideoInfo.start`;
    0 for what `copy_audio` wrote).
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        height: int,
        width: int,
        fps: Fraction,
        *,
        timestamps: Sequence[Fraction] | None = None,
        audio_from: Path | None = None,
        audio_start: Fraction = Fraction(0),
        crf: int = DEFAULT_CRF,
        preset: str = DEFAULT_PRESET,
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        self.frames_written = 0
        self._height, self._width = height, width
        self._fps = Fraction(fps)
        self._times = None if timestamps is None else tuple(timestamps)
        self._audio = AudioCopy(Path(audio_from), audio_start) if audio_from else None
        self._options = {"crf": str(crf), "preset": preset}
        if self.path.suffix.lower() not in CONTAINERS:
            raise RequestError(
                f"{self.path} is no kind of video written here; end it with {', '.join(CONTAINERS)}"
            )
        if self.path.exists() and not overwrite:
            raise RequestError(f"{self.path} exists already; choose another name or overwrite it")
        if self._times and any(b <= a for a, b in zip(self._times, self._times[1:], strict=False)):
            raise RequestError(f"the times given for {self.path} do not rise; give each frame a later time")

    def __enter__(self) -> Self:
        """Open a temporary file beside `path`, with its streams."""
        with contextlib.ExitStack() as stack:
            self._temporary = stack.enter_context(atomic_path(self.path))
            if self._audio:
                stack.enter_context(self._audio)
            self._container = stack.enter_context(contextlib.closing(open_output(self._temporary, self.path)))
            self._stream = self._add_video()
            if self._audio:
                self._audio.attach(self._container, self.path)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish, check and publish the file; after an error, remove what was written."""
        with self._stack:
            if error is not None:
                raise error.with_traceback(trace)  # leaves through the stack, so that nothing is published
            self._finish()

    def write(self, frame: np.ndarray) -> None:
        """Append a frame: (H, W, 3), uint8 or float32 in [0, 1] (values outside are clipped), sRGB."""
        self.append(self.picture(frame))

    def picture(self, frame: np.ndarray) -> av.VideoFrame:
        """A frame, as `write` takes it, in the video's own pixel format; nothing is written."""
        if frame.shape != (self._height, self._width, 3):
            raise ValueError(
                f"a frame of {self.path} must be {(self._height, self._width, 3)}, got {frame.shape}"
            )
        return self._encoder.convert(_to_uint8(frame, self.path, self.frames_written))

    def append(self, picture: av.VideoFrame) -> None:
        """Append a picture in the video's own pixel format, such as another one of its kind decodes to."""
        picture.pict_type = PictureType.NONE  # that of another video would be forced on this one
        picture.time_base = self._tick
        picture.pts = self._pts(self.frames_written)
        picture.duration = self._pts(self.frames_written + 1) - picture.pts
        self._mux(picture)
        self.frames_written += 1

    def _add_video(self) -> Any:
        odd = self._height % 2 or self._width % 2
        self._encoder = YuvEncoder("yuv444p" if odd else "yuv420p")
        self._tick = 1 / self._fps if self._times is None else common_tick(self._times)
        stream: Any = self._container.add_stream("libx264", rate=self._fps, options=self._options)
        stream.width, stream.height = self._width, self._height
        stream.pix_fmt = "yuv444p" if odd else "yuv420p"
        context = stream.codec_context
        context.time_base = self._tick
        context.thread_count = _THREADS
        context.colorspace = Colorspace.ITU709
        context.color_range = ColorRange.MPEG
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        return stream

    def _pts(self, index: int) -> int:
        """The tick at which frame `index` is shown; one past the last frame, where it ends."""
        if self._times is None:
            return index
        if index < len(self._times):
            return round(self._times[index] / self._tick)
        return self._pts(index - 1) + max(1, round(1 / self._fps / self._tick))

    def _mux(self, picture: av.VideoFrame | None) -> None:
        """Encode a frame (None: flush) and write what is ready, audio that begins before it first."""
        for packet in self._stream.encode(picture):
            if self._audio:
                for sound in self._audio.until(packet.dts * packet.time_base):
                    self._container.mux(sound)
            self._container.mux(packet)

    def _finish(self) -> None:
        if self.frames_written == 0:
            raise AlayaError(f"{self.path} was given no frames; nothing was written")
        if self._times is not None and len(self._times) != self.frames_written:
            raise AlayaError(f"{self.path} has {len(self._times)} times for {self.frames_written} frames")
        self._mux(None)
        if self._audio:
            for sound in self._audio.until(None):
                self._container.mux(sound)
        self._container.close()
        held = count_packets(self._temporary)
        if held != self.frames_written:
            raise AlayaError(
                f"{self.path} holds {held} of {self.frames_written} frames after writing; try again"
            )


def open_output(temporary: Path, path: Path) -> Any:
    """A container open for writing at `temporary`, of the kind that the name `path` asks for."""
    name = CONTAINERS[path.suffix.lower()]
    options = dict(BITEXACT) if name == "matroska" else {**BITEXACT, "movflags": "+faststart"}
    return av.open(str(temporary), "w", format=name, options=options)


def to_float(frame: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 or uint16 to float32 in [0, 1], the same colour space."""
    return frame.astype(np.float32) / np.float32(np.iinfo(frame.dtype).max)


def _to_uint8(frame: np.ndarray, path: Path, index: int) -> np.ndarray:
    if frame.dtype == np.uint8:
        return np.ascontiguousarray(frame)
    if not np.isfinite(frame).all():
        raise AlayaError(f"frame {index} for {path} holds values that are not numbers; nothing was written")
    return np.rint(np.clip(frame, 0, 1) * 255).astype(np.uint8)


def common_tick(times: tuple[Fraction, ...]) -> Fraction:
    """The longest time unit (seconds) of which all times are multiples, or 1/90000 s."""
    rate = 1000
    for time in times:
        rate = lcm(rate, Fraction(time).denominator)
        if rate > _FINEST_TICK:
            return Fraction(1, 90_000)
    return Fraction(1, rate)


def count_packets(path: Path) -> int:
    """How many pictures a video file holds, by its packets."""
    with open_video(path) as container:
        return sum(packet.size > 0 for packet in demux(container, container.streams.video[0]))
