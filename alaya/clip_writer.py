"""Writing a G-buffer clip to disk, a few frames at a time, every file whole or not there at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np

from alaya.camera import CAMERA_NAME, CameraPath, normals_out
from alaya.clip_info import ClipInfo
from alaya.codes import encode_channel
from alaya.errors import ClipError, RequestError
from alaya.exr import clip_attributes, write_exr
from alaya.extra_channels import EXTRA_CHANNELS
from alaya.files import atomic_write
from alaya.gbuffer import CHANNEL_WIDTH, CHANNELS, GBuffer, check_background, check_values
from alaya.mp4_clip import Mp4Files
from alaya.png16 import encode_png16

INFO_NAME = "clip.json"
# What may lie in a clip's folder beside its frames: a run keeps its edits, report and journal there.
COMPANIONS = {
    *(".alaya", "edits", "previews", "report.html", "audio.mka", CAMERA_NAME),
    *EXTRA_CHANNELS,
}
FRAME_FILES = re.compile(r"frame[._](\d+)\.(png|exr)")
LEFTOVERS = re.compile(r"\.(frame[._]\d+|clip|[a-z]+)\.(png|exr|json|mp4)\.tmp-\d+")  # of a killed process
WRITER_THREADS = 2
DEPTH_SLACK = 1e-5  # relative; a depth that float rounding put outside near/far is not "clamped"


class ClipWriter:
    """Writes a clip; use as a context manager.

    clip.json is written at once with `complete: false` and again, last of all, with `complete: true`. Leaving
    the `with` block by an exception leaves the clip incomplete.

    Attributes:
        clamped: how many depth values lay nearer than near, or beyond far, and were clamped. (EXR: none.)
        written: frames on disk.
    """

    def __init__(
        self,
        folder: Path,
        info: ClipInfo,
        *,
        overwrite: bool = False,
        start: int = 0,
        camera: CameraPath | None = None,
        room: Path | None = None,
    ) -> None:
        """Prepare the folder.

        Args:
            folder: made if needed; one that holds something else, or a complete clip, is refused.
            info: what clip.json will say; `info.format` decides how frames are stored.
            overwrite: write into such a folder too. Only a clip's own files are ever removed.
            start: go on with an interrupted clip at this frame; frames before it are kept (mp4: in `room`).
            camera: the camera's turns, stored beside the frames; needed if `info.normal_space` is `world`.
                What is written is always given in our camera space and turned here.
            room: a folder for the parts of an mp4 clip, so that it can be continued; see `seal`.
        """
        self.folder = Path(folder)
        self.info = replace(info, complete=False)
        self.clamped = {"near": 0, "far": 0}
        self.written = start
        self._camera = camera
        if info.normal_space == "world" and camera is None:
            raise RequestError(f"{folder}: normals in world space need a camera file; add --camera FILE")
        if camera is not None:
            camera.check_frames(info.frames, str(folder))
        prepare_folder(self.folder, self.info, overwrite, start, room)
        atomic_write(self.folder / INFO_NAME, self.info.to_json())
        if camera is not None:
            atomic_write(self.folder / CAMERA_NAME, camera.to_json())
        self._pool = ThreadPoolExecutor(WRITER_THREADS, thread_name_prefix="clip")
        videos = info.format == "mp4"
        self._videos = Mp4Files(self.folder, self.info, room, start) if videos else None

    def write(self, chunk: GBuffer) -> None:
        """Append frames; returns when they are on disk, so memory never holds more than this chunk."""
        self.write_channels(chunk.channels())

    def write_channels(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Append frames of the clip's channels, name to (T, H, W, C) float32; others are ignored."""
        missing = [name for name in self.info.channels if name not in arrays]
        if missing:
            raise ClipError(f"{self.folder}: {missing[0]} is missing from the frames to write")
        arrays = {name: arrays[name] for name in self.info.channels}
        count = len(next(iter(arrays.values())))
        self._check(arrays, count)
        self._count_clamped(arrays.get("depth"))
        if "normal" in arrays and self.info.normal_space != "camera-opengl":
            arrays["normal"] = self._turned(arrays["normal"])
        if self._videos is not None:
            for i in range(count):
                self._videos.write({name: array[i] for name, array in arrays.items()})
        else:
            write_frame = self._write_png if self.info.format == "png" else self._write_exr
            self._run([job for i in range(count) for job in write_frame(arrays, i)])
        self.written += count

    def seal(self) -> list[Path]:
        """Close the parts that the frames so far lie in, and return them; none but for mp4 with a `room`."""
        return self._videos.seal() if self._videos is not None else []

    def close(self) -> None:
        """Finish the files and say in clip.json that the clip is complete; raises if frames are wanting."""
        if self.written != self.info.frames:
            error = ClipError(f"{self.folder}: {self.written} frames written, {self.info.frames} promised")
            self.abandon(error)
            raise error
        self._pool.shutdown()
        if self._videos is not None:
            self._videos.close()
        self.info = replace(self.info, complete=True)
        atomic_write(self.folder / INFO_NAME, self.info.to_json())

    def abandon(self, error: BaseException) -> None:
        """Stop here: frames on disk stay, unfinished videos vanish, clip.json goes on saying incomplete."""
        self._pool.shutdown()
        if self._videos is not None:
            self._videos.close(error)

    def __enter__(self) -> ClipWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.abandon(error)

    def _run(self, jobs: list[Callable[[], None]]) -> None:
        """Run jobs on the pool and raise the first error, after all have ended."""
        futures = [self._pool.submit(job) for job in jobs]
        errors = [future.exception() for future in futures]
        for error in errors:
            if error is not None:
                raise error

    def _turned(self, normal: np.ndarray) -> np.ndarray:
        space = self.info.normal_space
        return np.stack(
            [normals_out(frame, space, self._camera, self.written + i) for i, frame in enumerate(normal)]
        )

    def _write_png(self, arrays: Mapping[str, np.ndarray], i: int) -> list[Callable[[], None]]:
        name_of_frame = f"frame_{self.written + i:06d}.png"

        def job(name: str) -> None:
            codes = encode_channel(name, arrays[name][i], self.info.depth.limits)
            atomic_write(self.folder / name / name_of_frame, encode_png16(codes))

        return [lambda name=name: job(name) for name in arrays]

    def _write_exr(self, arrays: Mapping[str, np.ndarray], i: int) -> list[Callable[[], None]]:
        path = self.folder / f"frame.{self.written + i:06d}.exr"
        frame = {name: array[i] for name, array in arrays.items()}
        return [lambda: write_exr(path, frame, clip_attributes(self.info))]

    def _check(self, arrays: Mapping[str, np.ndarray], count: int) -> None:
        where = f"{self.folder} (writing frames from {self.written})"
        if self.written + count > self.info.frames:
            raise ClipError(f"{where}: more than the {self.info.frames} frames promised")
        for name, array in arrays.items():
            shape = (count, self.info.height, self.info.width, CHANNEL_WIDTH[name])
            if array.shape != shape:
                raise ClipError(f"{where}: {name} has shape {array.shape}, expected {shape}")
            check_values(name, array, where)
        if "depth" in arrays:
            check_background(arrays, np.isfinite(arrays["depth"][..., 0]), where)

    def _count_clamped(self, depth: np.ndarray | None) -> None:
        limits = self.info.depth.limits
        if depth is None or limits is None or self.info.format == "exr":
            return
        self.clamped["near"] += int(np.count_nonzero(depth < limits.near * (1 - DEPTH_SLACK)))
        beyond = np.isfinite(depth) & (depth > limits.far * (1 + DEPTH_SLACK))
        self.clamped["far"] += int(np.count_nonzero(beyond))


def prepare_folder(
    folder: Path, info: ClipInfo, overwrite: bool, start: int, room: Path | None = None
) -> None:
    """Make the folder ready for frames from `start`, or raise RequestError that says why not."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise RequestError(f"{folder} is not a folder; choose another output folder")
    folder.mkdir(parents=True, exist_ok=True)
    if start:
        _check_resume(folder, info, start, room)
    elif not overwrite:
        _check_free(folder)
    remove_frames(folder, start)
    if info.format == "png":
        for name in info.channels:
            (folder / name).mkdir(exist_ok=True)


def _check_free(folder: Path) -> None:
    """Refuse a folder that holds a finished clip or anything that no run of ours puts there."""
    present = {entry.name for entry in folder.iterdir()}
    if INFO_NAME not in present:
        foreign = sorted(name for name in present - COMPANIONS if not LEFTOVERS.fullmatch(name))
        if foreign:
            raise RequestError(
                f"{folder} holds something else ({foreign[0]}); choose another folder or add --overwrite"
            )
    elif ClipInfo.load(folder / INFO_NAME).complete:
        raise RequestError(
            f"{folder} already holds a finished clip; choose another folder or add --overwrite"
        )


def _check_resume(folder: Path, info: ClipInfo, start: int, room: Path | None) -> None:
    if info.format == "mp4" and room is None:
        raise RequestError(f"{folder}: an mp4 clip cannot be continued; start it again")
    if ClipInfo.load(folder / INFO_NAME) != info:
        raise RequestError(f"{folder} was begun with other settings; add --overwrite to start again")
    if info.format == "mp4":
        return  # whoever keeps the parts has looked at them
    for i in range(start):
        for path in frame_paths(folder, info, i):
            if not path.is_file():
                raise ClipError(f"{path}: missing, so the clip cannot be continued at frame {start}")


def frame_paths(folder: Path, info: ClipInfo, index: int) -> list[Path]:
    """The files that hold frame `index` of a png or exr clip."""
    if info.format == "exr":
        return [folder / f"frame.{index:06d}.exr"]
    return [folder / name / f"frame_{index:06d}.png" for name in info.channels]


def remove_frames(folder: Path, start: int) -> None:
    """Remove a clip's own frame files from `start` on, its videos and clip.json; nothing else is touched."""
    for parent in (folder, *(folder / name for name in (*CHANNELS, *EXTRA_CHANNELS))):
        if parent.is_symlink():
            raise RequestError(f"{parent} is a link; choose another output folder")
        if not parent.is_dir():
            continue
        for path in parent.iterdir():
            frame = FRAME_FILES.fullmatch(path.name)
            if (frame and int(frame[1]) >= start) or LEFTOVERS.fullmatch(path.name):
                path.unlink()
        if parent != folder and not any(parent.iterdir()):
            parent.rmdir()
    if start == 0:
        for name in (INFO_NAME, *(f"{name}.mp4" for name in CHANNELS)):
            (folder / name).unlink(missing_ok=True)
