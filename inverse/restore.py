"""Bring coarse G-buffers to the size of their pictures, along the pictures' edges."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from alaya.extra_channels import BLENDED_NORMAL
from alaya.gbuffer import GBuffer
from alaya.guided import box_sums, enlarge
from alaya.resize import from_planes, join, resize_frame, resize_gbuffer, to_planes

ALBEDO_RIDGE, SURFACE_RIDGE, DEPTH_RIDGE = 1e-3, 2e-3, 1e-2
RIDGES = [ALBEDO_RIDGE] * 3 + [SURFACE_RIDGE] * 3 + [DEPTH_RIDGE] + [SURFACE_RIDGE] * 3
"""How much of the picture's detail a plane of `to_planes` follows: albedo most, depth only strong outlines."""


def restore(coarse: GBuffer, rgb: np.ndarray, far: float) -> GBuffer:
    """As `InverseModel.restore`; no depth comes out beyond `far`."""
    frames = (_restore_one(coarse.frames(i, i + 1), rgb[i], far) for i in range(coarse.num_frames))
    return join(frames, coarse.num_frames)


def restore_extras(coarse: Mapping[str, np.ndarray], rgb: np.ndarray) -> dict[str, np.ndarray]:
    """As `restore`, for name -> (T, h, w, 3) in [0, 1] of `alaya.extra_channels`, coded as they are stored."""
    return {name: np.stack(_enlarged(name, frames, rgb)) for name, frames in coarse.items()}


def _enlarged(name: str, frames: np.ndarray, rgb: np.ndarray) -> list[np.ndarray]:
    """One picture's frames, (H, W, 3) each."""
    (height, width), (rows, columns) = rgb.shape[1:3], frames.shape[1:3]
    if height <= rows and width <= columns:
        return [resize_frame(frame, height, width) for frame in frames]
    ridge = SURFACE_RIDGE if name == BLENDED_NORMAL else ALBEDO_RIDGE
    large = []
    for frame, picture in zip(frames, rgb, strict=True):
        small = resize_frame(picture, rows, columns)
        planes, low, high = (
            torch.from_numpy(np.ascontiguousarray(each)).permute(2, 0, 1) for each in (frame, small, picture)
        )
        large.append(enlarge(planes, low, high, ridge=ridge).clamp_(0, 1).permute(1, 2, 0).numpy())
    return large


def _restore_one(coarse: GBuffer, rgb: np.ndarray, far: float) -> GBuffer:
    height, width = rgb.shape[:2]
    if height <= coarse.height and width <= coarse.width:
        return resize_gbuffer(coarse, height, width)
    planes = to_planes(coarse)[0]
    planes[:3].sqrt_()  # albedo is enlarged in square-root coding, where equal steps look equal
    surface = planes[9:]
    planes[:9] = fill(planes[:9], surface)
    nearest, farthest = float(planes[6].max()), float(planes[6].min())
    small = torch.from_numpy(resize_frame(rgb, coarse.height, coarse.width))
    guide = torch.from_numpy(rgb)
    large = enlarge(planes, small.permute(2, 0, 1), guide.permute(2, 0, 1), ridge=RIDGES)
    large[:3].clamp_(0, 1).square_()
    limit = 1 / far
    large[6].clamp_(max(farthest, limit), max(nearest, limit))
    return from_planes(large[None, :9], large[None, 9:] > 0.5)


def fill(planes: Tensor, surface: Tensor) -> Tensor:
    """Put the mean of nearby surface where there is none, so that background does not bleed into edges.

    Args:
        planes: (C, h, w), 0 where there is no surface.
        surface: (1, h, w), 1 on surface.
    """
    if bool(surface.all()):
        return planes
    whole = planes.sum((1, 2), keepdim=True) / surface.sum().clamp(min=1)
    for radius in (4, 1):  # the nearest ring is laid last: bilinear enlargement reads no farther
        side = 2 * radius + 1
        sums = box_sums(F.pad(torch.cat([planes, surface]), [radius] * 4), radius).div_(side * side)
        near, weight = sums[:-1], sums[-1:]
        whole = torch.where(weight > 1e-3, near / weight.clamp(min=1e-3), whole)
    return torch.where(surface > 0, planes, whole)
