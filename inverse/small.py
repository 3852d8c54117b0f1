"""The embedded inverse model: a small network at about 256x144, brought to full size along the picture's edges."""

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from alaya import flow, netcode
from alaya.gbuffer import GBuffer
from alaya.guided import enlarge
from alaya.resize import assemble, resize_frame, working_size
from alaya.unet import config_of
from alaya.weights import find_weights, load_into, read_card
from inverse.models import ModelInfo
from inverse.network import InverseNet

# Detail of the picture that a channel follows when it is enlarged: albedo all of it, geometry only its outlines.
ALBEDO_RIDGE, SURFACE_RIDGE = 2e-4, 4e-3


class SmallInverse:
    """See `inverse.models.InverseModel` for the methods' contract."""

    def __init__(self, net: InverseNet, info: ModelInfo, pixels: int, device: str = "cpu") -> None:
        self.net, self.info, self.pixels = net.eval().to(device), info, pixels
        self.device = torch.device(device)

    @classmethod
    def load(cls, name: str, device: str = "cpu") -> SmallInverse:
        """Find and load a checkpoint strictly."""
        folder = find_weights(name, "inverse")
        card = read_card(folder)
        net = InverseNet(config_of(card["network"]))
        load_into(net, folder)
        depth = card["depth"]
        info = ModelInfo(
            name=card["name"],
            sha256=card["sha256"],
            num_frames=card["num_frames"],
            num_steps=card["num_steps"],
            depth_kind=depth["kind"],
            near=depth["near"],
            far=depth["far"],
        )
        return cls(net, info, card["work_pixels"], device)

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """As `InverseModel.working_size`."""
        return working_size(height, width, self.pixels)

    @torch.inference_mode()
    def predict(
        self, rgb: np.ndarray, *, num_steps: int | None = None, seed: int = 0, first_frame: int = 0
    ) -> GBuffer:
        """As `InverseModel.predict`."""
        clip = rearrange(torch.from_numpy(rgb).to(self.device), "t h w c -> 1 t c h w") * 2 - 1
        height, width = clip.shape[-2:]

        def noise() -> Tensor:
            drawn = flow.frame_noise(seed, first_frame, len(rgb), (netcode.PLANES, height, width))
            return drawn[None].to(self.device)

        planes = flow.sample(
            lambda t, noisy: self.net(clip, t, noisy), num_steps or self.info.num_steps, noise, self.device
        )
        return netcode.decode(planes[0])

    @torch.inference_mode()
    def restore(self, coarse: GBuffer, rgb: np.ndarray) -> GBuffer:
        """As `InverseModel.restore`."""
        frames = [self._restore_one(coarse.frames(i, i + 1), rgb[i]) for i in range(coarse.num_frames)]
        return GBuffer.concat(frames)

    def _restore_one(self, coarse: GBuffer, rgb: np.ndarray) -> GBuffer:
        if (coarse.height, coarse.width) == rgb.shape[:2]:
            return coarse
        guide = torch.from_numpy(rgb).permute(2, 0, 1)
        small = resize_frame(rgb, coarse.height, coarse.width)
        guide_small = torch.from_numpy(small).permute(2, 0, 1)
        surface = torch.from_numpy(coarse.mask[0]).float()[None]
        disparity = np.where(coarse.mask[..., None], 1 / coarse.depth, 0).astype(np.float32)
        albedo = torch.from_numpy(np.sqrt(coarse.albedo[0])).permute(2, 0, 1)
        others = np.concatenate([coarse.normal, disparity, coarse.roughness, coarse.metallic], -1)[0]
        rest = torch.from_numpy(others).permute(2, 0, 1)
        # albedo is followed in square-root coding, where equal steps look equal; sky pixels are filled beforehand
        albedo, rest = fill(albedo, surface), fill(rest, surface)
        fine = enlarge(albedo, guide_small, guide, ridge=ALBEDO_RIDGE).clamp(0, 1).square()
        shapes = enlarge(torch.cat([rest, surface]), guide_small, guide, ridge=SURFACE_RIDGE)
        disparity_low, disparity_high = float(rest[3].min()), float(rest[3].max())
        shapes[3].clamp_(max(disparity_low, 1 / self.info.far), max(disparity_high, 1 / self.info.far))
        values = torch.cat([fine, shapes[:-1]]).permute(1, 2, 0)[None].numpy()
        return assemble(values, shapes[-1].numpy()[None, ..., None] > 0.5)


def fill(planes: Tensor, surface: Tensor) -> Tensor:
    """Put the mean of nearby surface where there is none, so that background does not bleed into edges.

    Args:
        planes: (C, h, w).
        surface: (1, h, w), 1 on surface.
    """
    if bool(surface.all()):
        return planes
    whole = (planes * surface).sum((1, 2), keepdim=True) / surface.sum().clamp(min=1)
    weight = torch.nn.functional.avg_pool2d(surface[None], 9, 1, 4)[0]
    near = torch.nn.functional.avg_pool2d((planes * surface)[None], 9, 1, 4)[0] / weight.clamp(min=1e-3)
    return torch.where(surface > 0, planes, torch.where(weight > 1e-2, near, whole))
