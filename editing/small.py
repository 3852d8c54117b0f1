"""The embedded editing model: a small network at about 256x144, its edges restored, its weather drawn on top."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from alaya import flow, netcode
from alaya.gbuffer import GBuffer
from alaya.model_info import ModelInfo
from alaya.resize import working_size
from alaya.unet import config_of
from alaya.weights import card_trouble, find_weights, load_into, read_card
from editing.enlarge import enlarge_picture
from editing.models import OPTIONS, Words
from editing.network import EditingNet
from editing.weather import overlay


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
            info = ModelInfo(card["name"], card["sha256"], card["num_frames"], card["num_steps"], OPTIONS)
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
        clip_frames: int | None = None,
    ) -> np.ndarray:
        """As `EditingModel.predict`; has no guidance."""
        embedding = words.embedding.to(self.device)
        looks = torch.tensor([[words.looks[name] for name in self.net.text.looks]], device=self.device)
        seen = self.net.sketch(netcode.encode(gbuffer)[None].to(self.device), looks)

        def noise() -> Tensor:
            shape = (3, gbuffer.height, gbuffer.width)
            drawn = flow.frame_noise(seed, first_frame, gbuffer.num_frames, shape)
            return drawn[None].to(self.device)

        def draw(t: Tensor, noisy: Tensor | None) -> Tensor:
            return self.net.finish(seen, t, embedding, noisy)

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
            picture = enlarge_picture(coarse[index], one)
            time = float((first_frame + index) / fps)
            frames.append(overlay(picture, one.depth[0, ..., 0], words.looks, time=time, seed=seed))
        return np.stack(frames)
