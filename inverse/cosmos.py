"""The published inverse renderer's network: diffusers' Cosmos transformer where it differs, and its exact savings."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import CosmosTransformer3DModel  # pyright: ignore[reportPrivateImportUsage]
from diffusers.models.transformers.transformer_cosmos import CosmosAttnProcessor2_0, CosmosTransformerBlock
from einops import rearrange
from torch import Tensor, nn

from inverse.cosmos_places import PlaceTable, RoundedRotary

NUM_PASSES = 16
"""Rows of the table that tells the network which picture to draw."""

FIXED_CONFIG = {
    "max_size": (128, 240, 240),
    "patch_size": (1, 2, 2),
    "rope_scale": (1.0, 1.0, 1.0),
    "concat_padding_mask": False,
    "extra_pos_embed_type": "sincos",
}
"""What the published network has besides the sizes its tensors tell. The padding mask is always zero and the patch
embedding has no bias, so leaving its column out changes nothing."""


@dataclass(frozen=True)
class ClipTokens:
    """What the network needs of a window, worked out once for all passes and steps.

    Attributes:
        tokens: (1, tokens, width) the RGB half of the patch embedding.
        places: (1, tokens, width) the table every block adds.
        rotation: cosines and sines, (tokens, head width) float32 each.
        grid: (frames, rows, columns) of tokens.
    """

    tokens: Tensor
    places: Tensor
    rotation: tuple[Tensor, Tensor]
    grid: tuple[int, int, int]


@dataclass(frozen=True)
class StepTables:
    """What the network needs of a noise level: everything adaptive normalisation makes of it.

    Attributes:
        blocks: (blocks, 3, 3, width): for attention, context and MLP their shift, scale and gate.
        final: (2, width) shift and scale of the last normalisation.
    """

    blocks: Tensor
    final: Tensor


class ConstantContext(CosmosAttnProcessor2_0):
    """Attention to a context of equal tokens, which is W_o W_v of one of them whatever the query is."""

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **_: Any
    ) -> Tensor:
        """(B, tokens, width) and (B, n, context width) to (B, 1, width), which broadcasts over the tokens."""
        if encoder_hidden_states is None:
            raise ValueError("the context attention needs a context")
        return attn.to_out[0](attn.to_v(encoder_hidden_states[:, :1]))


class InverseBlock(CosmosTransformerBlock):
    """A block that also takes what its normalisations and its context come to, worked out before."""

    def forward(  # type: ignore[override]
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        embedded_timestep: Tensor,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        """As the base class; or, when `embedded_timestep` is (3, 3, width), with the ready values.

        Args:
            hidden_states: (B, tokens, width).
            encoder_hidden_states: (B, n, context width), or the ready (B, width).
            embedded_timestep: (B, width), or the block's part of `StepTables.blocks`.
            args: the base class's; when ready: None, rotation, places.
            kwargs: the base class's.
        """
        if args[0] is not None:
            return super().forward(hidden_states, encoder_hidden_states, embedded_timestep, *args, **kwargs)  # type: ignore[return-value]
        _, rotation, places = args
        (shift, scale, gate), (_, _, context_gate), (mlp_shift, mlp_scale, mlp_gate) = embedded_timestep
        hidden = hidden_states + places
        hidden = hidden + gate * self.attn1(
            self.norm1.norm(hidden) * (1 + scale) + shift, image_rotary_emb=rotation
        )
        hidden = hidden + (context_gate * encoder_hidden_states)[:, None]
        return hidden + mlp_gate * self.ff(self.norm3.norm(hidden) * (1 + mlp_scale) + mlp_shift)


class CosmosInverseTransformer(CosmosTransformer3DModel):
    """Noisy latents and an encoded clip (16 + 16 channels), a noise level and a pass number to a prediction.

    `forward` is diffusers' own, for training and everything built on it; `predict` is the same function for
    sampling, without what it would work out again and again.
    """

    folded: Tensor | None
    _no_split_modules = ["InverseBlock"]  # noqa: RUF012 - diffusers reads a list
    _repeated_blocks = ["InverseBlock"]  # noqa: RUF012

    @functools.wraps(CosmosTransformer3DModel.__init__)  # diffusers reads a config's fields off the signature
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**FIXED_CONFIG, **kwargs})
        width = self.config["num_attention_heads"] * self.config["attention_head_dim"]
        self.context_embedding = nn.Embedding(NUM_PASSES, self.config["text_embed_dim"])
        self.learnable_pos_embed: Any = PlaceTable(width)
        self.register_buffer("folded", None, persistent=False)
        for block in self.blocks:
            block.__class__ = InverseBlock
            block.attn2.set_processor(ConstantContext())
            for attention in (block.attn1, block.attn2):
                attention.norm_q.eps = attention.norm_k.eps = 1e-6  # the class's 1e-5 cannot be set by config

    @property
    def blocks(self) -> list[Any]:
        """The blocks in order."""
        return list(self.transformer_blocks)

    def fold_contexts(self) -> None:
        """Work the attention to the context out for all passes and let its weights go, a sixth of all.

        From now on the network can `predict`, but not `forward` or be saved.
        """
        self.folded = self.read_passes(torch.arange(NUM_PASSES)).detach()
        for block in self.blocks:
            block.attn2 = None

    def round_rotary(self) -> None:
        """Work the rotary angles out in bfloat16 from now on."""
        self.rope: Any = RoundedRotary(self.config["attention_head_dim"])

    def forward(  # type: ignore[override]
        self, hidden_states: Tensor, timestep: Tensor, passes: Tensor, **kwargs: Any
    ) -> Any:
        """The prediction (B, 16, t, h, w), as diffusers' class gives it.

        Args:
            hidden_states: (B, 32, t, h, w) scaled noisy latents, then the clip's.
            timestep: (B,) or (1,), 0.25 ln sigma.
            passes: (B,) which picture to draw, rows of the table.
            kwargs: of the base class.
        """
        context = self.context_embedding(passes)[:, None]
        return super().forward(hidden_states, timestep, context, **kwargs)

    @property
    def compute_dtype(self) -> torch.dtype:
        """What the big matrices are in."""
        return self.patch_embed.proj.weight.dtype

    def read_clip(self, clip: Tensor) -> ClipTokens:
        """The part of the network that only depends on the encoded clip, (1, 16, t, h, w)."""
        weight = self.patch_embed.proj.weight
        patches = _patches(clip.to(weight.dtype))
        t, h, w = clip.shape[2], clip.shape[3] // 2, clip.shape[4] // 2
        return ClipTokens(
            tokens=F.linear(patches, weight[:, patches.shape[-1] :]),
            places=self.learnable_pos_embed(clip.to(weight.dtype)),
            rotation=self.rope(clip),
            grid=(t, h, w),
        )

    def read_passes(self, passes: Tensor) -> Tensor:
        """What attention to the context comes to: (passes, blocks, width) for rows (passes,) of the table."""
        if self.folded is not None:
            return self.folded[passes]
        context = self.context_embedding(passes)
        outs = [block.attn2.to_out[0](block.attn2.to_v(context)) for block in self.blocks]
        return torch.stack(outs, dim=1)

    def read_step(self, timestep: Tensor) -> StepTables:
        """The tables of one noise level, (1,) 0.25 ln sigma."""
        time, embedded = self.time_embed(self.patch_embed.proj.weight[:1, :1], timestep)
        embedded = F.silu(embedded)
        norms = [
            norm.linear_2(norm.linear_1(embedded)) + time
            for block in self.blocks
            for norm in (block.norm1, block.norm2, block.norm3)
        ]
        last = self.norm_out.linear_2(self.norm_out.linear_1(embedded))
        final = last + time[:, : last.shape[1]]
        blocks = rearrange(torch.cat(norms), "(b n) (part d) -> b n part d", n=3, part=3)
        return StepTables(blocks, rearrange(final, "1 (part d) -> part d", part=2))

    def predict(self, noisy: Tensor, step: StepTables, clip: ClipTokens, contexts: Tensor) -> Tensor:
        """The prediction for some passes at once.

        Args:
            noisy: (passes, 16, t, h, w) scaled latents.
            step: of `read_step`.
            clip: of `read_clip`.
            contexts: (passes, blocks, width) of `read_passes`.

        Returns:
            (passes, 16, t, h, w) float32.
        """
        weight = self.patch_embed.proj.weight
        patches = _patches(noisy.to(weight.dtype))
        hidden = F.linear(patches, weight[:, : patches.shape[-1]]) + clip.tokens
        for number, block in enumerate(self.blocks):
            hidden = block(hidden, contexts[:, number], step.blocks[number], None, clip.rotation, clip.places)
        shift, scale = step.final
        hidden = self.proj_out(self.norm_out.norm(hidden) * (1 + scale) + shift)
        t, h, w = clip.grid
        return rearrange(hidden, "b (t h w) (p q c) -> b c t (h p) (w q)", t=t, h=h, w=w, p=2, q=2).float()


def _patches(latents: Tensor) -> Tensor:
    """(B, C, t, h, w) to (B, tokens, values of a 2x2 patch), channels slowest."""
    return rearrange(latents, "b c t (h p) (w q) -> b (t h w) (c p q)", p=2, q=2)
