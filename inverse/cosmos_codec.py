"""Between clips and the published renderer's latents: the tokenizer and the statistics that go with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKLCosmos  # pyright: ignore[reportPrivateImportUsage]
from einops import rearrange
from torch import Tensor

from alaya.errors import RequestError, WeightsError
from alaya.frames import check_num_frames
from alaya.tiles import Tiles, work_tiled
from inverse.cosmos_outline import TILE, TILE_STRIDE

SIGMA_DATA = 0.5
"""Spread the network expects of latents."""
RATIO = 8
"""Pixels a latent is long, in every direction."""
TILES = Tiles(TILE, TILE_STRIDE)
"""In latents, for a device too small for the whole."""


@dataclass(frozen=True)
class LatentStatistics:
    """Mean and spread of the tokenizer's latents; single pictures have their own.

    Attributes:
        mean, std: (16, frames) of a clip's latent frames in order.
        image_mean, image_std: (16, 1).
    """

    mean: Tensor
    std: Tensor
    image_mean: Tensor
    image_std: Tensor

    @classmethod
    def read(cls, clip: Mapping[str, Tensor], image: Mapping[str, Tensor], channels: int) -> LatentStatistics:
        """Of mean_std.pt and image_mean_std.pt, each a pair of tables; float32 and finite, spreads above 0."""
        pairs = [
            _pair(values, channels, name)
            for values, name in ((clip, "mean_std.pt"), (image, "image_mean_std.pt"))
        ]
        statistics = cls(*pairs[0], *pairs[1])
        if statistics.image_mean.shape[1] != 1:
            raise WeightsError(
                f"image_mean_std.pt: {statistics.image_mean.shape[1]} values a channel, expected 1"
            )
        return statistics

    @property
    def max_frames(self) -> int:
        """The longest clip it knows, in pictures."""
        return (self.mean.shape[1] - 1) * RATIO + 1

    def of(self, num_latents: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Mean and spread as (1, 16, num_latents, 1, 1)."""
        pair = (self.image_mean, self.image_std) if num_latents == 1 else (self.mean, self.std)
        mean, std = (rearrange(table[:, :num_latents], "c t -> 1 c t 1 1").to(device) for table in pair)
        return mean, std


def _pair(values: Mapping[str, Tensor], channels: int, name: str) -> tuple[Tensor, Tensor]:
    if len(values) != 2 or any(values[key].numel() % channels or not values[key].numel() for key in values):
        raise WeightsError(f"{name}: not a mean and a spread of {channels} channels")
    mean, std = (values[key].float().reshape(channels, -1).clone() for key in values)
    if mean.shape != std.shape or not bool(
        mean.isfinite().all() and std.isfinite().all() and (std > 0).all()
    ):
        raise WeightsError(f"{name}: not a mean and a spread above 0")
    return mean, std


class CosmosCodec:
    """The tokenizer with its statistics.

    Attributes:
        tiles: in latents, if it works in tiles; on the whole when None.
    """

    tiles: Tiles | None = None

    def __init__(self, vae: AutoencoderKLCosmos, statistics: LatentStatistics) -> None:
        self.vae, self.statistics = vae, statistics

    @property
    def device(self) -> torch.device:
        """Where the tokenizer lies."""
        return self.vae.device

    @torch.inference_mode()
    def raw_latents(self, video: Tensor) -> Tensor:
        """(B, 3, 8n+1, H, W) in [-1, 1] to (B, 16, n+1, H/8, W/8) as the tokenizer gives them, float32."""
        video = video.to(self.device, self.vae.dtype)

        def work(part: Tensor) -> Tensor:
            posterior = self.vae.encode(part, return_dict=False)[0]
            return posterior.mode().float()  # pyright: ignore[reportAttributeAccessIssue]

        return (
            work(video) if self.tiles is None else work_tiled(video, self.tiles.times(RATIO), 1 / RATIO, work)
        )

    @torch.inference_mode()
    def raw_video(self, latents: Tensor) -> Tensor:
        """The way back from `raw_latents`; about [-1, 1]."""
        latents = latents.to(self.device, self.vae.dtype)

        def work(part: Tensor) -> Tensor:
            return self.vae.decode(part, return_dict=False)[0].float()

        return work(latents) if self.tiles is None else work_tiled(latents, self.tiles, RATIO, work)

    def encode(self, video: Tensor) -> Tensor:
        """(B, 3, T, H, W) in [-1, 1] to latents of the spread the network expects.

        Raises:
            RequestError: T is no 8n+1 or beyond what the statistics know.
        """
        check_num_frames(video.shape[2])
        if video.shape[2] > self.statistics.max_frames:
            raise RequestError(
                f"num_frames is {video.shape[2]}, this model knows windows of at most {self.statistics.max_frames}"
            )
        latents = self.raw_latents(video)
        mean, std = self.statistics.of(latents.shape[2], latents.device)
        return (latents - mean) / std * SIGMA_DATA

    def decode(self, latents: Tensor) -> Tensor:
        """The way back from `encode`; not clamped."""
        mean, std = self.statistics.of(latents.shape[2], latents.device)
        return self.raw_video(latents / SIGMA_DATA * std + mean)
