"""The G-buffer clip on disk: open one of any known layout, read ranges of frames, or write a new one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from alaya.camera import CAMERA_NAME, CameraPath
from alaya.clip_info import ClipInfo, DepthInfo
from alaya.clip_reader import ClipReader
from alaya.clip_writer import INFO_NAME, ClipWriter
from alaya.codes import RELATIVE_RANGE
from alaya.errors import ClipError
from alaya.gbuffer import CHANNELS
from alaya.layout_search import find_layout
from alaya.layouts import ExrLayout, Layout

__all__ = ["ClipInfo", "ClipReader", "ClipWriter", "open_clip"]


def open_clip(
    folder: str | Path,
    *,
    normal_space: str | None = None,
    camera: Path | None = None,
    allow_incomplete: bool = False,
) -> ClipReader:
    """Open a G-buffer clip of any layout: our PNG, EXR and mp4 clips, AlayaRenderer's videos, foreign names.

    Args:
        folder: the clip's folder.
        normal_space: what a foreign clip's normals are (`camera-opengl`, `camera-directx`, `world`); a clip
            with a clip.json says it itself.
        camera: a camera file, needed to read normals in world space; default `camera.json` in the folder.
        allow_incomplete: read what there is of a clip whose writing was interrupted.

    Raises:
        ClipError: names the file or folder that is damaged, inconsistent or not a clip.
    """
    folder = Path(folder)
    info_path = folder / INFO_NAME
    own = ClipInfo.load(info_path) if os.path.isfile(info_path) else None
    if own is not None and not own.complete and not allow_incomplete:
        raise ClipError(
            f"{folder}: not complete (writing was interrupted); run the command that makes it again"
        )
    layout = find_layout(folder, own.format if own else None)
    camera_path = camera or folder / CAMERA_NAME
    turns = CameraPath.load(camera_path) if camera or os.path.isfile(camera_path) else None
    info = own or foreign_info(layout, normal_space or stated_space(layout, turns is not None))
    counts = {name: count for name, count in layout.counts().items() if name in info.channels}
    if own is not None and own.complete:
        _check_against_info(folder, own, counts)
    elif len(set(counts.values())) > 1:
        raise ClipError(
            f"{folder}: frame counts differ ({', '.join(f'{name} {n}' for name, n in counts.items())});"
            " every channel needs the same number of frames"
        )
    if own is not None and not own.complete:
        info = replace(own, frames=min(counts.values()), timestamps=None)
    return ClipReader(folder, info, layout, turns, foreign=own is None)


def stated_space(layout: Layout, camera_known: bool) -> str:
    """What the normals of a clip without clip.json are: as its EXR header says, world for Blender's pass.

    Blender's normals can be turned into camera space only where a camera file lies beside them; without it
    they are taken as they are, and `ClipReader.notes` says so.
    """
    if isinstance(layout, ExrLayout) and layout.normal_space:
        return layout.normal_space
    blender = isinstance(layout, ExrLayout) and layout.from_blender
    return "world" if blender and camera_known else "camera-opengl"


def foreign_info(layout: Layout, normal_space: str) -> ClipInfo:
    """What can be said of a clip without clip.json: EXR depth is metric, pictures of depth are relative."""
    counts = layout.counts()
    height, width = layout.size()
    depth = DepthInfo("relative", RELATIVE_RANGE.near, RELATIVE_RANGE.far)
    return ClipInfo(
        frames=min(counts.values()),
        width=width,
        height=height,
        fps=layout.fps,
        timestamps=layout.timestamps if len(set(counts.values())) == 1 else None,
        channels=tuple(name for name in CHANNELS if name in counts),
        format=layout.format,
        normal_space=normal_space,
        depth=DepthInfo(layout.depth_kind) if isinstance(layout, ExrLayout) else depth,
        complete=True,
    )


def _check_against_info(folder: Path, info: ClipInfo, counts: dict[str, int]) -> None:
    for name in info.channels:
        if name not in counts:
            raise ClipError(f"{folder}: {name} is missing, though {INFO_NAME} lists it; make this clip again")
        if counts[name] != info.frames:
            raise ClipError(
                f"{folder}: {counts[name]} frames of {name}, but {INFO_NAME} says {info.frames};"
                " make this clip again"
            )
