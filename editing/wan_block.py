"""A layer of the published editing network as sampling runs it: the same function in fewer passes over memory."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.transformers.transformer_wan import WanTransformerBlock
from torch import Tensor

from editing.wan_attention import TextLayer


class EditingBlock(WanTransformerBlock):
    """A layer that also takes a text that was read before; then it is for sampling, one clip at a time."""

    def forward(  # type: ignore[override]
        self, hidden_states: Tensor, encoder_hidden_states: Any, temb: Tensor, rotary_emb: Any
    ) -> Tensor:
        """As the base class; with a `TextLayer` in the place of the text, of which no gradient is asked.

        Args:
            hidden_states: (1, tokens, width).
            encoder_hidden_states: what the layer sees of the text.
            temb: (1, 6, width): shift, scale and gate for looking and for thinking.
            rotary_emb: complex (1, tokens, 1, head width / 2).
        """
        text = encoder_hidden_states
        if not isinstance(text, TextLayer):
            return super().forward(hidden_states, text, temb, rotary_emb)  # type: ignore[return-value]
        rows = hidden_states
        table = (self.scale_shift_table + temb.float())[0]
        looked: Any = self.attn1(_modulated(rows, table[0], table[1], self.norm1.eps), None, None, rotary_emb)
        rows = torch.addcmul(rows, looked, table[2]).type_as(rows)
        read: Any = self.attn2(self.norm2(rows.float()).type_as(rows), text, None, None)
        rows = rows + read
        layers: Any = self.ffn.net
        enter, _, leave = layers
        thought = enter.proj(_modulated(rows, table[3], table[4], self.norm3.eps))
        thought = leave(torch.ops.aten.gelu_(thought, approximate="tanh"))
        return torch.addcmul(rows, thought, table[5]).type_as(rows)


def _modulated(rows: Tensor, shift: Tensor, scale: Tensor, eps: float) -> Tensor:
    """Normalised, scaled and shifted in one pass, in float32."""
    return F.layer_norm(rows.float(), scale.shape, 1 + scale, shift, eps).type_as(rows)
