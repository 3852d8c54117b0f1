"""The network of the embedded editing model, G-buffer planes and words to RGB, and its presets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from alaya.netcode import PLANES
from alaya.unet import UNet, UNetConfig
from editing.text_encoder import TextEncoder

WORDS_DIM = 64
CONFIGS = {
    "small": UNetConfig(in_channels=PLANES, out_channels=3, words_dim=WORDS_DIM),
    "medium": UNetConfig(
        in_channels=PLANES, out_channels=3, words_dim=WORDS_DIM, widths=(64, 128, 256), head_width=48
    ),
    "tiny": UNetConfig(
        in_channels=PLANES,
        out_channels=3,
        words_dim=WORDS_DIM,
        widths=(8, 16, 16),
        head_width=8,
        embed_dim=16,
        heads=2,
    ),
}


class EditingNet(nn.Module):
    """The text encoder and the network it conditions."""

    def __init__(self, config: UNetConfig, looks: tuple[str, ...]) -> None:
        super().__init__()
        self.text = TextEncoder(looks, config.words_dim)
        self.unet = UNet(config)

    def forward(
        self,
        planes: Tensor,
        t: Tensor,
        texts: Sequence[str],
        noisy: Tensor | None = None,
        drop: np.random.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Read the texts and draw the clips.

        Args:
            planes: (B, T, 10, H, W) coded G-buffers (`alaya.netcode`).
            t: (B,) flow time.
            texts: one a clip; texts beyond the clips are read only, which trains the encoder.
            noisy: (B, T, 3, H, W) or None.
            drop: leaves some of the texts' letter groups out, in training.

        Returns:
            (B, T, 3, H, W) sRGB in about [-1, 1], and the look logits (texts, looks).
        """
        words, logits = self.text(texts, drop)
        return self.unet(planes, t, words[: len(planes)], noisy), logits

    @staticmethod
    def describe(config: UNetConfig, looks: tuple[str, ...]) -> dict[str, Any]:
        """What the weights' card must say to build the same network again."""
        return {"network": "editing", "looks": list(looks), **vars(config)}
