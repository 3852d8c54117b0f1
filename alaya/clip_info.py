"""What `clip.json` says about a G-buffer clip, written in one order and read without mercy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from alaya.codes import DepthRange
from alaya.errors import ClipError
from alaya.gbuffer import CHANNELS
from alaya.strict_json import (
    as_fraction,
    as_int,
    as_number,
    as_object,
    as_text,
    check_keys,
    load_object,
    parse_object,
)

SCHEMA = "alaya.gbuffer-clip/1"
DEPTH_KINDS = ("metric_m", "relative")
NORMAL_SPACES = ("camera-opengl", "camera-directx", "world")
MAX_SIDE = 16384
MAX_FRAMES = 10_000_000

KINDS = {
    "albedo": "reflectance",
    "normal": "direction",
    "depth": "planar-z",
    "roughness": "perceptual-roughness",
    "metallic": "metalness",
}
SPACES = {"albedo": "linear-rec709", "depth": "camera", "roughness": "linear", "metallic": "linear"}
ENCODINGS = {
    "png": dict(zip(CHANNELS, ("srgb16", "unorm16", "disparity16", "unorm16", "unorm16"), strict=True)),
    "exr": dict(zip(CHANNELS, ("half", "half", "float32", "half", "half"), strict=True)),
    "mp4": dict(
        zip(
            CHANNELS,
            ("srgb8-lossy", "unorm8-lossy", "disparity8-lossy", "unorm8-lossy", "unorm8-lossy"),
            strict=True,
        )
    ),
}
FORMATS = tuple(ENCODINGS)
REQUIRED_KEYS = ("schema", "frames", "width", "height", "fps", "channels", "depth", "complete")
OPTIONAL_KEYS = ("timestamps", "source", "model", "settings", "seed")

T = TypeVar("T")


@dataclass(frozen=True)
class DepthInfo:
    """Kind of depth and the planes of its code, constant over the clip.

    near and far may be None only where depth is stored exactly (EXR).
    """

    kind: str = "metric_m"
    near: float | None = None
    far: float | None = None

    @property
    def limits(self) -> DepthRange | None:
        """Near and far as a range, None if the clip does not fix them."""
        return None if self.near is None or self.far is None else DepthRange(self.near, self.far)


@dataclass(frozen=True)
class SourceInfo:
    """The video a clip was made from: file name, sha256 of its bytes, name of the audio beside the clip."""

    name: str | None = None
    sha256: str | None = None
    audio: str | None = None


@dataclass(frozen=True)
class ModelNote:
    """The model that made a clip: its name and the sha256 of its weights."""

    name: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class ClipInfo:
    """The content of clip.json. It holds no clock time, so that two equal runs write equal files.

    Attributes:
        frames: number of frames.
        width: columns.
        height: rows.
        fps: frames per second.
        timestamps: seconds of every frame when the rate varies, else None.
        channels: which of the five channels the clip holds.
        format: how they are stored: png (16 bits), exr, or mp4 (8 bits, lossy).
        normal_space: `camera-opengl` (the contract), `camera-directx` (+y down) or `world`.
        depth: kind, near and far.
        source: the video the clip was made from.
        model: what made it.
        settings: the options of the run, any JSON values.
        seed: the seed of the run, None if there was none.
        complete: False while the clip is being written.
    """

    frames: int
    width: int
    height: int
    fps: Fraction = Fraction(24)
    timestamps: tuple[Fraction, ...] | None = None
    channels: tuple[str, ...] = CHANNELS
    format: str = "png"
    normal_space: str = "camera-opengl"
    depth: DepthInfo = DepthInfo()
    source: SourceInfo = SourceInfo()
    model: ModelNote = ModelNote()
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    complete: bool = False

    def __post_init__(self) -> None:
        check_info(self, "clip info")

    def to_json(self) -> str:
        """The text of clip.json: fixed order of keys, indent of two, newline at the end."""
        data: dict[str, Any] = {
            "schema": SCHEMA,
            "frames": self.frames,
            "width": self.width,
            "height": self.height,
            "fps": str(self.fps),
        }
        if self.timestamps is not None:
            data["timestamps"] = [str(time) for time in self.timestamps]
        data["channels"] = {name: describe_channel(name, self) for name in self.channels}
        for name in ("depth", "source", "model"):
            data[name] = vars(getattr(self, name))
        data |= {"settings": self.settings, "seed": self.seed, "complete": self.complete}
        return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str = "clip.json") -> ClipInfo:
        """Parse the text of a clip.json; what is unknown, doubled, missing or not finite is a ClipError."""
        return parse_info(parse_object(text, where), where)

    @classmethod
    def load(cls, path: Path) -> ClipInfo:
        """Read and parse a clip.json; errors name the file."""
        return parse_info(load_object(path), str(path))


def describe_channel(name: str, info: ClipInfo) -> dict[str, str]:
    """The entry of one channel in clip.json: kind, space and encoding."""
    space = info.normal_space if name == "normal" else SPACES[name]
    return {"kind": KINDS[name], "space": space, "encoding": ENCODINGS[info.format][name]}


def check_info(info: ClipInfo, where: str) -> None:
    """Raise ClipError unless the numbers make sense together."""
    as_int(info.frames, "frames", where, 1, MAX_FRAMES)
    as_int(info.width, "width", where, 1, MAX_SIDE)
    as_int(info.height, "height", where, 1, MAX_SIDE)
    if not 0 < info.fps <= 100_000:
        raise ClipError(f"{where}: fps must be above 0, got {info.fps}")
    _one_of(info.format, FORMATS, "format", where)
    _one_of(info.normal_space, NORMAL_SPACES, "channels.normal.space", where)
    _one_of(info.depth.kind, DEPTH_KINDS, "depth.kind", where)
    if not info.channels or info.channels != tuple(name for name in CHANNELS if name in info.channels):
        raise ClipError(f"{where}: channels must be some of {', '.join(CHANNELS)}, in this order")
    if info.timestamps is not None:
        check_timestamps(info.timestamps, info.frames, where)
    _check_depth(info, where)
    audio = info.source.audio
    if audio is not None and (not audio or audio.startswith(".") or any(mark in audio for mark in "/\\:\0")):
        raise ClipError(f"{where}: source.audio must be the name of a file beside it, got {audio[:60]!r}")
    if info.seed is not None:
        as_int(info.seed, "seed", where, -(1 << 63), (1 << 64) - 1)
    try:
        json.dumps(info.settings, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ClipError(f"{where}: settings cannot be written as JSON ({error})") from error


def check_timestamps(timestamps: tuple[Fraction, ...], frames: int, where: str) -> None:
    """Raise ClipError unless there is one timestamp a frame, each later than the one before."""
    if len(timestamps) != frames:
        raise ClipError(f"{where}: {len(timestamps)} timestamps for {frames} frames")
    if any(later <= sooner for sooner, later in pairwise(timestamps)):
        raise ClipError(f"{where}: timestamps do not rise")


def _check_depth(info: ClipInfo, where: str) -> None:
    depth = info.depth
    if (depth.near is None) != (depth.far is None):
        raise ClipError(f"{where}: depth.near and depth.far must both be numbers or both be null")
    if depth.near is not None and depth.far is not None and not 0 < depth.near < depth.far < 1e30:
        raise ClipError(f"{where}: depth needs 0 < near < far, got near {depth.near:g}, far {depth.far:g}")
    if depth.near is None and info.format != "exr" and "depth" in info.channels:
        raise ClipError(f"{where}: depth as {info.format} needs near and far")


def _one_of(value: str, known: tuple[str, ...], key: str, where: str) -> None:
    if value not in known:
        raise ClipError(f"{where}: {key} must be one of {', '.join(known)}, got {str(value)[:60]!r}")


def parse_info(data: dict[str, Any], where: str) -> ClipInfo:
    """Turn the object of a clip.json into a ClipInfo, refusing what is not in the contract."""
    check_keys(data, REQUIRED_KEYS, OPTIONAL_KEYS, where)
    if data["schema"] != SCHEMA:
        raise ClipError(f"{where}: schema {str(data['schema'])[:60]!r} is not {SCHEMA!r}")
    if not isinstance(data["complete"], bool):
        raise ClipError(f"{where}: complete must be true or false")
    if not (data.get("timestamps") is None or isinstance(data["timestamps"], list)):
        raise ClipError(f"{where}: timestamps must be a list of fractions")
    channels = as_object(data["channels"], "channels", where)
    info_format, normal_space = _parse_channels(channels, where)
    fields = {
        "frames": as_int(data["frames"], "frames", where, 1, MAX_FRAMES),
        "width": as_int(data["width"], "width", where, 1, MAX_SIDE),
        "height": as_int(data["height"], "height", where, 1, MAX_SIDE),
        "fps": as_fraction(data["fps"], "fps", where),
        "timestamps": _optional(
            data.get("timestamps"), lambda times: tuple(as_fraction(t, "timestamps", where) for t in times)
        ),
        "channels": tuple(name for name in CHANNELS if name in channels),
        "format": info_format,
        "normal_space": normal_space,
        "depth": _parse_depth(as_object(data["depth"], "depth", where), where),
        "source": SourceInfo(
            **_parse_names(data.get("source"), ("name", "sha256", "audio"), "source", where)
        ),
        "model": ModelNote(**_parse_names(data.get("model"), ("name", "sha256"), "model", where)),
        "settings": as_object(data.get("settings", {}), "settings", where),
        "seed": data.get("seed"),
        "complete": data["complete"],
    }
    try:
        return ClipInfo(**fields)
    except ClipError as error:
        raise ClipError(str(error).replace("clip info", where, 1)) from error


def _parse_channels(channels: dict[str, Any], where: str) -> tuple[str, str]:
    """Find the format and the space of normals that the entries of all channels agree on."""
    for name, entry in channels.items():
        _one_of(name, CHANNELS, "a channel", where)
        check_keys(
            as_object(entry, f"channels.{name}", where), ("kind", "space", "encoding"), (), f"{where}: {name}"
        )
        _one_of(entry["kind"], (KINDS[name],), f"channels.{name}.kind", where)
        _one_of(
            entry["space"],
            NORMAL_SPACES if name == "normal" else (SPACES[name],),
            f"channels.{name}.space",
            where,
        )
    for info_format, encodings in ENCODINGS.items():
        if all(entry["encoding"] == encodings[name] for name, entry in channels.items()):
            space = channels["normal"]["space"] if "normal" in channels else NORMAL_SPACES[0]
            return info_format, space
    found = ", ".join(f"{name} {entry['encoding']!r}"[:60] for name, entry in channels.items())
    raise ClipError(f"{where}: the encodings belong to no known format ({found})")


def _parse_depth(data: dict[str, Any], where: str) -> DepthInfo:
    check_keys(data, ("kind", "near", "far"), (), f"{where}: depth")
    near, far = (
        _optional(data[key], lambda v, k=key: as_number(v, f"depth.{k}", where)) for key in ("near", "far")
    )
    return DepthInfo(as_text(data["kind"], "depth.kind", where), near, far)


def _parse_names(value: Any, keys: tuple[str, ...], name: str, where: str) -> dict[str, str | None]:
    data = as_object({} if value is None else value, name, where)
    check_keys(data, (), keys, f"{where}: {name}")
    return {key: _optional(data.get(key), lambda v, k=key: as_text(v, f"{name}.{k}", where)) for key in keys}


def _optional(value: Any, parse: Callable[[Any], T]) -> T | None:
    return None if value is None else parse(value)
