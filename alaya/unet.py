"""The 2.5-D U-Net both embedded models are made of, and its sizes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from alaya.parts import in_parts
from alaya.unet_blocks import (
    Block,
    ClipContext,
    FrameAttention,
    mix_channels,
    picture_plane,
    time_embedding,
)

MAX_SIZE = 4096  # more than any network here needs: a damaged card must not fill the memory

HEAD_FRAMES = 4  # that go through the finest levels together where no gradient is wanted


@dataclass(frozen=True)
class UNetConfig:
    """Every size of the network.

    Attributes:
        in_channels: channels of the conditions (RGB, or the coded G-buffers).
        out_channels: channels of the prediction, and of the noisy target where there is one.
        words_dim: width of the text embedding, 0 for a model without words.
        widths: channels at 1/patch, 1/(2 patch) and 1/(4 patch) of the working size.
        patch: side of the pixel block folded into channels at the door (and unfolded at the exit).
        head_width: channels of the half-size head that restores sharp edges.
        embed_dim: width of the time, words and clip-context embedding.
        heads: attention heads at the coarsest level.
        deep_blocks: residual blocks at the coarsest level, an even number; every second one is followed by attention.
        statistics: how many numbers of each condition over the clip the context is told: 2 (mean, spread) or 0.
        exit_groups: groups of the normalisation before the way out, 0 for none: features may run off there otherwise,
            to where their activation gives nothing.
    """

    in_channels: int
    out_channels: int
    words_dim: int = 0
    widths: tuple[int, int, int] = (48, 96, 192)
    patch: int = 4
    head_width: int = 32
    embed_dim: int = 128
    heads: int = 4
    deep_blocks: int = 4
    statistics: int = 0
    exit_groups: int = 0

    def __post_init__(self) -> None:
        sizes = [getattr(self, field.name) for field in fields(self) if field.name != "widths"] + [
            *self.widths
        ]
        if len(self.widths) != 3 or any(type(size) is not int or not 0 <= size <= MAX_SIZE for size in sizes):
            raise ValueError(
                f"sizes of a U-Net are whole numbers up to {MAX_SIZE}, three of them widths: {self}"
            )
        if self.deep_blocks % 2 or self.statistics not in (0, 2):
            raise ValueError(f"deep_blocks must be even, statistics 0 or 2: {self}")
        if any(width % 8 for width in self.widths) or self.widths[2] % self.heads:
            raise ValueError(f"widths must be multiples of 8, the last one of heads: {self}")
        if self.exit_groups and self.widths[0] % self.exit_groups:
            raise ValueError(f"the first width must be a multiple of exit_groups: {self}")


def config_of(network: dict[str, Any]) -> UNetConfig:
    """The sizes that the network part of a card states; what is not a size of the U-Net is left out."""
    names = {field.name for field in fields(UNetConfig)}
    values = {key: value for key, value in network.items() if key in names}
    return UNetConfig(**{**values, "widths": tuple(values["widths"])})


def _statistics(frames: Tensor, num_frames: int) -> Tensor:
    """Mean and spread of every condition over its clip: (B*T, C, H, W) -> (B, 2 C), spreads at about one."""
    clips = rearrange(frames, "(b t) c h w -> b c (t h w)", t=num_frames)
    return torch.cat([clips.mean(2) * 2, clips.std(2) * 2], 1)


class UNet(nn.Module):
    """Predicts a clean clip from a noisy one and its conditions, frame by frame with temporal mixing."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        top, middle, deep = config.widths
        embed, folded = config.embed_dim, config.patch**2

        def block(inputs: int, outputs: int, temporal: bool = False) -> Block:
            return Block(inputs, outputs, embed, temporal)

        self.time = nn.Sequential(nn.Linear(64, embed), nn.SiLU(), nn.Linear(embed, embed))
        self.words = nn.Linear(config.words_dim, embed) if config.words_dim else None
        self.stem = nn.Conv2d(config.in_channels * folded + 2, top, 3, padding=1)
        # apart from the stem, so that a first step, where nothing of the target is known, costs nothing
        self.noisy = nn.Conv2d(config.out_channels * folded, top, 1, bias=False)
        self.down0 = nn.ModuleList([block(top, top)])
        self.shrink0 = nn.Conv2d(top, middle, 3, stride=2, padding=1)
        self.down1 = nn.ModuleList([block(middle, middle, True), block(middle, middle)])
        self.shrink1 = nn.Conv2d(middle, deep, 3, stride=2, padding=1)
        self.deep = nn.ModuleList([block(deep, deep, index % 2 == 0) for index in range(config.deep_blocks)])
        self.attention = nn.ModuleList(
            [FrameAttention(deep, config.heads) for _ in range(config.deep_blocks // 2)]
        )
        self.context = ClipContext(deep, embed, config.statistics * config.in_channels)
        self.grow1 = nn.ConvTranspose2d(deep, middle, 2, stride=2)
        self.up1 = nn.ModuleList([block(2 * middle, middle, True), block(middle, middle)])
        self.grow0 = nn.ConvTranspose2d(middle, top, 2, stride=2)
        self.up0 = nn.ModuleList([block(2 * top, top), block(top, top)])
        self.exit_norm = nn.GroupNorm(config.exit_groups, top) if config.exit_groups else nn.Identity()
        self.exit = nn.Conv2d(top, config.out_channels * folded, 3, padding=1)
        self.head = self._make_head()

    def _make_head(self) -> nn.Sequential:
        config = self.config
        head = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * (config.in_channels + config.out_channels), config.head_width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(config.head_width, config.head_width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(config.head_width, 4 * config.out_channels, 3, padding=1),
            nn.PixelShuffle(2),
        )
        last = head[5]
        nn.init.zeros_(last.weight)  # pyright: ignore[reportArgumentType]
        nn.init.zeros_(last.bias)  # pyright: ignore[reportArgumentType]
        return head

    def forward(
        self, conditions: Tensor, t: Tensor, words: Tensor | None = None, noisy: Tensor | None = None
    ) -> Tensor:
        """Predict the clean clip.

        Args:
            conditions: (B, T, in_channels, H, W); H and W multiples of 8 (and of ``patch``).
            t: (B,) flow time, 1 where nothing of the target is known.
            words: (B, words_dim) or None.
            noisy: (B, T, out_channels, H, W), the target at time ``t``; None is the same as zeros.

        Returns:
            (B, T, out_channels, H, W).
        """
        num_frames = conditions.shape[1]
        frames = rearrange(conditions, "b t c h w -> (b t) c h w")
        embed = self.time(time_embedding(t, 64))
        if self.words is not None and words is not None:
            embed = embed + self.words(words)
        embed = embed.repeat_interleave(num_frames, 0)
        start = None if noisy is None else rearrange(noisy, "b t c h w -> (b t) c h w")
        rough = self._body(frames, start, embed, num_frames)
        sharp = self._sharpen(frames, rough)
        return rearrange(sharp, "(b t) c h w -> b t c h w", t=num_frames)

    def _sharpen(self, frames: Tensor, rough: Tensor) -> Tensor:
        """Add what the half-size head restores."""
        if torch.is_grad_enabled():
            return self._with_head(frames, rough)
        return in_parts(self._with_head, torch.empty_like(rough), frames, rough, size=HEAD_FRAMES)

    def _with_head(self, frames: Tensor, rough: Tensor) -> Tensor:
        return rough + self.head(torch.cat([frames, rough], 1))

    def _body(self, frames: Tensor, noisy: Tensor | None, embed: Tensor, num_frames: int) -> Tensor:
        config = self.config
        # first, as it copies all the frames: later the clip's features lie in memory too
        numbers = _statistics(frames, num_frames) if config.statistics else None
        code = F.silu(embed)
        fine = self._run(self.down0, self._enter(frames, noisy), code, num_frames)
        half = self._run(self.down1, self.shrink0(fine), code, num_frames)
        deep = self.shrink1(half)  # (N, deep, H/4p, W/4p)
        for index, block in enumerate(self.deep):
            deep = block(deep, code, num_frames)
            if index % 2:
                deep = self.attention[index // 2](deep)
        code = F.silu(embed + self.context(deep, num_frames, numbers))
        up = self._join(self.grow1(deep), half)
        up = self._run(self.up1, up, code, num_frames)
        if torch.is_grad_enabled():
            return self._leave(up, fine, code, num_frames)
        left = up.new_empty(len(up), config.out_channels, *frames.shape[2:])
        leave = partial(self._leave, num_frames=num_frames)
        return in_parts(leave, left, up, fine, code, size=HEAD_FRAMES)

    def _enter(self, frames: Tensor, noisy: Tensor | None) -> Tensor:
        """The way in to the finest level, a few frames at a time where no gradient is wanted."""
        given = (frames,) if noisy is None else (frames, noisy)
        if torch.is_grad_enabled():
            return self._stem(*given)
        p, top = self.config.patch, self.config.widths[0]
        entered = frames.new_empty(len(frames), top, frames.shape[2] // p, frames.shape[3] // p)
        return in_parts(self._stem, entered, *given, size=HEAD_FRAMES)

    def _stem(self, frames: Tensor, noisy: Tensor | None = None) -> Tensor:
        """Blocks of pixels folded into channels, beside their place in the picture."""
        folded = F.pixel_unshuffle(frames, self.config.patch)  # (N, C*p*p, H/p, W/p)
        plane = picture_plane(folded.shape[2], folded.shape[3], folded).expand(len(folded), -1, -1, -1)
        x = self.stem(torch.cat([folded, plane], 1))
        if noisy is None:
            return x
        return x + mix_channels(F.pixel_unshuffle(noisy, self.config.patch), self.noisy.weight)

    def _leave(self, up: Tensor, fine: Tensor, code: Tensor, num_frames: int) -> Tensor:
        """The finest level on the way up, where no frame sees another, and the exit."""
        up = self._run(self.up0, self._join(self.grow0(up), fine), code, num_frames)
        return F.pixel_shuffle(self.exit(F.silu(self.exit_norm(up))), self.config.patch)

    @staticmethod
    def _run(blocks: nn.ModuleList, x: Tensor, embed: Tensor, num_frames: int) -> Tensor:
        for block in blocks:
            x = block(x, embed, num_frames)
        return x

    @staticmethod
    def _join(grown: Tensor, skip: Tensor) -> Tensor:
        """Put an enlarged map beside its skip; odd sizes grow by one row or column too many."""
        return torch.cat([grown[..., : skip.shape[2], : skip.shape[3]], skip], 1)
