"""The five channels of a G-buffer clip, what their numbers mean, and a clip in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alaya.errors import ClipError

CHANNELS = ("albedo", "normal", "depth", "roughness", "metallic")
CHANNEL_WIDTH: dict[str, int] = {"albedo": 3, "normal": 3, "depth": 1, "roughness": 1, "metallic": 1}
UNIT_TOLERANCE = 0.02  # half-float normals and filtered edges stay inside it


@dataclass
class GBuffer:
    """Some frames of a G-buffer clip, all float32.

    Attributes:
        albedo: (T, H, W, 3) reflectance in [0, 1], linear Rec.709.
        normal: (T, H, W, 3) unit vectors in camera space, +x right, +y up, +z toward the viewer (OpenGL).
        depth: (T, H, W, 1) distance along the camera's axis (planar, not along the ray), > 0; +inf is
            background. Metres, or relative: the clip's `depth.kind` says which.
        roughness: (T, H, W, 1) perceptual roughness in [0, 1].
        metallic: (T, H, W, 1) in [0, 1].

    Background (sky) has depth +inf and zero in every other channel.
    """

    albedo: np.ndarray
    normal: np.ndarray
    depth: np.ndarray
    roughness: np.ndarray
    metallic: np.ndarray

    @property
    def num_frames(self) -> int:
        """Number of frames T."""
        return self.depth.shape[0]

    @property
    def height(self) -> int:
        """Rows H."""
        return self.depth.shape[1]

    @property
    def width(self) -> int:
        """Columns W."""
        return self.depth.shape[2]

    @property
    def mask(self) -> np.ndarray:
        """(T, H, W) bool, True on foreground (finite depth)."""
        return np.isfinite(self.depth[..., 0])

    def channels(self) -> dict[str, np.ndarray]:
        """The five arrays by name, in the order of `CHANNELS`."""
        return {name: getattr(self, name) for name in CHANNELS}

    @classmethod
    def from_channels(cls, arrays: Mapping[str, np.ndarray]) -> GBuffer:
        """Make a G-buffer of five arrays by name; a missing one is a ClipError that names it."""
        missing = [name for name in CHANNELS if name not in arrays]
        if missing:
            raise ClipError(f"a G-buffer needs all of {', '.join(CHANNELS)}; {', '.join(missing)} missing")
        return cls(**{name: arrays[name] for name in CHANNELS})

    def frames(self, start: int, stop: int) -> GBuffer:
        """Frames [start, stop) as views of the same memory."""
        return GBuffer(**{name: array[start:stop] for name, array in self.channels().items()})

    @staticmethod
    def concat(parts: Sequence[GBuffer]) -> GBuffer:
        """Put clips one after another in time; sizes must match."""
        return GBuffer(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in CHANNELS})

    def check(self, where: str = "G-buffer") -> None:
        """Raise ClipError, naming `where`, the channel and the frame, unless the contract is kept."""
        for name, array in self.channels().items():
            shape = (self.num_frames, self.height, self.width, CHANNEL_WIDTH[name])
            if array.shape != shape:
                raise ClipError(f"{where}: {name} has shape {array.shape}, expected {shape}")
            check_values(name, array, where)
        check_background(self.channels(), self.mask, where)


def check_background(arrays: Mapping[str, np.ndarray], mask: np.ndarray, where: str) -> None:
    """Raise ClipError unless background is zero in every channel but depth, and normals are unit elsewhere.

    Args:
        arrays: channel name to (T, H, W, C).
        mask: (T, H, W) bool, True on foreground.
        where: what to call the data in the message.
    """
    background = ~mask
    for name, array in arrays.items():
        planes = (array[..., channel] for channel in range(array.shape[-1]))  # faster than picking pixels
        if name != "depth" and any(np.any((plane != 0) & background) for plane in planes):
            raise ClipError(f"{where}: {name} is not zero on background (where depth is infinite)")
    if "normal" in arrays:
        squared = np.einsum("...c,...c->...", arrays["normal"], arrays["normal"])
        bad = mask & (np.abs(squared - 1) > 2 * UNIT_TOLERANCE)
        if bad.any():
            length = float(np.sqrt(squared[bad][0]))
            raise ClipError(
                f"{where}: {int(bad.sum())} normals are not unit vectors (one has length {length:.3f})"
            )


def check_values(name: str, array: np.ndarray, where: str) -> None:
    """Raise ClipError unless one channel is float32 and its numbers lie in the channel's range.

    Args:
        name: channel name.
        array: (T, H, W, C).
        where: what to call the data in the message, usually a file or folder.
    """
    if array.dtype != np.float32:
        raise ClipError(f"{where}: {name} is {array.dtype}, expected float32")
    if array.size == 0:
        raise ClipError(f"{where}: {name} is empty, shape {array.shape}")
    check_numbers(name, array, where)
    low, high = float(array.min()), float(array.max())
    if name == "depth":
        if low <= 0:
            raise ClipError(f"{where}: depth must be above 0, lowest is {low:g}")
        return
    floor = -1.0 if name == "normal" else 0.0
    slack = UNIT_TOLERANCE if name == "normal" else 0.0
    if low < floor - slack or high > 1 + slack:
        raise ClipError(f"{where}: {name} must lie in [{floor:g}, 1], found {low:g} to {high:g}")


def check_numbers(name: str, array: np.ndarray, where: str) -> None:
    """Raise ClipError on NaN anywhere, and on infinity anywhere but in depth; says which frame."""
    bad = np.isnan(array) if name == "depth" else ~np.isfinite(array)
    if bad.any():
        frame = int(np.flatnonzero(bad.reshape(len(array), -1).any(axis=1))[0])
        what = "NaN" if np.isnan(array[frame]).any() else "infinity"
        raise ClipError(f"{where}: {name} holds {what} in frame {frame} ({int(bad.sum())} values)")
