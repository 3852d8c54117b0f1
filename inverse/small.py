"""The embedded inverse model: a small network at about 256x144, brought to full size along the picture's edges."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from alaya import flow, netcode
from alaya.gbuffer import GBuffer
from alaya.guided import enlarge
from alaya.resize import from_planes, join, resize_frame, resize_gbuffer, to_planes, working_size
from alaya.unet import config_of
from alaya.weights import card_trouble, find_weights, load_into, read_card
from inverse.models import ModelInfo
from inverse.network import InverseNet
from inverse.sky import settle_sky

ALBEDO_RIDGE, SURFACE_RIDGE, DEPTH_RIDGE = 1e-3, 2e-3, 1e-2
RIDGES = [ALBEDO_RIDGE] * 3 + [SURFACE_RIDGE] * 3 + [DEPTH_RIDGE] + [SURFACE_RIDGE] * 3
"""How much of the picture's detail a plane of `to_planes` follows: albedo most, depth only strong outlines."""


OPTIONS = frozenset({"num_steps", "height", "width"})


class SmallInverse:
    """See `inverse.models.InverseModel` for the methods' contract."""

    def __init__(self, net: InverseNet, info: ModelInfo, pixels: int, device: str = "cpu") -> None:
        self.net, self.info, self.pixels = net.eval().to(device), info, pixels
        self.device = torch.device(device)

    @classmethod
    def load(cls, name: str, device: str = "cpu") -> SmallInverse:
        """Find and load a checkpoint strictly."""
        folder = find_weights(name, "inverse")
        card = read_card(folder, "inverse")
        with card_trouble(folder):
            net, depth = InverseNet(config_of(card["network"])), card["depth"]
            info = ModelInfo(
                name=card["name"],
                sha256=card["sha256"],
                num_frames=card["num_frames"],
                num_steps=card["num_steps"],
                depth_kind=depth["kind"],
                near=float(depth["near"]),
                far=float(depth["far"]),
                options=OPTIONS,
            )
            pixels = int(card["work_pixels"])
        load_into(net, folder)
        return cls(net, info, pixels, device)

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """As `InverseModel.working_size`."""
        return working_size(height, width, self.pixels)

    @torch.inference_mode()
    def predict(
        self, rgb: np.ndarray, *, num_steps: int | None = None, seed: int = 0, first_frame: int = 0
    ) -> GBuffer:
        """As `InverseModel.predict`."""
        return self.estimate(rgb, num_steps=num_steps, seed=seed, first_frame=first_frame)[0]

    @torch.inference_mode()
    def estimate(
        self, rgb: np.ndarray, *, num_steps: int | None = None, seed: int = 0, first_frame: int = 0
    ) -> tuple[GBuffer, np.ndarray]:
        """As `InverseModel.estimate`."""
        clip = rearrange(torch.from_numpy(rgb).to(self.device), "t h w c -> 1 t c h w") * 2 - 1
        height, width = clip.shape[-2:]

        def noise() -> Tensor:
            drawn = flow.frame_noise(seed, first_frame, len(rgb), (netcode.PLANES, height, width))
            return drawn[None].to(self.device)

        planes = flow.sample(
            lambda t, noisy: self.net(clip, t, noisy),
            self.info.num_steps if num_steps is None else num_steps,
            noise,
            self.device,
        )
        depth = netcode.code_to_depth(planes[0, :, netcode.DEPTH].float().cpu())
        return netcode.decode(settle_sky(planes[0])), rearrange(depth, "t c h w -> t h w c").numpy()

    @torch.inference_mode()
    def restore(self, coarse: GBuffer, rgb: np.ndarray) -> GBuffer:
        """As `InverseModel.restore`."""
        frames = (self._restore_one(coarse.frames(i, i + 1), rgb[i]) for i in range(coarse.num_frames))
        return join(frames, coarse.num_frames)

    def _restore_one(self, coarse: GBuffer, rgb: np.ndarray) -> GBuffer:
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
        limit = 1 / self.info.far
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
        sums = F.avg_pool2d(torch.cat([planes, surface])[None], side, 1, radius)[0]
        near, weight = sums[:-1], sums[-1:]
        whole = torch.where(weight > 1e-3, near / weight.clamp(min=1e-3), whole)
    return torch.where(surface > 0, planes, whole)
