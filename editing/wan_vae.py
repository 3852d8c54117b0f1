"""Pictures to latents and back with diffusers' Wan autoencoder, whole or in the reference's tiles."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan, WanCausalConv3d
from torch import Tensor

from alaya.tiles import Tiles, work_tiled

SPACE, TIME = 8, 4
"""Pixels a latent on each side, and frames a latent frame."""

REFERENCE_TILES = Tiles(size=(30, 52), stride=(15, 26))
"""In latents."""


@torch.no_grad()
def encode(vae: AutoencoderKLWan, pictures: Tensor, tiles: Tiles | None = None) -> Tensor:
    """Latents, normalised.

    Args:
        vae: the autoencoder.
        pictures: (1, 3, T, H, W) in [-1, 1]; T is 4n + 1, sides are multiples of 8.
        tiles: work in tiles as the reference does; whole when None, which is faster and how it was trained.

    Returns:
        (1, 16, (T - 1) / 4 + 1, H / 8, W / 8) float32.
    """
    mean, deviation = _statistics(vae, pictures.device)

    def work(part: Tensor) -> Tensor:
        # The mode, never a sample: the reference takes no noise here.
        encoded: Any = vae.encode(part.to(vae.dtype))
        mode = encoded.latent_dist.mode().float()
        return (mode - mean) / deviation

    if tiles is None:
        return work(pictures)
    return work_tiled(pictures, tiles.times(SPACE), 1 / SPACE, work)


@torch.no_grad()
def decode(vae: AutoencoderKLWan, latents: Tensor, tiles: Tiles | None = None) -> Tensor:
    """Pictures (1, 3, T, H, W) float32 in [-1, 1] of latents (1, 16, t, h, w)."""
    mean, deviation = _statistics(vae, latents.device)

    def work(part: Tensor) -> Tensor:
        return _decode_unclamped(vae, (part * deviation + mean).to(vae.dtype)).float()

    whole = work(latents) if tiles is None else work_tiled(latents, tiles, SPACE, work)
    return whole.clamp_(-1, 1)


def _decode_unclamped(vae: Any, latents: Tensor) -> Tensor:
    """As `vae.decode`, without its clamp: tiles must be blended before that."""
    kept: list[Any] = [None] * sum(isinstance(part, WanCausalConv3d) for part in vae.decoder.modules())
    latents = vae.post_quant_conv(latents)
    chunks = [
        vae.decoder(latents[:, :, i : i + 1], feat_cache=kept, feat_idx=[0], first_chunk=i == 0)
        for i in range(latents.shape[2])
    ]
    return torch.cat(chunks, dim=2)


def _statistics(vae: AutoencoderKLWan, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and deviation of the latents' channels, (1, 16, 1, 1, 1)."""
    tables = (torch.tensor(vae.config[name], device=device) for name in ("latents_mean", "latents_std"))
    mean, deviation = (table.view(1, -1, 1, 1, 1) for table in tables)
    return mean, deviation
