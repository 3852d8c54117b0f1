"""Converting a G-buffer clip to another format or convention; its clip.json says what was changed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from alaya.clip import ClipReader, open_clip
from alaya.clip_info import FORMATS, ClipInfo, DepthInfo
from alaya.clip_writer import ClipWriter
from alaya.errors import RequestError
from alaya.files import atomic_path

CHUNK_FRAMES = 4
NORMAL_CONVENTIONS = ("opengl", "directx")
SPACES = ("camera", "world")
RANGE_MARGIN = 1.001  # a measured near/far is widened by it, so that the extreme depths are not clamped


@dataclass(frozen=True)
class ExportReport:
    """What an export wrote.

    Attributes:
        folder: the new clip.
        info: its clip.json.
        clamped: depth values nearer than near and beyond far that were clamped.
        notes: sentences for a person.
    """

    folder: Path
    info: ClipInfo
    clamped: dict[str, int]
    notes: tuple[str, ...]


def export_clip(
    source: str | Path,
    destination: str | Path,
    *,
    format: str,
    normals: str = "opengl",
    space: str = "camera",
    camera: Path | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ExportReport:
    """Write a clip again in another format or with normals of another convention.

    Args:
        source: folder of the clip, of any layout that can be read.
        destination: folder of the new clip.
        format: `png` (16 bits), `exr` (half and float) or `mp4` (8 bits, lossy).
        normals: `opengl` (+y up) or `directx` (+y down), for normals in camera space.
        space: `camera` or `world`; world needs `camera`, or a `camera.json` in the source.
        camera: file with the camera-to-world matrices, see `CameraPath.load`.
        overwrite: write into a folder that holds a clip or something else.
        progress: called with frames done and frames in all.

    Raises:
        RequestError: the request cannot work.
        ClipError: the source is damaged or inconsistent; names the file.
    """
    normal_space = choose_space(format, normals, space)
    source, destination = Path(source), Path(destination)
    if destination.resolve() == source.resolve():
        raise RequestError(f"{destination} is the source itself; choose another output folder")
    with open_clip(source, camera=camera) as reader:
        if normal_space == "world" and reader.camera is None:
            raise RequestError("--space world needs the camera's turns; add --camera FILE")
        depth = reader.info.depth
        if depth.limits is None and format != "exr" and "depth" in reader.channels:
            depth = measure_depth(reader)
        audio = source / reader.info.source.audio if reader.info.source.audio else None
        info = replace(reader.info, format=format, normal_space=normal_space, depth=depth)
        with ClipWriter(destination, info, overwrite=overwrite, camera=reader.camera) as writer:
            for start in range(0, len(reader), CHUNK_FRAMES):
                stop = min(start + CHUNK_FRAMES, len(reader))
                writer.write_channels(reader.read_channels(start, stop))
                if progress is not None:
                    progress(stop, len(reader))
            copy_audio_file(audio, destination)
        return ExportReport(destination, writer.info, writer.clamped, reader.notes + lossy_notes(format))


def choose_space(format: str, normals: str, space: str) -> str:
    """The `normal_space` of clip.json that the options mean; RequestError if they mean nothing."""
    for option, value, known in (
        ("--format", format, FORMATS),
        ("--normals", normals, NORMAL_CONVENTIONS),
        ("--space", space, SPACES),
    ):
        if value not in known:
            raise RequestError(f"{option} {value!r} is not known; choose {', '.join(known)}")
    if space == "world":
        if normals == "directx":
            raise RequestError("--normals directx turns y of camera space; leave it out with --space world")
        return "world"
    return f"camera-{normals}"


def measure_depth(reader: ClipReader) -> DepthInfo:
    """Near and far of a clip that does not fix them (a foreign EXR), found in a first pass over its depth."""
    near, far = np.inf, 0.0
    for i in range(len(reader)):
        depth = reader.read_channels(i, i + 1, ["depth"])["depth"]
        finite = depth[np.isfinite(depth)]
        if finite.size:
            near, far = min(near, float(finite.min())), max(far, float(finite.max()))
    if far == 0:  # nothing but sky: any range will do
        near = far = 1.0
    return replace(reader.info.depth, near=near / RANGE_MARGIN, far=far * RANGE_MARGIN)


def lossy_notes(format: str) -> tuple[str, ...]:
    """What a person must know of the format."""
    if format == "mp4":
        return ("mp4 is lossy (8 bits, compressed): for looking at and for AlayaRenderer, not for measuring",)
    return ()


def copy_audio_file(audio: Path | None, destination: Path) -> None:
    """Take the clip's audio along, if there is any."""
    if audio is not None and audio.is_file():
        with atomic_path(destination / audio.name) as temporary:
            shutil.copyfile(audio, temporary)
