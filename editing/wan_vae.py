"""Pictures to latents and back with diffusers' Wan autoencoder, whole or in the reference's tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan, WanCausalConv3d
from torch import Tensor

SPACE, TIME = 8, 4
"""Pixels a latent on each side, and frames a latent frame."""


@dataclass(frozen=True)
class Tiles:
    """Tiles in latents: their (rows, columns), and the way from one to the next."""

    size: tuple[int, int]
    stride: tuple[int, int]


REFERENCE_TILES = Tiles(size=(30, 52), stride=(15, 26))


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
    pixels = Tiles(_times(tiles.size, SPACE), _times(tiles.stride, SPACE))
    return _tiled(pictures, pixels, 1 / SPACE, work)


@torch.no_grad()
def decode(vae: AutoencoderKLWan, latents: Tensor, tiles: Tiles | None = None) -> Tensor:
    """Pictures (1, 3, T, H, W) float32 in [-1, 1] of latents (1, 16, t, h, w)."""
    mean, deviation = _statistics(vae, latents.device)

    def work(part: Tensor) -> Tensor:
        return _decode_unclamped(vae, (part * deviation + mean).to(vae.dtype)).float()

    whole = work(latents) if tiles is None else _tiled(latents, tiles, SPACE, work)
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


def _tiled(whole: Tensor, tiles: Tiles, factor: float, work: Callable[[Tensor], Tensor]) -> Tensor:
    """Work on overlapping tiles and blend them with ramps, the smaller of the two ramps where they cross.

    Args:
        whole: (1, C, T, H, W).
        tiles: in units of `whole`.
        factor: by which `work` changes rows and columns.
        work: on a tile.
    """
    height, width = whole.shape[-2:]
    size = int(height * factor), int(width * factor)
    total, weights = torch.zeros(0), whole.new_zeros(size)
    for top, bottom in _spans(height, tiles.size[0], tiles.stride[0]):
        for left, right in _spans(width, tiles.size[1], tiles.stride[1]):
            done = work(whole[..., top:bottom, left:right])
            borders = _times(tiles.size, factor, tiles.stride)
            down = _ramp(done.shape[-2], borders[0], top > 0, bottom < height)
            across = _ramp(done.shape[-1], borders[1], left > 0, right < width)
            weight = torch.minimum(down[:, None], across[None]).to(done)
            if not total.numel():
                total = done.new_zeros(*done.shape[:3], *size)
            at = (slice(int(top * factor), None), slice(int(left * factor), None))
            rows, columns = done.shape[-2:]
            total[..., *at][..., :rows, :columns] += done * weight
            weights[at][:rows, :columns] += weight
    return total / weights


def _times(pair: tuple[int, int], factor: float, minus: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    return int((pair[0] - minus[0]) * factor), int((pair[1] - minus[1]) * factor)


def _spans(length: int, size: int, stride: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of the tiles along one side; a tile that adds nothing to the one before is left out."""
    for start in range(0, length, stride):
        if start and start - stride + size >= length:
            break
        yield start, min(start + size, length)


def _ramp(length: int, border: int, before: bool, after: bool) -> Tensor:
    """(length,) weights that rise over the border towards a neighbour and fall towards the next."""
    weights = torch.ones(length)
    rise = (torch.arange(border) + 1) / border
    if before:
        weights[:border] = rise
    if after:
        weights[-border:] = rise.flip(0)
    return weights
