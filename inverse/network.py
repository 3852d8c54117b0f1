"""The network of the embedded inverse model, RGB planes to G-buffer planes, and its presets."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from alaya.netcode import METALLIC, PLANES, SKY
from alaya.unet import UNet, UNetConfig

CONFIGS = {
    "small": UNetConfig(in_channels=3, out_channels=PLANES, deep_blocks=8, statistics=2),
    "medium": UNetConfig(
        in_channels=3, out_channels=PLANES, widths=(64, 128, 256), head_width=48, deep_blocks=8, statistics=2
    ),
    "tiny": UNetConfig(
        in_channels=3, out_channels=PLANES, widths=(8, 16, 16), head_width=8, embed_dim=16, heads=2
    ),
}


class InverseNet(nn.Module):
    """One joint prediction of all ten planes."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.unet = UNet(config)

    def forward(self, rgb: Tensor, t: Tensor, noisy: Tensor | None = None, raw: bool = False) -> Tensor:
        """Predict the planes.

        Args:
            rgb: (B, T, 3, H, W) sRGB in [-1, 1].
            t: (B,) flow time.
            noisy: (B, T, 10, H, W) or None.
            raw: leave metallic and sky as logits, for the loss.

        Returns:
            (B, T, 10, H, W) planes in about [-1, 1].
        """
        planes = self.unet(rgb, t, None, noisy)
        return planes if raw else settle(planes)

    @staticmethod
    def describe(config: UNetConfig) -> dict[str, Any]:
        """What the weights' card must say to build the same network again."""
        return {"network": "inverse", **vars(config)}


def settle(raw: Tensor) -> Tensor:
    """Turn the logits of metallic and sky into planes: 2 sigmoid(x) - 1 = tanh(x / 2)."""
    planes = list(raw.split([6, 1, 1, 1, 1], dim=-3))
    for index, plane in ((3, METALLIC), (4, SKY)):
        planes[index] = torch.tanh(raw[..., plane, :, :] / 2)
    return torch.cat(planes, -3)
