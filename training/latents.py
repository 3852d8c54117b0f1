"""Samples of worlds as a published model's pictures, and their latents, each worked out once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor

from alaya.gbuffer import CHANNELS, GBuffer
from training.data import Batch

KEPT_BYTES = 4 * 2**30
"""How much memory encoded videos may take; those not used for longest go first."""


def to_gbuffer(sample: Batch) -> GBuffer:
    """The five channels of a sample (T, C, H, W), as `alaya.gbuffer` has them."""
    return GBuffer(**{name: rearrange(sample[name], "t c h w -> t h w c").numpy() for name in CHANNELS})


def to_video(sample: Batch) -> Tensor:
    """The picture of a sample as a video (3, T, H, W) in [-1, 1]."""
    return rearrange(sample["rgb"], "t c h w -> c t h w") * 2 - 1


class LatentCache:
    """An encoder that remembers: recipes that show clips whole see the same videos again and again.

    Args:
        encode: (1, 3, T, H, W) in [-1, 1] to (1, C, t, h, w), always the same for the same video.
        limit: bytes to keep.
    """

    def __init__(self, encode: Callable[[Tensor], Tensor], limit: int = KEPT_BYTES) -> None:
        self.encode, self.limit, self.bytes = encode, limit, 0
        self.kept: OrderedDict[bytes, Tensor] = OrderedDict()

    def __call__(self, videos: Tensor) -> Tensor:
        """Latents (B, n, C, t, h, w) of videos (B, n, 3, T, H, W), where those are and outside of autograd."""
        flat = videos.flatten(0, 1).split(1)
        return torch.cat([self._one(video) for video in flat]).unflatten(0, videos.shape[:2])

    def _one(self, video: Tensor) -> Tensor:
        numbers = video.detach().cpu().contiguous().numpy()
        key = hashlib.blake2b(numbers.data, person=str(numbers.shape)[-16:].encode()).digest()
        if key not in self.kept:
            with torch.no_grad(), torch.autocast(video.device.type, enabled=False):
                self.kept[key] = self.encode(video).float().cpu()
            self.bytes += self.kept[key].nbytes
        self.kept.move_to_end(key)
        latents = self.kept[key].to(video.device)
        while self.bytes > self.limit:
            self.bytes -= self.kept.popitem(last=False)[1].nbytes
        return latents
