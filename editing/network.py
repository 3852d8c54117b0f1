"""The network of the embedded editing model, G-buffer planes and words to RGB, and its presets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alaya.netcode import PLANES
from alaya.unet import UNet, UNetConfig
from editing.draft import draft
from editing.light import WIDTH
from editing.text_encoder import TextEncoder

WORDS_DIM = 64
SEEN = PLANES + 3
"""Planes that the U-Net sees: the G-buffer's and the draft's."""
CONFIGS = {
    "small": UNetConfig(in_channels=SEEN, out_channels=3, words_dim=WORDS_DIM, statistics=2, exit_groups=8),
    "medium": UNetConfig(
        in_channels=SEEN,
        out_channels=3,
        words_dim=WORDS_DIM,
        widths=(64, 128, 256),
        head_width=48,
        statistics=2,
        exit_groups=8,
    ),
    "tiny": UNetConfig(
        in_channels=SEEN,
        out_channels=3,
        words_dim=WORDS_DIM,
        widths=(8, 16, 16),
        head_width=8,
        embed_dim=16,
        heads=2,
    ),
}


class EditingNet(nn.Module):
    """The text encoder, the rules that draw a draft, and the network that finishes it."""

    light: Tensor

    def __init__(
        self, config: UNetConfig, looks: tuple[str, ...], rows: Sequence[Sequence[float]] | None = None
    ) -> None:
        """Make a network.

        Args:
            config: sizes of the U-Net.
            looks: names of the looks.
            rows: the light of each look (`editing.light.row_of`); None where weights will be loaded, which hold it.
        """
        super().__init__()
        light = torch.zeros(len(looks), WIDTH) if rows is None else torch.tensor(rows)
        self.register_buffer("light", light)
        self.text = TextEncoder(looks, config.words_dim)
        self.unet = UNet(config)

    def forward(
        self,
        planes: Tensor,
        t: Tensor,
        texts: Sequence[str],
        noisy: Tensor | None = None,
        drop: np.random.Generator | None = None,
        asked: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Read the texts and draw the clips.

        Args:
            planes: (B, T, 10, H, W) coded G-buffers (`alaya.netcode`).
            t: (B,) flow time.
            texts: one a clip; texts beyond the clips are read only, which trains the encoder.
            noisy: (B, T, 3, H, W) or None.
            drop: leaves some of the texts' letter groups out where they are only read, in training.
            asked: (B,) the looks that the texts ask for, in training: every second clip is drawn in them, however its
                text was read, so that a doubtful text teaches reading and not drawing.

        Returns:
            (B, T, 3, H, W) sRGB in about [-1, 1], and the look logits (texts, looks).
        """
        logits = self.text.logits(texts, drop)
        shown = logits[: len(planes)] if drop is None else self.text.logits(texts[: len(planes)])
        looks = shown.softmax(-1)
        if asked is not None:
            told = torch.arange(len(planes), device=looks.device)[:, None] % 2 == 0
            looks = torch.where(told, F.one_hot(asked, looks.shape[1]).to(looks), looks)
        seen = self.sketch(planes, looks.detach())
        return self.finish(seen, t, self.text.mixture(looks), noisy), logits

    def sketch(self, planes: Tensor, looks: Tensor) -> Tensor:
        """Draw the draft of a mixture of looks.

        Args:
            planes: (B, T, 10, H, W) coded G-buffers.
            looks: (B, looks) probabilities.

        Returns:
            (B, T, 13, H, W) what the network finishes: the planes, then the draft in sRGB in [-1, 1].
        """
        with torch.no_grad():
            return torch.cat([planes, draft(planes, looks @ self.light)], 2)

    def finish(self, seen: Tensor, t: Tensor, words: Tensor, noisy: Tensor | None = None) -> Tensor:
        """Finish a draft.

        Args:
            seen: (B, T, 13, H, W), of `sketch`.
            t: (B,) flow time.
            words: (B, WORDS_DIM) what the texts mean.
            noisy: (B, T, 3, H, W) or None.

        Returns:
            (B, T, 3, H, W) sRGB in about [-1, 1].
        """
        return seen[:, :, PLANES:] + self.unet(seen, t, words, noisy)

    @staticmethod
    def describe(config: UNetConfig, looks: tuple[str, ...]) -> dict[str, Any]:
        """What the weights' card must say to build the same network again."""
        return {"network": "editing", "looks": list(looks), **vars(config)}
