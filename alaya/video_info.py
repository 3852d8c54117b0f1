"""What a video file holds, found by reading its packets without decoding them: exact count, rate, times."""

import functools
import hashlib
import itertools
import os
import re
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.logging

from alaya.errors import ClipError
from alaya.files import file_sha256
from alaya.matroska import Checksums, check_matroska
from alaya.video_colour import bit_depth, colour_notes
from alaya.video_decode import complaints, decode, demux, open_video, orientation, video_stream

DEFAULT_FPS = Fraction(24)
_COUNTED_BY_DECODING = {"vp8"}  # its packets do not all give a picture
_FASTEST_FPS = 1000
_MOMENT_S = Fraction(1, _FASTEST_FPS)
_HALF_FRAME = Fraction(1, 2)
_CUT_SHORT_S = Fraction(1, 2)  # a file whose packets all end so much before its declared end is cut short


@dataclass(frozen=True)
class VideoInfo:
    """A clip as it will be read: a video file, one image, or a folder of images.

    `num_frames` is what the file holds; `declared_frames` is what it claims, more if the file is damaged.
    `height` and `width` are after rotation, `rotation` is the anticlockwise turn in degrees applied on
    reading. `timestamps` are seconds from the first frame, None when the rate is constant. `start` is the
    first frame's time on the file's own clock, which its audio shares. `notes` are sentences for a person.
    `files` are an image clip's files; `ticks` a video's times in its stream's unit, None where they are not
    given or doubled.
    """

    path: Path
    num_frames: int
    height: int
    width: int
    fps: Fraction
    rotation: int = 0
    bit_depth: int = 8
    has_audio: bool = False
    timestamps: tuple[Fraction, ...] | None = None
    declared_frames: int = 0
    start: Fraction = Fraction(0)
    codec: str = ""
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = field(default=(), repr=False)
    ticks: tuple[int, ...] | None = field(default=None, repr=False)

    @property
    def missing_frames(self) -> int:
        """Frames that the file declares but does not hold."""
        return max(0, self.declared_frames - self.num_frames)

    @property
    def duration(self) -> Fraction:
        """Seconds from the first frame's start to the last frame's end."""
        last = self.timestamps[-1] if self.timestamps else (self.num_frames - 1) / self.fps
        return last + 1 / self.fps

    @functools.cached_property
    def sha256(self) -> str:
        """Hex digest of the file; of an image folder, of its files' names and digests."""
        if not self.files:
            return file_sha256(self.path)
        lines = (f"{file.name} {file_sha256(file)}\n" for file in self.files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class _Packets:
    """One pass over a file's packets: times in order of display, and where the last packet of all ends.

    `damaged`: whether the demuxer complained or a checksum of the container failed.
    """

    ticks: tuple[int | None, ...]
    discarded: int
    end: Fraction
    own_end: Fraction
    damaged: bool
    checksums: Checksums = field(default_factory=Checksums)


def probe_video(path: str | os.PathLike[str]) -> VideoInfo:
    """Count, rate, size and tags of a video file. Every packet is read, only the first frame is decoded."""
    path = Path(path)
    with complaints(av.logging.WARNING) as heard:  # a header that breaks off is but a warning
        opened = open_video(path)
    with opened as container:
        packets = _read_packets(container, video_stream(container, path), heard)
    checksums = check_matroska(path)
    packets = replace(packets, damaged=packets.damaged or checksums.failed > 0, checksums=checksums)
    with open_video(path) as container:
        stream = video_stream(container, path)
        frames = (frame for frame, _ in decode(container, stream))
        frame = next(frames, None)
        if frame is None:
            bad = max(len(packets.ticks), stream.frames)
            raise ClipError(
                f"{path}: 0 good frames of {bad}; restore the file", good_frames=0, bad_frames=bad
            )
        if stream.codec_context.name in _COUNTED_BY_DECODING:
            ticks = (frame.pts, *(other.pts for other in frames))
            packets = replace(packets, ticks=ticks)
        return _describe(path, container, stream, packets, frame)


def _read_packets(container: Any, stream: Any, heard: list[str]) -> _Packets:
    ticks: list[int | None] = []
    discarded = 0
    ends = {stream.index: Fraction(0)}
    audio = container.streams.audio[:1]
    for packet in demux(container, stream, *audio, heard=heard):
        if packet.pts is not None and packet.time_base:
            end = (packet.pts + (packet.duration or 0)) * packet.time_base
            ends[packet.stream_index] = max(ends.get(packet.stream_index, end), end)
        if packet.stream_index != stream.index or packet.size == 0:
            continue
        if packet.is_discard:  # cut off by the file's edit list: decoded for reference, never shown
            discarded += 1
        else:
            ticks.append(packet.pts)
    in_order = tuple(sorted(ticks, key=lambda t: -1 if t is None else t))
    return _Packets(in_order, discarded, max(ends.values()), ends[stream.index], bool(heard))


def _describe(path: Path, container: Any, stream: Any, packets: _Packets, frame: av.VideoFrame) -> VideoInfo:
    turns, mirrored = orientation(frame)
    height, width = (frame.width, frame.height) if turns % 2 else (frame.height, frame.width)
    known = tuple(tick for tick in packets.ticks if tick is not None)
    ticks = (
        known if len(set(known)) == len(packets.ticks) else None
    )  # doubled or missing times are not believed
    fps, constant, holes = _rate(stream, ticks)
    notes = colour_notes(frame)
    if stream.sample_aspect_ratio not in (None, 0, 1):
        notes.append(f"pixels are not square ({stream.sample_aspect_ratio}); they are read as if they were")
    if frame.interlaced_frame:
        notes.append("frames are interlaced and are read as they are")
    if packets.damaged:
        notes.append("the container is damaged")
    if packets.checksums.failed:
        notes.append(
            f"{packets.checksums.failed} of {packets.checksums.total} checksums in the file fail: frames or sound"
            " may be wrong that seem whole"
        )
    moments = sum((b - a) * stream.time_base <= _MOMENT_S for a, b in itertools.pairwise(ticks or ()))
    if moments:
        notes.append(
            f"{moments} frames are shown for a millisecond or less: packets may be doubled or damaged"
        )
    if holes and not packets.damaged:
        notes.append(
            f"the times skip {holes} frames of a constant {fps} per second; the clip is read as of variable rate"
        )
    if mirrored:
        notes.append("the file asks for a mirrored picture, which is done on reading")
    return VideoInfo(
        path=path,
        num_frames=len(packets.ticks),
        height=height,
        width=width,
        fps=fps,
        rotation=90 * turns,
        bit_depth=bit_depth(frame),
        has_audio=len(container.streams.audio) > 0,
        timestamps=None if constant or not ticks else tuple((t - ticks[0]) * stream.time_base for t in ticks),
        declared_frames=_declared(container, stream, packets, fps, holes),
        start=ticks[0] * stream.time_base if ticks else Fraction(0),
        codec=stream.codec_context.name,
        notes=tuple(notes),
        ticks=ticks,
    )


def _rate(stream: Any, ticks: tuple[int, ...] | None) -> tuple[Fraction, bool, int]:
    """Frames per second, whether it is constant, and how many more frames a constant rate would have.

    A rate is constant when every frame lies where it puts it, up to the file's rounding of times.
    """
    stated = [rate for rate in (stream.guessed_rate, stream.average_rate, stream.base_rate) if rate]
    stated = [rate for rate in stated if rate <= _FASTEST_FPS]  # a tick rate is not a frame rate
    if not ticks or len(ticks) == 1:
        return (stated[0] if stated else DEFAULT_FPS), True, 0
    mean = Fraction(len(ticks) - 1, (ticks[-1] - ticks[0])) / stream.time_base
    for rate in [*stated, mean]:
        if _places(stream, ticks, rate) == list(range(len(ticks))):
            return rate, True, 0
    for rate in stated:
        places = _places(stream, ticks, rate)
        if places and len(set(places)) == len(places):
            return rate, False, places[-1] + 1 - len(places)
    return mean.limit_denominator(1001), False, 0


def _places(stream: Any, ticks: tuple[int, ...], rate: Fraction) -> list[int]:
    """The number of each time on the grid of a constant rate; none if one lies off it by over a tick."""
    ticks_per_frame = 1 / (rate * stream.time_base)
    places = [round((tick - ticks[0]) / ticks_per_frame) for tick in ticks]
    # half a tick for the rounding of each of the two times compared
    on_grid = all(abs(t - ticks[0] - i * ticks_per_frame) < 1.01 for t, i in zip(ticks, places, strict=True))
    return places if on_grid else []


def _declared(container: Any, stream: Any, packets: _Packets, fps: Fraction, holes: int) -> int:
    """How many frames the file says it has: its own count, else the count its declared duration asks for.

    Holes in the times and a small lack at the end are ordinary in variable-rate video, and damage in a
    container that the demuxer complained about.
    """
    held = len(packets.ticks)
    if stream.frames:
        return max(held, stream.frames - packets.discarded)
    holes = holes if packets.damaged else 0
    own_duration = _tagged_duration(stream)
    if own_duration is not None:
        start = packets.ticks[0] * stream.time_base if packets.ticks[0] else Fraction(0)
        cut_short = packets.own_end - start < own_duration - Fraction(3, 2) / fps
        return max(held + holes, round(own_duration * fps) if cut_short else 0)
    declared_end = Fraction((container.duration or 0) + (container.start_time or 0), av.time_base)
    short = declared_end - packets.end  # over all streams: a sound that outlasts the picture is no damage
    lacking = round(short * fps) if short > (_HALF_FRAME / fps if packets.damaged else _CUT_SHORT_S) else 0
    return held + lacking + holes


def _tagged_duration(stream: Any) -> Fraction | None:
    """The stream's own duration in seconds, which Matroska files carry as a tag HH:MM:SS.fraction."""
    found = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    return int(found[1]) * 3600 + int(found[2]) * 60 + Fraction(found[3]) if found else None
