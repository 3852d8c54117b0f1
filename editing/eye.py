"""Where a picture's camera stands, as far as G-buffers tell: its rays, which way is up, what the sun can see."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from alaya.netcode import NORMAL, SKY

TANGENT = 0.62
"""Of half the angle of view from side to side, where nobody says it: games mostly show 60 to 70 degrees."""
STEPS = 12  # of the march toward the sun
SHRINK = 2  # shadows are found at half the size


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Over the channels: (..., 3, H, W) with anything that meets it; (..., 1, H, W)."""
    return (a * b).sum(-3, keepdim=True)


def unit(a: Tensor) -> Tensor:
    """(..., 3, H, W) at length one; several times as fast as the library's norm over this axis."""
    return a * dot(a, a).clamp(min=1e-12).rsqrt()


def rays(height: int, width: int, like: Tensor) -> Tensor:
    """(3, H, W) from the eye through every pixel, one metre deep: x right, y up, -z ahead."""
    x = (torch.arange(width, device=like.device) + 0.5) / width * 2 - 1
    y = 1 - (torch.arange(height, device=like.device) + 0.5) / height * 2
    across = (x * TANGENT).expand(height, width)
    upward = (y * TANGENT * height / width)[:, None].expand(height, width)
    return torch.stack([across, upward, -torch.ones_like(across)]).to(like.dtype)


def upright(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Which way is up and which way is ahead and level, from the ground in the picture.

    Args:
        planes: (B, T, 10, H, W) coded G-buffers.

    Returns:
        Two (B, T, 3, 1, 1) unit vectors in camera space; every frame by itself, so that windows do not matter.
    """
    normal = planes[:, :, NORMAL]
    rise = normal[:, :, 1:2]
    ground = ((rise - 0.6) / 0.4).clamp(0, 1) ** 2 * (planes[:, :, SKY] < 0)
    level = normal.new_tensor([0.0, 1.0, 0.0]).view(3, 1, 1)
    mean = (normal * ground).mean((3, 4), keepdim=True) + 0.02 * level
    mean = mean * mean.new_tensor([0.0, 1.0, 1.0]).view(3, 1, 1)  # cameras lean less than the ground does
    up = unit(mean)
    ahead = normal.new_tensor([0.0, 0.0, -1.0]).view(3, 1, 1)
    ahead = unit(ahead - dot(ahead, up) * up)
    return up, ahead


def turned(direction: Tensor, up: Tensor, ahead: Tensor) -> Tensor:
    """(right, up, ahead) of a level camera, (B, 1, 3, 1, 1), to camera space (B, T, 3, 1, 1), unit length."""
    right = up.new_tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
    parts = direction.split(1, dim=2)
    return unit(parts[0] * right + parts[1] * up + parts[2] * ahead)


def sun_seen(depth: Tensor, way: Tensor, sun: Tensor, normal: Tensor) -> Tensor:
    """How much of the sun each surface sees past what the picture shows: a march through the depth.

    Args:
        depth: (B, T, 1, H, W) metres, far for sky.
        way: (3, H, W) rays.
        sun: (B, T, 3, 1, 1) unit vectors toward it.
        normal: (B, T, 3, H, W).

    Returns:
        (B, T, 1, H, W) in [0, 1].
    """
    batch, frames, _, height, width = depth.shape
    small = (max(1, height // SHRINK), max(1, width // SHRINK))
    flat = depth.flatten(0, 1)
    near = F.interpolate(flat, small, mode="nearest-exact")  # (N, 1, h, w)
    facing = F.interpolate(normal.flatten(0, 1), small, mode="nearest-exact")
    lines = F.interpolate(way[None], small, mode="nearest-exact")
    toward = sun.flatten(0, 1)
    place = lines * near + facing * (0.02 * near)
    tangents = way.new_tensor([TANGENT, TANGENT * height / width]).view(2, 1, 1)
    hidden = torch.zeros_like(near)
    for step in range(1, STEPS + 1):
        reach = near * 0.9 * (step / STEPS) ** 1.6 + 0.05 * near
        at = place + toward * reach
        away = (-at[:, 2:3]).clamp(min=1e-3)
        spot = at[:, :2] / away / tangents
        grid = torch.stack([spot[:, 0], -spot[:, 1]], -1)
        met = F.grid_sample(near, grid, mode="nearest", padding_mode="border", align_corners=False)
        inside = (spot.abs().amax(1, keepdim=True) < 1) & (at[:, 2:3] < 0)
        gap = away - met
        hit = inside & (gap > 0.02 * away) & (gap < 0.35 * reach + 0.1 * near)
        hidden = torch.maximum(hidden, hit.to(hidden.dtype))
    seen = F.avg_pool2d(1 - hidden, 3, 1, 1, count_include_pad=False)
    seen = F.interpolate(seen, (height, width), mode="bilinear", align_corners=False)
    return seen.view(batch, frames, 1, height, width)
