"""Between a clip's own size and the size a network works at."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

from alaya.gbuffer import GBuffer

MULTIPLE = 8
MIN_SIDE = 32


def working_size(height: int, width: int, pixels: int) -> tuple[int, int]:
    """The size nearest in shape to (height, width) with about `pixels` pixels and sides of multiples of 8."""
    scale = math.sqrt(pixels / (height * width))
    return _side(height * scale), _side(width * scale)


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
    frames = [
        _resize_one(gbuffer.frames(index, index + 1), height, width) for index in range(gbuffer.num_frames)
    ]
    return GBuffer.concat(frames)


def _resize_one(gbuffer: GBuffer, height: int, width: int) -> GBuffer:
    disparity = np.where(gbuffer.mask[..., None], 1 / gbuffer.depth, 0).astype(np.float32)
    channels = (gbuffer.albedo, gbuffer.normal, disparity, gbuffer.roughness, gbuffer.metallic)
    surface = gbuffer.mask[..., None].astype(np.float32)
    mixed = resize_frame(np.concatenate([*channels, surface], -1)[0], height, width)[None]
    covered = mixed[..., -1:] > 0.5
    values = np.where(covered, mixed[..., :-1] / np.maximum(mixed[..., -1:], 1e-3), 0)
    return assemble(values, covered)


def assemble(values: np.ndarray, surface: np.ndarray) -> GBuffer:
    """Put nine averaged planes together as G-buffers.

    Args:
        values: (T, H, W, 9) albedo linear, normal of any length, disparity 1/z, roughness, metallic.
        surface: (T, H, W, 1) bool, False on background.
    """
    normal = values[..., 3:6]
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    facing = np.array([0, 0, 1], np.float32)
    normal = np.where(length > 1e-4, normal / np.maximum(length, 1e-4), facing)
    unit = np.where(surface, np.clip(values, 0, 1), 0).astype(np.float32)
    depth = np.where(surface, 1 / np.maximum(values[..., 6:7], 1e-6), np.inf)
    return GBuffer(
        albedo=unit[..., :3],
        normal=np.where(surface, normal, 0).astype(np.float32),
        depth=depth.astype(np.float32),
        roughness=unit[..., 7:8],
        metallic=unit[..., 8:9],
    )
