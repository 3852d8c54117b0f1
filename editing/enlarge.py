"""Enlarge a drawn picture along the edges of its G-buffers."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from alaya.gbuffer import GBuffer
from alaya.guided import enlarge
from alaya.resize import resize_frame

RIDGE = 1e-3
NEARNESS = 4.0
"""Metres at which the depth guide is half way between the camera and the horizon."""


def enlarge_picture(coarse: np.ndarray, gbuffer: GBuffer) -> np.ndarray:
    """(h, w, 3) to the size of one frame of G-buffers, along the edges of albedo, normals and nearness."""
    height, width = gbuffer.height, gbuffer.width
    if height <= coarse.shape[0] and width <= coarse.shape[1]:
        return resize_frame(coarse, height, width)
    guide = _guide(gbuffer)
    picture = torch.from_numpy(coarse).permute(2, 0, 1)
    size = picture.shape[1:]
    small = F.interpolate(guide[None], size, mode="bilinear", antialias=True, align_corners=False)[0]
    fine = enlarge(picture, small, guide, ridge=RIDGE).clamp_(0, 1)
    return rearrange(fine, "c h w -> h w c").contiguous().numpy()


def _guide(gbuffer: GBuffer) -> Tensor:
    """(7, H, W): albedo in square-root coding, normal halved, nearness (1 at the camera, 0 for the sky)."""
    parts = [torch.from_numpy(part[0]) for part in (gbuffer.albedo, gbuffer.normal, gbuffer.depth)]
    guide = torch.cat([rearrange(part, "h w c -> c h w") for part in parts])
    guide[:3].sqrt_()
    guide[3:6].div_(2)
    guide[6] = NEARNESS / (NEARNESS + guide[6])
    return guide
