"""The embedded editing model: a small network at about 256x144, its edges restored, its weather drawn on top."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from alaya import flow, netcode
from alaya.gbuffer import GBuffer
from alaya.guided import enlarge
from alaya.resize import resize_frame, working_size
from alaya.unet import config_of
from alaya.weights import card_trouble, find_weights, load_into, read_card
from editing.models import ModelInfo, Words
from editing.network import EditingNet
from editing.weather import overlay

RIDGE = 1e-3
NEARNESS = 4.0
"""Metres at which the depth guide is half way between the camera and the horizon."""


class SmallEditor:
    """See `editing.models.EditingModel` for the methods' contract."""

    def __init__(self, net: EditingNet, info: ModelInfo, pixels: int, device: str = "cpu") -> None:
        self.net, self.info, self.pixels = net.eval().to(device), info, pixels
        self.device = torch.device(device)

    @classmethod
    def load(cls, name: str, device: str = "cpu") -> SmallEditor:
        """Find and load a checkpoint strictly."""
        folder = find_weights(name, "editing")
        card = read_card(folder, "editing")
        with card_trouble(folder):
            net = EditingNet(config_of(card["network"]), tuple(card["network"]["looks"]))
            info = ModelInfo(card["name"], card["sha256"], card["num_frames"], card["num_steps"])
            pixels = int(card["work_pixels"])
        load_into(net, folder)
        return cls(net, info, pixels, device)

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """As `EditingModel.working_size`."""
        return working_size(height, width, self.pixels)

    @torch.inference_mode()
    def encode_text(self, prompt: str, negative: str = "") -> Words:
        """As `EditingModel.encode_text`; what the negative text asks for is taken out of the mixture."""
        logits = self.net.text.logits([prompt])
        if negative:
            logits = logits - self.net.text.logits([negative]).relu()
        probabilities = logits.softmax(-1)
        names = self.net.text.looks
        looks = {name: float(p) for name, p in zip(names, probabilities[0], strict=True)}
        return Words(self.net.text.mixture(probabilities), looks)

    @torch.inference_mode()
    def predict(
        self,
        gbuffer: GBuffer,
        words: Words,
        *,
        num_steps: int | None = None,
        seed: int = 0,
        first_frame: int = 0,
        cfg_scale: float | None = None,
    ) -> np.ndarray:
        """As `EditingModel.predict`; has no guidance."""
        planes = netcode.encode(gbuffer)[None].to(self.device)
        embedding = words.embedding.to(self.device)

        def noise() -> Tensor:
            shape = (3, planes.shape[-2], planes.shape[-1])
            drawn = flow.frame_noise(seed, first_frame, gbuffer.num_frames, shape)
            return drawn[None].to(self.device)

        def draw(t: Tensor, noisy: Tensor | None) -> Tensor:
            return self.net.unet(planes, t, embedding, noisy)

        clip = flow.sample(draw, self.info.num_steps if num_steps is None else num_steps, noise, self.device)
        rgb = (clip[0].float().cpu() / 2 + 0.5).clamp(0, 1)
        return np.ascontiguousarray(rearrange(rgb, "t c h w -> t h w c").numpy())

    @torch.inference_mode()
    def restore(
        self,
        coarse: np.ndarray,
        gbuffer: GBuffer,
        words: Words,
        *,
        seed: int = 0,
        first_frame: int = 0,
        fps: Fraction = Fraction(24),
    ) -> np.ndarray:
        """As `EditingModel.restore`."""
        frames = []
        for index in range(len(coarse)):
            one = gbuffer.frames(index, index + 1)
            picture = _enlarged(coarse[index], one)
            time = float((first_frame + index) / fps)
            frames.append(overlay(picture, one.depth[0, ..., 0], words.looks, time=time, seed=seed))
        return np.stack(frames)


def _enlarged(coarse: np.ndarray, gbuffer: GBuffer) -> np.ndarray:
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
