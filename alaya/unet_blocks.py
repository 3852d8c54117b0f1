"""What the 2.5-D U-Net is made of: residual blocks, mixing along time, attention, one context for a whole clip."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn


def time_embedding(t: Tensor, dim: int) -> Tensor:
    """Sinusoids of the flow time. ``t``: (B,) in [0, 1]; returns (B, dim)."""
    rates = torch.exp(-math.log(1e4) * torch.arange(dim // 2, device=t.device) / (dim // 2))
    angles = t[:, None] * 1000 * rates
    return torch.cat([angles.sin(), angles.cos()], -1)


def picture_plane(height: int, width: int, like: Tensor) -> Tensor:
    """Where a pixel lies in its picture: (2, height, width) of y and x in [-1, 1], the horizon prior of the net."""
    y = torch.linspace(-1, 1, height, device=like.device, dtype=like.dtype)
    x = torch.linspace(-1, 1, width, device=like.device, dtype=like.dtype)
    return torch.stack(torch.meshgrid(y, x, indexing="ij"))


def mix_channels(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A linear layer at every place, or a 1x1 convolution: (N, C, ...) with (C', C, ...) and (C',) -> (N, C', ...).

    The layers' own kernels add up in an order that depends on the number of threads; products of one weight with a
    frame's places do not, and the same seed shall give the same bytes on one core and on eight.
    """
    table = weight.flatten(1)
    mixed = table @ x.flatten(2) if x.ndim > 2 else (x[:, None] * table).sum(-1)
    mixed = mixed.reshape(len(x), len(table), *x.shape[2:])
    return mixed if bias is None else mixed + bias.view(-1, *[1] * (x.ndim - 2))


class TemporalMix(nn.Module):
    """A convolution along time at every pixel; starts as the identity so that single frames train first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv.weight)
        nn.init.zeros_(self.conv.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, x: Tensor, num_frames: int) -> Tensor:
        """``x``: (B*T, C, H, W) -> the same."""
        if num_frames == 1:
            # the middle tap alone: what zero padding on both sides leaves of the convolution
            return x + mix_channels(x, self.conv.weight[:, :, 1], self.conv.bias)
        # as a convolution over a picture of time by pixels: half the time of one line of time a pixel
        pixels = rearrange(x, "(b t) c h w -> b c t (h w)", t=num_frames)
        mixed = F.conv2d(pixels, self.conv.weight[..., None], self.conv.bias, padding=(1, 0))
        return x + rearrange(mixed, "b c t (h w) -> (b t) c h w", h=x.shape[2])


class Block(nn.Module):
    """Residual block; time, words and clip context scale and shift its middle."""

    def __init__(self, inputs: int, outputs: int, embed_dim: int, temporal: bool = False) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(8, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.film = nn.Linear(embed_dim, 2 * outputs)
        self.norm2 = nn.GroupNorm(8, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.mix = TemporalMix(outputs) if temporal else None
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, embed: Tensor, num_frames: int) -> Tensor:
        """``x``: (B*T, C, H, W); ``embed``: (B*T, E) after its activation."""
        hidden = self.conv1(F.silu(self.norm1(x)))
        scale, shift = mix_channels(embed, self.film.weight, self.film.bias)[:, :, None, None].chunk(2, 1)
        hidden = self.norm2(hidden) * (1 + scale) + shift
        x = self._pass(x) + self.conv2(F.silu(hidden))
        return x if self.mix is None else self.mix(x, num_frames)

    def _pass(self, x: Tensor) -> Tensor:
        return mix_channels(x, self.skip.weight, self.skip.bias) if isinstance(self.skip, nn.Conv2d) else x


class FrameAttention(nn.Module):
    """Self-attention over the places of each frame, at the coarsest level only."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(8, channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        """``x``: (B*T, C, H, W) -> the same."""
        height = x.shape[2]
        tokens = rearrange(self.norm(x), "n c h w -> n (h w) c")
        query, key, value = rearrange(self.qkv(tokens), "n l (k a d) -> k n a l d", k=3, a=self.heads)
        mixed = rearrange(F.scaled_dot_product_attention(query, key, value), "n a l d -> n l (a d)")
        return x + rearrange(self.out(mixed), "n (h w) c -> n c h w", h=height)


class ClipContext(nn.Module):
    """What a whole clip has in common (exposure, scale, light): its mean, put back into the embedding."""

    def __init__(self, channels: int, embed_dim: int, told: int = 0) -> None:
        """Make one that is told `told` numbers beside the mean, which is normalised then, so it cannot run off."""
        super().__init__()
        self.inner = nn.Linear(channels + told, embed_dim)
        self.out = nn.Linear(embed_dim, embed_dim)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, num_frames: int, numbers: Tensor | None = None) -> Tensor:
        """``x``: (B*T, C, H, W); ``numbers``: (B, told) -> (B*T, E)."""
        mean = rearrange(x.mean((2, 3)), "(b t) c -> b t c", t=num_frames).mean(1)
        if numbers is not None:
            mean = torch.cat([F.layer_norm(mean, mean.shape[1:]), numbers], 1)
        return self.out(F.silu(self.inner(mean))).repeat_interleave(num_frames, 0)
