"""Copying a file's audio packets, unchanged, into another file."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from alaya.errors import RequestError
from alaya.files import atomic_path
from alaya.video_decode import demux, open_video

# Matroska counts in milliseconds from 0; the exact first time (AAC begins before 0) is kept in this tag.
_START_TAG = "ALAYA_START"
_MILLISECOND_ROUNDING = Fraction(2, 1000)
BITEXACT = {"fflags": "+bitexact"}  # no random ids, no library version: equal input gives equal files


def has_audio(path: str | os.PathLike[str]) -> bool:
    """Whether the file holds at least one audio stream."""
    with open_video(path) as container:
        return len(container.streams.audio) > 0


def copy_audio(
    source: str | os.PathLike[str], target: str | os.PathLike[str], start: Fraction = Fraction(0)
) -> bool:
    """Copy all audio streams of `source` to the Matroska file `target`; False, and no file, without any.

    `start` is the time on the source's clock that becomes zero (`VideoInfo.start`).
    """
    if not has_audio(source):
        return False
    with (
        AudioCopy(Path(source), start) as audio,
        atomic_path(target) as temporary,
        av.open(str(temporary), "w", format="matroska", options=dict(BITEXACT)) as output,
    ):
        audio.attach(output, Path(target))
        output.metadata[_START_TAG] = str(audio.first_time)
        for packet in audio.until(None):
            output.mux(packet)
    return True


@dataclass
class _Track:
    """One audio stream on its way: where its packets go, and the exact time at which the next one is due."""

    output: Any
    rate: int
    frame_size: int
    shift: Fraction
    due: Fraction | None = None

    def exact_time(self, time: Fraction) -> Fraction:
        """The time without Matroska's rounding to milliseconds: packets of a fixed size are back to back."""
        if self.due is not None and abs(self.due - time) < _MILLISECOND_ROUNDING:
            time = self.due
        self.due = time + Fraction(self.frame_size, self.rate) if self.frame_size and self.rate else None
        return time


class AudioCopy:
    """The audio packets of `source`, in order of time, to be muxed beside others. A context manager."""

    def __init__(self, source: Path, start: Fraction = Fraction(0)) -> None:
        self.source = source
        self._start = start
        self._tracks: dict[int, _Track] = {}

    def __enter__(self) -> "AudioCopy":
        """Open the source and look at its first packet."""
        self._stack = contextlib.ExitStack()
        self._container = self._stack.enter_context(open_video(self.source))
        packets = (
            demux(self._container, *self._container.streams.audio) if self._container.streams.audio else ()
        )
        self._packets = (packet for packet in packets if packet.size)
        self._next = next(self._packets, None)
        self._shift = self._tagged_start() - self._start
        return self

    def __exit__(self, *_: object) -> None:
        """Close the source."""
        self._stack.close()

    @property
    def first_time(self) -> Fraction:
        """Seconds of the first packet after the shift; 0 without packets."""
        return self._time(self._next) + self._shift if self._next is not None else Fraction(0)

    def attach(self, output: Any, target: Path) -> None:
        """Add a stream to the open `output` container for every audio stream, or raise RequestError."""
        for stream in self._container.streams.audio:
            codec = stream.codec_context.codec.canonical_name
            if codec not in output.supported_codecs:
                raise RequestError(
                    f"{target.name} cannot hold the {codec} audio of {self.source}; write a .mkv file"
                )
            copy = output.add_stream_from_template(stream)
            for key in ("language", "title"):
                if key in stream.metadata:
                    copy.metadata[key] = stream.metadata[key]
            context = stream.codec_context
            self._tracks[stream.index] = _Track(copy, context.sample_rate, context.frame_size, self._shift)

    def until(self, time: Fraction | None) -> Iterator[av.Packet]:
        """Packets that begin before `time` (seconds after the first picture; None: all that are left)."""
        while self._next is not None and (time is None or self._time(self._next) + self._shift < time):
            packet, self._next = self._next, next(self._packets, None)
            yield self._moved(packet)

    def _moved(self, packet: av.Packet) -> av.Packet:
        """The same bytes with the target's stream and times."""
        track = self._tracks[packet.stream_index]
        tick = Fraction(1, track.rate) if track.rate else packet.time_base
        ticks = round(track.exact_time(self._time(packet) + self._shift) / tick)
        duration = round((packet.duration or 0) * packet.time_base / tick)
        packet.stream = track.output
        packet.time_base = tick
        packet.pts = packet.dts = ticks  # audio is never reordered
        packet.duration = track.frame_size or duration
        return packet

    def _time(self, packet: av.Packet) -> Fraction:
        ticks = packet.pts if packet.pts is not None else packet.dts
        return Fraction(ticks or 0) * packet.time_base

    def _tagged_start(self) -> Fraction:
        """What to add to the times of a file that `copy_audio` wrote to have its exact first time again."""
        tags = {key.upper(): value for key, value in self._container.metadata.items()}
        if _START_TAG not in tags or self._next is None:
            return Fraction(0)
        try:
            return Fraction(tags[_START_TAG]) - self._time(self._next)
        except (ValueError, ZeroDivisionError):
            return Fraction(0)
