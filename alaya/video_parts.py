"""A video that grows in closed parts, each a file of its own, joined without coding it again.

A part that is on the disk is never touched again, so a process that is killed loses only the part it was writing.
Every part begins with a key frame and knows nothing of the others; the same parts always give the same video.
"""

import contextlib
import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np

from alaya.audio import AudioCopy
from alaya.errors import ClipError
from alaya.files import atomic_path
from alaya.video_decode import demux, open_video
from alaya.video_write import DEFAULT_CRF, VideoWriter, common_tick, count_packets, open_output


class PartWriter:
    """Writes the parts of one video into a folder, named by their first picture. A context manager.

    `start` is the picture to go on with; parts from there on, and what killed processes left, are removed.
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
        crf: int = DEFAULT_CRF,
    ) -> None:
        self._room, self._name = room, name
        self._next, self._size, self._fps, self._crf = start, (height, width), fps, crf
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
            self._writer = VideoWriter(path, *self._size, self._fps, crf=self._crf).__enter__()
        self._writer.write(frame)
        self._next += 1

    def seal(self) -> list[Path]:
        """Close the part under way, which is on the disk then, and return it (nothing if there is none)."""
        writer, self._writer = self._writer, None
        if writer is None:
            return []
        writer.__exit__(None, None, None)
        return [writer.path]

    def __enter__(self) -> Self:
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


@dataclass(frozen=True)
class _Coded:
    """A packet and the place of its picture in the whole video."""

    packet: av.Packet
    index: int


def join_parts(
    path: Path,
    parts: Sequence[Path],
    num_frames: int,
    fps: Fraction,
    *,
    timestamps: Sequence[Fraction] | None = None,
    audio_from: Path | None = None,
    audio_start: Fraction = Fraction(0),
) -> None:
    """Write the video at `path` from the pictures of `parts`, whole or not at all.

    Args:
        path: ends in one of `alaya.video_write.CONTAINERS`; an existing file is replaced.
        parts: videos that `VideoWriter` wrote with the same size and options, in their order.
        num_frames: how many pictures they hold together.
        fps: frames per second.
        timestamps: seconds of each picture, for variable rates.
        audio_from: a file whose audio packets are copied unchanged.
        audio_start: the time on its clock at which the first picture is shown.

    Raises:
        ClipError: the parts do not hold `num_frames`, or were not coded alike.
    """
    times = None if timestamps is None else tuple(timestamps)
    tick = 1 / fps if times is None else common_tick(times)
    delay = max((_delay(part) for part in parts), default=0)
    with contextlib.ExitStack() as stack:
        temporary = stack.enter_context(atomic_path(path, sum(part.stat().st_size for part in parts)))
        container = stack.enter_context(contextlib.closing(open_output(temporary, path)))
        stream = _add_stream(container, parts[0], tick)
        audio = stack.enter_context(AudioCopy(audio_from, audio_start)) if audio_from else None
        if audio:
            audio.attach(container, path)
        count = 0
        for coded in _packets(parts):
            decode_tick = _tick_of(count - delay, times, tick, fps)
            if audio:
                _mux(container, audio.until(decode_tick * tick))
            _set_times(coded, decode_tick, times, tick, fps)
            coded.packet.stream = stream
            container.mux(coded.packet)
            count += 1
        if audio:
            _mux(container, audio.until(None))
        container.close()
        held = count_packets(temporary)
        if not held == count == num_frames:
            raise ClipError(f"{path}: {held} of its {num_frames} pictures came together; make it again")


def _mux(container: Any, packets: Iterator[av.Packet]) -> None:
    for packet in packets:
        container.mux(packet)


def _add_stream(container: Any, part: Path, tick: Fraction) -> Any:
    """A stream coded as the part is, whose times count in `tick` seconds."""
    with open_video(part) as source:
        stream = container.add_stream_from_template(source.streams.video[0])
    stream.time_base = tick
    return stream


def _tick_of(index: int, times: tuple[Fraction, ...] | None, tick: Fraction, fps: Fraction) -> int:
    """When picture `index` is shown, in ticks; before the first and after the last the rate is `fps`."""
    if times is None:
        return index
    step = max(1, round(1 / fps / tick))
    if index < 0:
        return index * step
    if index < len(times):
        return round(times[index] / tick)
    return _tick_of(len(times) - 1, times, tick, fps) + step * (index - len(times) + 1)


def _set_times(
    coded: _Coded, decode_tick: int, times: tuple[Fraction, ...] | None, tick: Fraction, fps: Fraction
) -> None:
    """Give a packet its time in the whole video; it is decoded `decode_tick`, when no later one is due."""
    shown, after = (_tick_of(coded.index + i, times, tick, fps) for i in range(2))
    packet = coded.packet
    packet.time_base = tick
    packet.pts, packet.dts, packet.duration = shown, decode_tick, after - shown


def _read(part: Path) -> tuple[bytes, list[av.Packet]]:
    """How the part was coded, and its packets in the order of decoding."""
    with open_video(part) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in demux(container, stream) if packet.size]
        return bytes(stream.codec_context.extradata or b""), packets


def _ranks(packets: list[av.Packet], part: Path) -> list[int]:
    """The place of each packet's picture among those of its part, by the time it is shown."""
    shown = [packet.pts or 0 for packet in packets]
    order = sorted(range(len(shown)), key=lambda i: shown[i])
    if any(shown[one] == shown[two] for one, two in pairwise(order)):
        raise ClipError(f"{part}: two pictures at one time; make the video again")
    ranks = [0] * len(order)
    for rank, place in enumerate(order):
        ranks[place] = rank
    return ranks


def _delay(part: Path) -> int:
    """By how many pictures decoding has to run ahead of showing."""
    packets = _read(part)[1]
    return max((place - rank for place, rank in enumerate(_ranks(packets, part))), default=0)


def _packets(parts: Sequence[Path]) -> Iterator[_Coded]:
    """All packets of all parts; ClipError if the parts were not coded alike."""
    first, begun = None, 0
    for part in parts:
        coding, packets = _read(part)
        first = coding if first is None else first
        if coding != first:
            raise ClipError(f"{part} is coded unlike the parts before it; make the video again")
        for packet, rank in zip(packets, _ranks(packets, part), strict=True):
            yield _Coded(packet, begun + rank)
        begun += len(packets)
