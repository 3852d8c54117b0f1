"""Finding out how a folder stores a G-buffer clip: our own layouts, AlayaRenderer's, and foreign names."""

import os
import re
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path, PurePath

from alaya.channel_names import channel_of
from alaya.errors import ClipError
from alaya.frame_files import FrameFiles
from alaya.gbuffer import CHANNELS
from alaya.layouts import ExrLayout, Layout, PictureLayout, VideoLayout

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".webm", ".avi")


def find_layout(folder: Path, prefer: str | None = None) -> Layout:
    """Find out how the clip in `folder` is stored; only as `prefer` (png, exr, mp4) if that is given.

    Raises ClipError if nothing is found, or if what is found is ambiguous.
    """
    if not os.path.isdir(folder):
        raise ClipError(f"{folder}: no such folder; give the folder of a G-buffer clip")
    finders = {"png": _find_pictures, "exr": _find_exr, "mp4": _find_videos}
    order = [prefer] if prefer else list(finders)
    for kind in order:
        layout = finders[kind](folder)
        if layout is not None:
            return layout
    wanted = {"png": "picture folders", "exr": "EXR frames", "mp4": "videos"}
    raise ClipError(
        f"{folder}: no {' or '.join(wanted[kind] for kind in order)} of {', '.join(CHANNELS)} found here;"
        " is this the folder of a G-buffer clip?"
    )


def _find_pictures(folder: Path) -> PictureLayout | None:
    """Folders called after channels, else flat files such as `0001.basecolor.jpg` or `albedo_0001.png`."""
    groups: dict[str, tuple[Path, list[str]]] = {}
    by_name = {
        path.name: _files(path, PICTURE_SUFFIXES) for path in sorted(folder.iterdir()) if path.is_dir()
    }
    for name, files in by_name.items():
        channel = channel_of(name)
        if channel is None or not files or (channel in by_name and name != channel and by_name[channel]):
            continue  # a folder with our own name outranks one with a synonym
        if channel in groups:
            raise ClipError(f"{folder}: both {groups[channel][0].name} and {name} are {channel}; remove one")
        groups[channel] = folder / name, files
    if not groups:
        for file in _files(folder, PICTURE_SUFFIXES):
            channel = _channel_in_stem(PurePath(file).stem)
            if channel is not None:
                groups.setdefault(channel, (folder, []))[1].append(file)
    if not groups:
        return None
    return PictureLayout(folder, {name: in_order(*groups[name]) for name in CHANNELS if name in groups})


def _files(folder: Path, suffixes: tuple[str, ...]) -> list[str]:
    """The names of the visible files in `folder` that end so, sorted; channels that name theirs alike share them."""
    with os.scandir(folder) as entries:
        found = (entry.name for entry in entries if _is_file(entry, suffixes))
        return sorted(sys.intern(name) for name in found)


def _is_file(entry: os.DirEntry[str], suffixes: tuple[str, ...]) -> bool:
    if entry.name.startswith(".") or os.path.splitext(entry.name)[1].lower() not in suffixes:
        return False
    # of a link `isfile` asks what it leads to, and takes none for an error
    return entry.is_file(follow_symlinks=False) or os.path.isfile(entry.path)


def _channel_in_stem(stem: str) -> str | None:
    """The one channel that the words of a file name such as `clip.0001.base_color` mean, else None."""
    words = [word for word in re.split(r"[.\s\-]|_(?=\d)|(?<=\d)_", stem) if not word.isdigit()]
    found = {channel_of(word) or channel_of(word.rpartition("_")[2]) for word in words} - {None}
    return found.pop() if len(found) == 1 else None


def _find_exr(folder: Path) -> ExrLayout | None:
    files = _files(folder, (".exr",))
    return ExrLayout(folder, in_order(folder, files)) if files else None


def _find_videos(folder: Path) -> VideoLayout | None:
    """`{channel}.mp4`, then `{folder}_{channel}.mp4` (as AlayaRenderer looks), then one other prefix."""
    prefixes: dict[str, dict[str, Path]] = {}
    for path in (folder / name for name in _files(folder, VIDEO_SUFFIXES)):
        for cut in [0, *(match.end() for match in re.finditer("_", path.stem))]:
            channel = channel_of(path.stem[cut:])
            if channel is not None:
                group = prefixes.setdefault(path.stem[:cut], {})
                if channel in group:
                    raise ClipError(
                        f"{folder}: both {group[channel].name} and {path.name} are {channel}; remove one"
                    )
                group[channel] = path
                break
    if not prefixes:
        return None
    for prefix in ("", f"{folder.resolve().name}_"):
        if prefix in prefixes:
            break
    else:
        if len(prefixes) > 1:
            raise ClipError(
                f"{folder}: holds several clips ({', '.join(sorted(prefixes)[:4])}); give each a folder"
            )
        (prefix,) = prefixes
    return VideoLayout(
        folder, {name: prefixes[prefix][name] for name in CHANNELS if name in prefixes[prefix]}
    )


def in_order(folder: Path, files: Sequence[str]) -> FrameFiles:
    """Sort frame files of a folder by their number; ClipError if one is missing, doubled or has none.

    The number is the last run of digits in the name, any number of digits, starting anywhere.
    """
    numbered: dict[int, str] = {}
    for file in sorted(files):
        digits = re.findall(r"\d+", PurePath(file).stem)
        if not digits:
            if len(files) == 1:
                return FrameFiles(folder, (file,))
            raise ClipError(f"{folder / file}: no frame number in the name")
        number = int(digits[-1][-18:])
        if number in numbered:
            raise ClipError(f"{folder / file}: frame {number} is there twice (also {numbered[number]})")
        numbered[number] = file
    order = sorted(numbered)
    for sooner, later in pairwise(order):
        if later != sooner + 1:
            raise ClipError(f"{folder}: frame {sooner + 1} is missing, after {numbered[sooner]}")
    return FrameFiles(folder, tuple(numbered[number] for number in order))
