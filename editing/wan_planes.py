"""G-buffers as the published editing model sees them: five videos of three values in [0, 1]."""

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange, repeat
from torch import Tensor

from alaya.codes import PNG8_DEPTH, RELATIVE_RANGE
from alaya.colour import linear_to_srgb
from alaya.gbuffer import GBuffer


def condition_video(gbuffer: GBuffer, name: str) -> Tensor:
    """One channel as a video (1, 3, T, H, W) float32 in [0, 1].

    Albedo is sRGB-coded, normals are halved and moved to [0, 1], scalars fill all three planes. Depth is the
    8-bit code of pictures (near is bright, sky 0) on `RELATIVE_RANGE`: a clip whose depth was read off such
    pictures gives them back unchanged, and metres are mapped as if 1 m were white and 1 km black.
    """
    if name == "albedo":
        video = linear_to_srgb(gbuffer.albedo)
    elif name == "normal":
        video = gbuffer.normal * np.float32(0.5) + np.float32(0.5)
    elif name == "depth":
        video = _depth_code(gbuffer.depth)
    else:
        video = getattr(gbuffer, name)
    pattern = "t h w c -> 1 c t h w"
    planes = torch.from_numpy(np.ascontiguousarray(video))
    if planes.shape[-1] == 1:
        return repeat(planes, "t h w 1 -> 1 c t h w", c=3)
    return rearrange(planes, pattern)


def _depth_code(depth: np.ndarray) -> np.ndarray:
    """(T, H, W, 1) depth to codes / 255, unrounded; +inf gives 0."""
    near, far = 1 / RELATIVE_RANGE.near, 1 / RELATIVE_RANGE.far
    disparity = np.clip((1 / depth - np.float32(far)) / np.float32(near - far), 0, 1)
    span = np.float32(PNG8_DEPTH.last - PNG8_DEPTH.first)
    code = (PNG8_DEPTH.first + span * disparity) / np.float32(PNG8_DEPTH.last)
    return np.where(np.isinf(depth), np.float32(0), code.astype(np.float32))
