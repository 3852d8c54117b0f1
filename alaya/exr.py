"""One frame of a G-buffer clip as a multi-channel EXR file.

Its channels are `albedo.R/G/B`, `N.X/Y/Z`, `Z`, `roughness.Y` and `metallic.Y`. Depth is stored as 32-bit
float, infinity included, everything else as half float, ZIP-compressed. Files of other programs are read by
the names in `channel_names`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from alaya.channel_names import choose_exr_channels
from alaya.clip_info import ClipInfo
from alaya.errors import ClipError
from alaya.files import atomic_path

EXR_NAMES = {
    "albedo": ("albedo.R", "albedo.G", "albedo.B"),
    "normal": ("N.X", "N.Y", "N.Z"),
    "depth": ("Z",),
    "roughness": ("roughness.Y",),
    "metallic": ("metallic.Y",),
}
REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
MAX_SIDE = 16384
MAX_CHANNELS = 256
MAX_BYTES = 4 << 30  # of all channels at 4 bytes a value, checked before anything is allocated
BLENDER_INFINITY = 1e10  # what Cycles writes where no surface is


@dataclass(frozen=True)
class ExrHead:
    """What an EXR file's headers say, read without its pixels."""

    height: int
    width: int
    channels: tuple[str, ...]
    attributes: dict[str, str | float]


def clip_attributes(info: ClipInfo) -> dict[str, Any]:
    """Header attributes that let a file alone say what its numbers mean."""
    attributes: dict[str, Any] = {
        "chromaticities": REC709,
        "framesPerSecond": info.fps,
        "alaya/schema": "alaya.gbuffer-clip/1",
        "alaya/normal_space": info.normal_space,
        "alaya/depth_kind": info.depth.kind,
        "alaya/depth_axis": "planar",
    }
    if info.source.sha256:
        attributes["alaya/source_sha256"] = info.source.sha256
    return attributes


def write_exr(path: Path, arrays: Mapping[str, np.ndarray], attributes: Mapping[str, Any]) -> None:
    """Write one frame, whole or not at all, the same bytes for the same frame.

    Args:
        path: the file.
        arrays: channel name to (H, W, C) float32; depth +inf is kept exactly.
        attributes: further header attributes.
    """
    planes = {
        exr_name: np.ascontiguousarray(values[..., i], np.float32 if name == "depth" else np.float16)
        for name, values in arrays.items()
        for i, exr_name in enumerate(EXR_NAMES[name])
    }
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **attributes}
    with atomic_path(path) as temporary, OpenEXR.File(header, planes) as file:
        file.write(str(temporary))


def read_exr_head(path: Path) -> ExrHead:
    """Read and check the headers of an EXR file; a ClipError names the file."""
    with _open(path, header_only=True) as file:
        headers = [dict(part.header) for part in file.parts]
    if not headers:
        raise ClipError(f"{path}: EXR without a picture in it")
    windows = {tuple(int(v) for corner in header["dataWindow"] for v in corner) for header in headers}
    if len(windows) != 1:
        raise ClipError(f"{path}: the parts of this EXR have different sizes")
    left, top, right, bottom = windows.pop()
    width, height = right - left + 1, bottom - top + 1
    names = tuple(_full_name(header, channel.name) for header in headers for channel in header["channels"])
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ClipError(f"{path}: EXR of {width}x{height} pixels, at most {MAX_SIDE} a side are read")
    if len(names) > MAX_CHANNELS or width * height * len(names) * 4 > MAX_BYTES:
        raise ClipError(f"{path}: EXR of {len(names)} channels of {width}x{height} is too large to read")
    if any(header.get("type") in (OpenEXR.deepscanline, OpenEXR.deeptile) for header in headers):
        raise ClipError(f"{path}: deep EXR is not supported; flatten it first")
    attributes = {k: v for header in headers for k, v in header.items() if isinstance(v, str | float)}
    return ExrHead(height, width, names, attributes)


def read_exr(path: Path) -> dict[str, np.ndarray]:
    """Read those of the five channels that an EXR file holds, under our names or another program's.

    Returns:
        channel name to (H, W, C) float32, as stored except that Blender's 1e10 becomes +inf in depth.
    """
    head = read_exr_head(path)
    chosen = choose_exr_channels(head.channels)
    wanted = {name for names in chosen.values() for name in names}
    planes: dict[str, np.ndarray] = {}
    with _open(path, header_only=False) as file:
        for part in file.parts:
            for name, channel in part.channels.items():
                full = _full_name(part.header, name)
                if full in wanted and channel.pixels.shape == (head.height, head.width):
                    planes[full] = channel.pixels
    if not wanted.issubset(planes):
        raise ClipError(f"{path}: EXR is cut off or damaged; make this frame again")
    arrays = {
        channel: np.stack([planes[name].astype(np.float32) for name in names], axis=-1)
        for channel, names in chosen.items()
    }
    if "depth" in arrays:
        depth = arrays["depth"]
        depth[depth >= np.float32(BLENDER_INFINITY * (1 - 1e-6))] = np.inf
    return arrays


def _full_name(header: Mapping[str, Any], name: str) -> str:
    """A part's name stands in for the layer where the channel has none (`Depth` with channel `Z`)."""
    return name if "." in name or not header.get("name") else f"{header['name']}.{name}"


def _open(path: Path, *, header_only: bool) -> OpenEXR.File:
    try:
        if not OpenEXR.isOpenExrFile(str(path)):
            raise ClipError(f"{path}: not an EXR file")
        return OpenEXR.File(str(path), separate_channels=True, header_only=header_only)
    except (RuntimeError, ValueError, OSError, MemoryError, TypeError) as error:
        raise ClipError(f"{path}: EXR cannot be read ({str(error).splitlines()[0]})") from error
