"""The embedded inverse model: a small network at about 256x144, brought to full size along the picture's edges."""

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from alaya import flow, netcode
from alaya.gbuffer import GBuffer
from alaya.model_info import ModelInfo
from alaya.resize import join, working_size
from alaya.unet import config_of
from alaya.weights import card_trouble, find_weights, load_into, read_card
from inverse.models import OPTIONS
from inverse.network import InverseNet
from inverse.restore import restore
from inverse.sky import settle_sky


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
        frames = planes[0]
        depth = netcode.code_to_depth(frames[:, netcode.DEPTH].float().cpu())
        frames[:, netcode.SKY] = settle_sky(frames[:, netcode.SKY])
        # frame by frame: what decoding takes in between would be most of a window's memory
        decoded = (netcode.decode(frames[i : i + 1]) for i in range(len(frames)))
        return join(decoded, len(frames)), rearrange(depth, "t c h w -> t h w c").numpy()

    @torch.inference_mode()
    def restore(self, coarse: GBuffer, rgb: np.ndarray) -> GBuffer:
        """As `InverseModel.restore`."""
        return restore(coarse, rgb, self.info.far)
