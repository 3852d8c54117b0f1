"""How the frames of a G-buffer clip are stored: numbered pictures, EXR frames, or videos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np

from alaya.channel_names import choose_exr_channels
from alaya.clip_info import DEPTH_KINDS, NORMAL_SPACES
from alaya.errors import ClipError
from alaya.exr import ExrHead, read_exr_head
from alaya.frame_files import FrameFiles
from alaya.gbuffer import CHANNELS
from alaya.png16 import read_image
from alaya.video import check_frames, probe, read_frames

LOSSY_SUFFIXES = (".jpg", ".jpeg", ".webp")
DEFAULT_FPS = Fraction(24)


@dataclass(frozen=True)
class PictureLayout:
    """Numbered pictures of each channel, 8 or 16 bits."""

    folder: Path
    files: dict[str, FrameFiles]
    format = "png"
    fps = DEFAULT_FPS
    timestamps = None

    @property
    def lossy(self) -> bool:
        """True if the pictures went through lossy compression."""
        return any(paths[0].suffix.lower() in LOSSY_SUFFIXES for paths in self.files.values())

    def counts(self) -> dict[str, int]:
        """Frames per channel."""
        return {name: len(paths) for name, paths in self.files.items()}

    def size(self) -> tuple[int, int]:
        """Height and width, of the first picture."""
        return read_image(next(iter(self.files.values()))[0]).shape[:2]

    def where(self, name: str, index: int) -> str:
        """What to call frame `index` of a channel in a message."""
        return str(self.files[name][index])

    def frame_codes(self, index: int, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Codes of one frame: channel name to (H, W, 1 or 3) uint8 or uint16."""
        return {name: read_image(self.files[name][index]) for name in names}

    def close(self) -> None:
        """Nothing is held open."""


@dataclass
class VideoLayout:
    """One video a channel, such as AlayaRenderer's `{channel}.mp4` and `{clip}_{channel}.mp4`."""

    folder: Path
    files: dict[str, Path]
    format = "mp4"
    lossy = True

    def __post_init__(self) -> None:
        self._probes = {name: probe(path) for name, path in self.files.items()}
        first = next(iter(self._probes.values()))
        self.fps, self.timestamps = first.fps, first.timestamps
        self._open: dict[str, tuple[int, Iterator[np.ndarray]]] = {}
        for name, info in self._probes.items():
            if (info.height, info.width) != (first.height, first.width):
                raise ClipError(
                    f"{self.files[name]}: {info.width}x{info.height} pixels, but"
                    f" {first.path} has {first.width}x{first.height}; all channels need one size"
                )
            check_frames(info)  # decodes all of it once: damage must be known before frames are handed out

    def counts(self) -> dict[str, int]:
        """Frames per channel."""
        return {name: info.num_frames for name, info in self._probes.items()}

    def size(self) -> tuple[int, int]:
        """Height and width."""
        first = next(iter(self._probes.values()))
        return first.height, first.width

    def where(self, name: str, index: int) -> str:
        """What to call frame `index` of a channel in a message."""
        return f"{self.files[name]} (frame {index})"

    def frame_codes(self, index: int, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Codes of one frame: channel name to (H, W, 3) uint8 or uint16. Frames in order are cheap."""
        return {name: self._next_frame(name, index) for name in names}

    def _next_frame(self, name: str, index: int) -> np.ndarray:
        position, frames = self._open.pop(name, (-1, iter(())))
        if position != index:
            frames = read_frames(self._probes[name], index)
        picture = next(frames, None)
        if picture is None:
            raise ClipError(f"{self.files[name]}: ends before frame {index}; make this clip again")
        self._open[name] = (index + 1, frames)
        return picture

    def close(self) -> None:
        """Close the files."""
        self._open.clear()


@dataclass(frozen=True)
class ExrLayout:
    """One multi-channel EXR a frame."""

    folder: Path
    files: FrameFiles
    format = "exr"
    fps = DEFAULT_FPS
    timestamps = None
    lossy = False

    def __post_init__(self) -> None:
        if not self._chosen:
            raise ClipError(f"{self.files[0]}: no channel of it is one of {', '.join(CHANNELS)}")

    @cached_property
    def head(self) -> ExrHead:
        """The headers of the first frame."""
        return read_exr_head(self.files[0])

    @cached_property
    def _chosen(self) -> dict[str, tuple[str, ...]]:
        return choose_exr_channels(self.head.channels)

    @property
    def normal_space(self) -> str | None:
        """What the header says of the normals' space; None if it says nothing we know."""
        space = str(self.head.attributes.get("alaya/normal_space"))
        return space if space in NORMAL_SPACES else None

    @property
    def depth_kind(self) -> str:
        """What the header says of depth, metric where it says nothing we know."""
        kind = str(self.head.attributes.get("alaya/depth_kind"))
        return kind if kind in DEPTH_KINDS else DEPTH_KINDS[0]

    @property
    def from_blender(self) -> bool:
        """True if normals are a render pass of Blender (`ViewLayer.Normal.X`), which is in world space."""
        names = self._chosen.get("normal", ("",))
        return names[0].count(".") == 2 and names[0].split(".")[1] == "Normal" and self.normal_space is None

    def counts(self) -> dict[str, int]:
        """Frames per channel."""
        return dict.fromkeys(self._chosen, len(self.files))

    def size(self) -> tuple[int, int]:
        """Height and width, of the first frame."""
        return self.head.height, self.head.width

    def where(self, name: str, index: int) -> str:
        """What to call frame `index` of a channel in a message."""
        return f"{self.files[index]} ({name})"

    def close(self) -> None:
        """Nothing is held open."""


Layout = PictureLayout | VideoLayout | ExrLayout
