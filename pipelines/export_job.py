"""A G-buffer clip written anew for other programs: another format, another sign or space of normals."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from alaya.camera import CAMERA_NAME, CameraPath
from alaya.clip import ClipReader, open_clip
from alaya.clip_info import FORMATS
from alaya.clip_writer import ClipWriter
from alaya.errors import RequestError
from alaya.files import atomic_write, lock_folder
from pipelines.background import read_ahead
from pipelines.plan import chunk_frames
from pipelines.progress import Progress

NORMALS = ("opengl", "directx")
SPACES = ("camera", "world")
Arrays = dict[str, np.ndarray]


def export(
    clip: Path,
    output: Path | None = None,
    *,
    format: str = "exr",
    normals: str = "opengl",
    space: str = "camera",
    camera: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write `clip` to `output` (default: beside it, named after what it is) and return that folder.

    `normals` directx turns +y down. `space` world needs a camera file (`alaya.camera`).
    """
    check_export(clip, format, normals, space, camera)
    progress = progress or Progress()
    reader = open_clip(clip)
    path = _camera(reader, camera) if space == "world" else None
    kind = "world" if path else f"camera-{normals}"
    resolved = clip.resolve()
    folder = output or resolved.with_name(f"{resolved.name}-{'-'.join(_suffixes(format, normals, space))}")
    if folder.resolve() == resolved:
        raise RequestError(f"the clip {clip} cannot be exported onto itself; choose another --output")
    source = replace(reader.info.source, audio=None)
    info = replace(reader.info, format=format, normal_space=kind, source=source)
    with lock_folder(folder), ClipWriter(folder, info, overwrite=overwrite) as writer:
        if path is not None:
            atomic_write(folder / CAMERA_NAME, path.to_json())
        with (
            progress.stage("export", info.frames, info.frames) as stage,
            read_ahead(_frames(reader)) as frames,
        ):
            for first, arrays in frames:
                writer.write_channels(turn_normals(arrays, first, normals, path))
                count = len(next(iter(arrays.values())))
                stage.advance(count, count)
    return folder


def check_export(clip: Path, format: str, normals: str, space: str, camera: Path | None) -> None:
    """Refuse a request that cannot work."""
    for value, known, flag in (
        (format, FORMATS, "format"),
        (normals, NORMALS, "normals"),
        (space, SPACES, "space"),
    ):
        if value not in known:
            raise RequestError(f"unknown --{flag} {value!r}; there are {', '.join(known)}")
    if not clip.is_dir():
        raise RequestError(f"clip {clip} is not a folder; give a G-buffer clip, such as outputs/<clip>")
    if space == "world" and normals != "opengl":
        raise RequestError("--normals directx is about camera space; leave it out with --space world")
    if camera is not None and space != "world":
        raise RequestError("--camera turns normals to world space; add --space world or leave it out")
    if camera is not None and not camera.is_file():
        raise RequestError(f"camera {camera} is not a file; see docs/gbuffer-clip.md for its format")


def _suffixes(format: str, normals: str, space: str) -> list[str]:
    return [format, *([normals] if normals != "opengl" else []), *([space] if space != "camera" else [])]


def _camera(reader: ClipReader, camera: Path | None) -> CameraPath:
    if camera is not None:
        path = CameraPath.load(camera)
        path.check_frames(reader.info.frames, str(camera))
        return path
    if reader.camera is None:
        raise RequestError(
            "--space world needs the camera's turns; give --camera FILE (see docs/gbuffer-clip.md)"
        )
    return reader.camera


def _frames(reader: ClipReader) -> Iterator[tuple[int, Arrays]]:
    """(first frame, channels) of the whole clip, about a million pixels at a time."""
    step = chunk_frames(reader.info.height, reader.info.width)
    for first in range(0, reader.info.frames, step):
        yield first, reader.read_channels(first, min(first + step, reader.info.frames))


def turn_normals(arrays: Arrays, first: int, normals: str, path: CameraPath | None) -> Arrays:
    """The channels with normals (T, H, W, 3) in the space asked for; `first` is the first frame's number."""
    if "normal" not in arrays:
        return arrays
    normal = arrays["normal"]
    if path is not None:
        normal = np.stack([path.to_world(frame, first + i) for i, frame in enumerate(normal)])
    elif normals == "directx":
        normal = normal * np.array([1, -1, 1], np.float32)
    return {**arrays, "normal": normal}
