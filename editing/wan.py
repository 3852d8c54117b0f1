"""The published game-editing network: diffusers' Wan transformer with the reference's rules and exact savings."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from einops import rearrange
from torch import Tensor, nn

from editing.wan_attention import FrameAttention, TextAttention, TextLayer, text_layer
from editing.wan_block import EditingBlock

TEXT_TOKENS = 512
NOISY_CHANNELS = 16
"""The first input channels, those of the latents being drawn; the G-buffers' 80 follow."""
CONDITIONS = ("albedo", "depth", "metallic", "normal", "roughness")
"""Order of the five encoded G-buffers, 16 channels each."""


Kept = Callable[[int, Tensor, Tensor, Callable[[Tensor], Tensor]], Tensor]
"""(number of a text, rows before the first block, rows behind it, the other blocks) -> rows behind all blocks."""


@dataclass(frozen=True)
class ClipTokens:
    """What the network needs of a window's G-buffers, worked out once.

    Attributes:
        tokens: (1, tokens, width) their half of the patch embedding, with its bias.
        rotation: complex (1, tokens, 1, head width / 2) of the tokens' places.
        grid: (frames, rows, columns) of tokens.
    """

    tokens: Tensor
    rotation: Tensor
    grid: tuple[int, int, int]


class ExactTimesteps(nn.Module):
    """The reference's sinusoid of a timestep: worked out in float64 (in float32 it is off by 3e-5)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, timestep: Tensor) -> Tensor:
        """(B,) timesteps to (B, width) float32, cosines first."""
        half = self.width // 2
        powers = torch.arange(half, dtype=torch.float64, device=timestep.device) / half
        angles = timestep.double()[:, None] * torch.exp(-math.log(10000) * powers)
        return torch.cat([angles.cos(), angles.sin()], dim=-1).float()


class WanEditingTransformer(WanTransformer3DModel):
    """Noisy latents and five encoded G-buffers (16 + 80 channels), a timestep and words to a velocity.

    `forward` is diffusers' own, for training and everything built on it; `velocities` is the same function for
    sampling, without what it would work out again and again. Timesteps are rounded to bfloat16 by the caller
    (`editing.wan_sampler`), as the reference does.
    """

    _no_split_modules = ["EditingBlock"]  # noqa: RUF012 - diffusers reads a list
    _repeated_blocks = ["EditingBlock"]  # noqa: RUF012

    @functools.wraps(WanTransformer3DModel.__init__)  # diffusers reads a config's fields off the signature
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        embedder: Any = self.condition_embedder
        embedder.timesteps_proj = ExactTimesteps(self.config["freq_dim"])
        blocks: Any = self.blocks
        for block in blocks:
            block.__class__ = EditingBlock
            block.attn1.set_processor(FrameAttention())
            block.attn2.set_processor(TextAttention())

    def forward(  # type: ignore[override]
        self, hidden_states: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, **kwargs: Any
    ) -> Any:
        """Velocity (B, 16, t, h, w), as diffusers' class gives it; texts are padded with zeros to 512 tokens.

        Args:
            hidden_states: (B, 96, t, h, w) latents, then the G-buffers in the order of `CONDITIONS`.
            timestep: (B,) in [0, 1000].
            encoder_hidden_states: (B, n <= 512, text width).
            kwargs: of the base class.
        """
        padded: Any = pad_text(encoder_hidden_states)
        steps: Any = timestep  # the base class says LongTensor and takes any
        return super().forward(hidden_states, steps, padded, **kwargs)

    @property
    def compute_dtype(self) -> torch.dtype:
        """What the big matrices are in; norms and tables may be wider."""
        return self.patch_embedding.weight.dtype

    def read_clip(self, conditions: Tensor) -> ClipTokens:
        """The part of the network that only depends on the G-buffers, (1, 80, t, h, w)."""
        weight, bias = self.patch_embedding.weight[:, NOISY_CHANNELS:], self.patch_embedding.bias
        patches, grid = self._patches(conditions.to(weight.dtype))
        cosines, sines = self.rope(conditions)
        rotation = torch.complex(cosines[..., ::2].float(), sines[..., 1::2].float())
        return ClipTokens(F.linear(patches, weight.flatten(1), bias), rotation, grid)

    def read_text(self, text: Tensor, fold: bool = True) -> tuple[TextLayer, ...]:
        """The part of the network that only depends on a text, (1, n, text width): one entry a layer.

        Args:
            text: the encoder's rows for the real tokens.
            fold: see `editing.wan_attention.text_layer`.
        """
        padded = pad_text(text).to(self.compute_dtype)
        embedded = self.condition_embedder.text_embedder(padded)
        return tuple(text_layer(block.attn2, embedded, text.shape[1], fold) for block in self.blocks)

    @torch.no_grad()
    def velocities(
        self,
        noisy: Tensor,
        timestep: Tensor,
        clip: ClipTokens,
        texts: list[tuple[TextLayer, ...]],
        kept: Kept | None = None,
    ) -> list[Tensor]:
        """The velocity for each text, what they have in common worked out once.

        Args:
            noisy: (1, 16, t, h, w) latents.
            timestep: (1,) in [0, 1000].
            clip: of `read_clip`.
            texts: of `read_text`.
            kept: may stand in for the blocks after the first (`editing.wan_switches.Remainder`).

        Returns:
            (1, 16, t, h, w) float32, one a text.
        """
        dtype = self.compute_dtype
        weight = self.patch_embedding.weight[:, :NOISY_CHANNELS].flatten(1)
        tokens = F.linear(self._patches(noisy.to(dtype))[0], weight) + clip.tokens
        embedder: Any = self.condition_embedder
        sinusoid = embedder.timesteps_proj(timestep).to(next(embedder.time_embedder.parameters()).dtype)
        time = embedder.time_embedder(sinusoid).to(dtype)
        modulation = embedder.time_proj(embedder.act_fn(time)).unflatten(1, (6, -1))
        # Words first come in after the first block's self-attention, which is therefore the same for all.
        first: Any = self.blocks[0]
        sharing = first.attn1.processor.shared() if len(texts) > 1 else nullcontext()
        with sharing:
            hidden = [first(tokens, text[0], modulation, clip.rotation) for text in texts]
        drawn = []
        for number, (rows, text) in enumerate(zip(hidden, texts, strict=True)):
            rest = functools.partial(self._rest, text=text, modulation=modulation, clip=clip)
            rows = rest(rows) if kept is None else kept(number, tokens, rows, rest)
            drawn.append(self._head(rows, time, clip))
        return drawn

    def _rest(
        self, rows: Tensor, text: tuple[TextLayer, ...], modulation: Tensor, clip: ClipTokens
    ) -> Tensor:
        """All blocks but the first."""
        for block, layer in zip(self.blocks[1:], text[1:], strict=True):
            rows = block(rows, layer, modulation, clip.rotation)
        return rows

    def _head(self, rows: Tensor, time: Tensor, clip: ClipTokens) -> Tensor:
        """Rows behind the blocks to a velocity."""
        shift, scale = (self.scale_shift_table + time.unsqueeze(1)).chunk(2, dim=1)
        rows = (self.norm_out(rows.float()) * (1 + scale) + shift).type_as(rows)
        (t, h, w), (o, p, q) = clip.grid, self.config["patch_size"]
        pattern = "b (t h w) (o p q c) -> b c (t o) (h p) (w q)"
        return rearrange(self.proj_out(rows), pattern, t=t, h=h, w=w, o=o, p=p, q=q).float()

    def _patches(self, planes: Tensor) -> tuple[Tensor, tuple[int, int, int]]:
        """(1, c, t, h, w) to (1, tokens, values of a patch), and the tokens' grid."""
        o, p, q = self.config["patch_size"]
        patches = rearrange(planes, "b c (t o) (h p) (w q) -> b t h w (c o p q)", o=o, p=p, q=q)
        _, t, h, w, _ = patches.shape
        return patches.flatten(1, 3), (t, h, w)


def pad_text(text: Tensor) -> Tensor:
    """(B, n, width) to (B, 512, width) with zero rows, which the network attends to: it was trained so."""
    return F.pad(text, (0, 0, 0, TEXT_TOKENS - text.shape[1]))
