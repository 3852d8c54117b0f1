"""Between a clip's own size and the size a network works at."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from alaya.gbuffer import GBuffer

MULTIPLE = 8
MIN_SIDE = 32


def working_size(height: int, width: int, pixels: int) -> tuple[int, int]:
    """The size nearest in shape to (height, width) with about `pixels` pixels and sides of multiples of 8.

    No side is below MIN_SIDE; of a very long strip the long side gives way, so that the pixels stay as many.
    """
    scale, longest = math.sqrt(pixels / (height * width)), pixels / MIN_SIDE
    return _side(min(height * scale, longest)), _side(min(width * scale, longest))


def _side(length: float) -> int:
    return max(MIN_SIDE, round(length / MULTIPLE) * MULTIPLE)


def resize_frame(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """One picture to another size: averaged over areas when smaller, bilinear when larger.

    Args:
        frame: (H, W, C) uint8, uint16 or float32; integers are read as [0, 1].
        height: rows wanted.
        width: columns wanted.

    Returns:
        (height, width, C) float32.
    """
    if frame.shape[:2] == (height, width):
        return _unit(frame)
    picture = torch.from_numpy(_unit(frame)).permute(2, 0, 1)[None]
    resized = F.interpolate(picture, (height, width), mode="bilinear", antialias=True, align_corners=False)
    return np.ascontiguousarray(resized[0].permute(1, 2, 0).numpy())


def to_working(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """A clip to the working size, frame by frame to keep memory low: (T, H, W, 3) -> (T, height, width, 3)."""
    return np.stack([resize_frame(frame, height, width) for frame in frames])


def _unit(frame: np.ndarray) -> np.ndarray:
    if frame.dtype.kind != "u":
        return frame.astype(np.float32, copy=False)
    return frame.astype(np.float32) * np.float32(1 / np.iinfo(frame.dtype).max)


def resize_gbuffer(gbuffer: GBuffer, height: int, width: int) -> GBuffer:
    """G-buffers to another size; a pixel is background where most of what it covers is.

    Background takes no part in the averages, depth is averaged as disparity (1/z), and normals come back
    to unit length.
    """
    if (gbuffer.height, gbuffer.width) == (height, width):
        return gbuffer
    singles = (gbuffer.frames(index, index + 1) for index in range(gbuffer.num_frames))
    return join((_resize_one(single, height, width) for single in singles), gbuffer.num_frames)


def _resize_one(gbuffer: GBuffer, height: int, width: int) -> GBuffer:
    size = (height, width)
    mixed = F.interpolate(to_planes(gbuffer), size, mode="bilinear", antialias=True, align_corners=False)
    surface = mixed[:, 9:]
    return from_planes(mixed[:, :9] / surface.clamp(min=1e-3), surface > 0.5)


def join(frames: Iterable[GBuffer], num_frames: int) -> GBuffer:
    """Put single frames together as they come, so that none is held twice."""
    arrays: dict[str, np.ndarray] = {}
    for index, frame in enumerate(frames):
        if num_frames == 1:
            return frame
        for name, array in frame.channels().items():
            whole = arrays.setdefault(name, np.empty((num_frames, *array.shape[1:]), np.float32))
            whole[index] = array[0]
    return GBuffer.from_channels(arrays)


def to_planes(gbuffer: GBuffer) -> Tensor:
    """What of G-buffers may be averaged, channels first.

    Returns:
        (T, 10, H, W) float32: albedo linear, normal, disparity 1/z, roughness, metallic, and 1 on surface;
        background is 0 in all of them.
    """
    depth = torch.from_numpy(gbuffer.depth)
    channels = [torch.from_numpy(array) for name, array in gbuffer.channels().items() if name != "depth"]
    albedo, normal, roughness, metallic = channels
    parts = [albedo, normal, depth.reciprocal(), roughness, metallic, depth.isfinite().float()]
    return torch.cat([rearrange(part, "t h w c -> t c h w") for part in parts], 1)


def from_planes(values: Tensor, surface: Tensor) -> GBuffer:
    """Put averaged planes together as G-buffers that keep the contract.

    Args:
        values: (T, 9, H, W) albedo linear, normal of any length, disparity 1/z, roughness, metallic.
        surface: (T, 1, H, W) bool, False on background.
    """
    inside = surface.float()  # to multiply by: filling through a mask takes ten times as long
    normal = values[:, 3:6]
    length = normal.square().sum(1, keepdim=True).sqrt_()
    known = inside * (length > 1e-4)
    normal = normal * (known / length.clamp_(min=1e-4))
    normal[:, 2:] += inside - known  # nothing known: it faces the viewer
    depth = torch.where(surface, values[:, 6:7].clamp(min=1e-6).reciprocal_(), torch.inf)
    parts = {"albedo": values[:, :3].clamp(0, 1).mul_(inside), "normal": normal, "depth": depth}
    unit = values[:, 7:9].clamp(0, 1).mul_(inside)
    parts |= {"roughness": unit[:, :1], "metallic": unit[:, 1:]}
    moved = {name: rearrange(part, "t c h w -> t h w c").contiguous() for name, part in parts.items()}
    return GBuffer(**{name: part.numpy() for name, part in moved.items()})
