"""Reading ranges of frames of an open G-buffer clip into the one meaning that everything else relies on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from alaya.camera import CAMERA_NAME, CameraPath, normals_in
from alaya.clip_info import ClipInfo
from alaya.codes import (
    LOSSY_DEPTH,
    PNG8_DEPTH,
    PNG_DEPTH,
    VIDEO_DEPTH,
    DepthScale,
    decode_channel,
    decode_depth,
)
from alaya.errors import ClipError
from alaya.exr import read_exr
from alaya.gbuffer import CHANNEL_WIDTH, CHANNELS, GBuffer, check_numbers
from alaya.layouts import ExrLayout, Layout, PictureLayout, VideoLayout


@dataclass
class ClipReader:
    """An open clip. `read` gives G-buffers by frame ranges; only those frames are in memory.

    Attributes:
        folder: where the clip lies.
        info: its clip.json, or what could be found out of a foreign clip.
        layout: how it is stored.
        camera: the camera's turns, if known.
        foreign: True if the clip has no clip.json.
        adjusted: values of foreign EXR files that lay outside [0, 1] and were clamped, by channel.
    """

    folder: Path
    info: ClipInfo
    layout: Layout
    camera: CameraPath | None = None
    foreign: bool = False

    def __post_init__(self) -> None:
        self.adjusted: dict[str, int] = dict.fromkeys(CHANNELS, 0)
        if self.info.normal_space == "world" and "normal" in self.info.channels:
            if self.camera is None:
                raise ClipError(
                    f"{self.folder}: normals are in world space;"
                    f" put the camera's turns beside them in {CAMERA_NAME}"
                )
            self.camera.check_frames(self.info.frames, str(self.folder / CAMERA_NAME))

    def __len__(self) -> int:
        return self.info.frames

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels the clip holds."""
        return self.info.channels

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for a person about what had to be assumed or was adjusted."""
        notes = []
        layout = self.layout
        if isinstance(layout, ExrLayout) and layout.from_blender and self.info.normal_space != "world":
            notes.append(
                f"{self.folder}: Blender's normals are in world space but were read as camera space;"
                f" put the camera's turns beside them in {CAMERA_NAME}"
            )
        if self.foreign and "depth" in self.channels and not isinstance(layout, ExrLayout):
            notes.append(f"{self.folder}: depth is taken for relative disparity, near bright, black is sky")
        notes += [
            f"{self.folder}: {count} values of {name} outside [0, 1] were clamped"
            for name, count in self.adjusted.items()
            if count
        ]
        return tuple(notes)

    def missing(self) -> tuple[str, ...]:
        """The channels the clip lacks."""
        return tuple(name for name in CHANNELS if name not in self.info.channels)

    def read(self, start: int = 0, stop: int | None = None) -> GBuffer:
        """Read frames [start, stop) of all five channels; ClipError says which one the clip lacks."""
        if self.missing():
            raise ClipError(
                f"{self.folder}: has no {' and no '.join(self.missing())} (only {', '.join(self.channels)});"
                " make a clip with all five channels"
            )
        return GBuffer.from_channels(self.read_channels(start, stop))

    def read_channels(
        self, start: int = 0, stop: int | None = None, names: Iterable[str] | None = None
    ) -> dict[str, np.ndarray]:
        """Read frames [start, stop) of some channels (None: all there are): name to (T, H, W, C) float32."""
        stop = len(self) if stop is None else stop
        wanted = tuple(names) if names is not None else self.channels
        for name in wanted:
            if name not in self.channels:
                raise ClipError(f"{self.folder}: has no {name}, only {', '.join(self.channels)}")
        if not 0 <= start < stop <= len(self):
            raise ClipError(f"{self.folder}: frames {start}:{stop} are not within its {len(self)} frames")
        if stop - start == 1:
            frame = self._read_frame(start, wanted)
            return {name: frame[name][None] for name in wanted}
        arrays = {
            name: np.empty((stop - start, self.info.height, self.info.width, CHANNEL_WIDTH[name]), np.float32)
            for name in wanted
        }
        for i in range(start, stop):
            frame = self._read_frame(i, wanted)
            for name in wanted:
                arrays[name][i - start] = frame[name]
        return arrays

    def close(self) -> None:
        """Close files that are held open."""
        self.layout.close()

    def __enter__(self) -> ClipReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_frame(self, index: int, names: tuple[str, ...]) -> dict[str, np.ndarray]:
        """One frame of the contract: name to (H, W, C) float32, background by depth where the clip has it."""
        read = names if "depth" in names or "depth" not in self.channels else (*names, "depth")
        if isinstance(self.layout, ExrLayout):
            frame = self._exr_frame(self.layout, index, read)
        else:
            frame = self._coded_frame(self.layout, index, read)
        if "normal" in frame:
            frame["normal"] = normals_in(frame["normal"], self.info.normal_space, self.camera, index)
        return frame

    def _coded_frame(
        self, layout: PictureLayout | VideoLayout, index: int, names: tuple[str, ...]
    ) -> dict[str, np.ndarray]:
        codes = layout.frame_codes(index, names)
        for name, picture in codes.items():
            self._check_size(picture, layout.where(name, index))
            codes[name] = fit_width(name, picture, layout.where(name, index))
        frame, foreground = {}, None
        limits = self.info.depth.limits
        if "depth" in codes:
            if limits is None:
                raise ClipError(f"{self.folder}: depth near and far are not known")
            frame["depth"] = decode_depth(codes["depth"], limits, self._depth_scale(codes["depth"]))
            foreground = np.isfinite(frame["depth"][..., 0])
        return frame | {n: decode_channel(n, c, foreground) for n, c in codes.items() if n != "depth"}

    def _depth_scale(self, codes: np.ndarray) -> DepthScale:
        if self.layout.lossy:
            own_video = self.info.format == "mp4" and not self.foreign
            return VIDEO_DEPTH if own_video else LOSSY_DEPTH[codes.dtype.type]
        return PNG8_DEPTH if codes.dtype == np.uint8 else PNG_DEPTH

    def _exr_frame(self, layout: ExrLayout, index: int, names: tuple[str, ...]) -> dict[str, np.ndarray]:
        arrays = read_exr(layout.files[index])
        frame: dict[str, np.ndarray] = {}
        for name in names:
            where = layout.where(name, index)
            if name not in arrays:
                raise ClipError(f"{layout.files[index]}: {name} is missing from this frame")
            self._check_size(arrays[name], where)
            check_numbers(name, arrays[name][None], where)
            frame[name] = arrays[name]
        if "depth" in frame and frame["depth"].min() <= 0:
            raise ClipError(
                f"{layout.where('depth', index)}: depth must be above 0, lowest {frame['depth'].min():g}"
            )
        mask = np.isfinite(frame["depth"]) if "depth" in frame else None
        return {name: self._tidy(name, values, mask) for name, values in frame.items()}

    def _tidy(self, name: str, values: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
        """Normalise normals, clamp (and count) what filtering pushed out of [0, 1], clear the background."""
        if name == "depth":
            return values
        if name == "normal":
            length = np.linalg.norm(values, axis=-1, keepdims=True)
            values = values / np.maximum(length, np.float32(1e-6))
        else:
            self.adjusted[name] += int(np.count_nonzero((values < 0) | (values > 1)))
            values = np.clip(values, 0, 1)
        return values if mask is None else np.where(mask, values, np.float32(0))

    def _check_size(self, picture: np.ndarray, where: str) -> None:
        height, width = picture.shape[:2]
        if (height, width) != (self.info.height, self.info.width):
            raise ClipError(
                f"{where}: {width}x{height} pixels, expected {self.info.width}x{self.info.height}"
                " as in the other frames"
            )


def fit_width(name: str, picture: np.ndarray, where: str) -> np.ndarray:
    """Bring a picture to its channel's width: grey albedo is repeated, an RGB scalar averaged.

    Args:
        name: channel name.
        picture: (H, W, 1 or 3) unsigned integers.
        where: the file, for the message.

    Returns:
        (H, W, C) of the same type.
    """
    wanted, width = CHANNEL_WIDTH[name], picture.shape[-1]
    if wanted == width:
        return picture
    if name == "albedo":
        return np.repeat(picture, 3, axis=-1)
    if wanted == 3:
        raise ClipError(f"{where}: {name} is grey, expected three channels")
    mean = (picture.astype(np.uint32).sum(axis=-1, keepdims=True) + 1) // 3
    return mean.astype(picture.dtype)
