"""How G-buffers become the ten planes in [-1, 1] that the embedded networks read and write, and the way back."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from alaya.colour import linear_to_srgb, srgb_to_linear
from alaya.gbuffer import GBuffer

NEAR, FAR = 0.3, 1000.0
"""Metres that the depth plane's -1 and +1 stand for; it is linear in the logarithm of depth."""

PLANES = 10
ALBEDO, NORMAL = slice(0, 3), slice(3, 6)
DEPTH, ROUGHNESS, METALLIC, SKY = (slice(plane, plane + 1) for plane in range(6, 10))
SKY_CODE = (-1.0, -1.0, -1.0, 0.0, 0.0, 0.0, 1.0, -1.0, -1.0, 1.0)
"""The planes of a background pixel."""


def depth_to_code(depth: Tensor) -> Tensor:
    """Metres (+inf background) to [-1, 1], logarithmic between NEAR and FAR, clamped outside."""
    span = math.log(FAR / NEAR)
    return (torch.log(depth.clamp(NEAR, FAR) / NEAR) / span) * 2 - 1


def code_to_depth(code: Tensor) -> Tensor:
    """[-1, 1] to metres in [NEAR, FAR]."""
    return NEAR * torch.exp((code.clamp(-1, 1) + 1) / 2 * math.log(FAR / NEAR))


def pack(channels: Mapping[str, Tensor]) -> Tensor:
    """Channels to planes.

    Args:
        channels: albedo (..., 3, H, W) linear, normal (..., 3, H, W), depth (..., 1, H, W) with +inf sky,
            roughness and metallic (..., 1, H, W).

    Returns:
        (..., 10, H, W) float32, where the channels are: albedo sRGB-coded, normal, log depth, roughness, metallic,
        sky; each in [-1, 1].
    """
    depth = channels["depth"]
    coded = linear_to_srgb(channels["albedo"].cpu().numpy())
    albedo = torch.from_numpy(coded).to(depth.device) * 2 - 1
    sky = torch.isinf(depth)
    unit = torch.cat([channels["roughness"], channels["metallic"]], -3) * 2 - 1
    planes = torch.cat([albedo, channels["normal"], depth_to_code(depth), unit, sky * 2.0 - 1], -3)
    return torch.where(sky, planes.new_tensor(SKY_CODE).view(PLANES, 1, 1), planes)


def encode(gbuffer: GBuffer) -> Tensor:
    """G-buffers of T frames to planes (T, 10, H, W), as `pack`."""
    planes = torch.empty(gbuffer.num_frames, PLANES, gbuffer.height, gbuffer.width)
    for index, plane in enumerate(planes):  # frame by frame: what lies in between would be twice a window
        arrays = gbuffer.frames(index, index + 1).channels().items()
        tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays}
        plane.copy_(pack({name: rearrange(tensor, "1 h w c -> c h w") for name, tensor in tensors.items()}))
    return planes


def decode(planes: Tensor) -> GBuffer:
    """Planes to G-buffers; what the sky plane calls background is set so in every channel.

    Args:
        planes: (T, 10, H, W), roughly [-1, 1].

    Returns:
        T frames of the clip contract: unit normals, depth in [NEAR, FAR] or +inf, the rest in [0, 1].
    """
    values = planes.detach().float().cpu().permute(0, 2, 3, 1)
    sky = values[..., SKY] > 0
    normal = values[..., NORMAL]
    length = normal.norm(dim=-1, keepdim=True)
    facing = normal.new_tensor([0.0, 0.0, 1.0])  # where the net said nothing, a surface that faces the viewer
    normal = torch.where(length > 1e-3, normal / length.clamp(min=1e-3), facing)
    unit = ((values + 1) / 2).clamp(0, 1).masked_fill(sky, 0)
    depth = torch.where(sky, math.inf, code_to_depth(values[..., DEPTH]))
    return GBuffer(
        albedo=srgb_to_linear(unit[..., ALBEDO].numpy()).astype(np.float32),
        normal=normal.masked_fill(sky, 0).numpy(),
        depth=depth.numpy(),
        roughness=unit[..., ROUGHNESS].numpy(),
        metallic=unit[..., METALLIC].numpy(),
    )
