"""The published editing network's attention, what repeats taken out: text keys, the guidance pair's first layer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn
from diffusers.models.transformers.transformer_wan import WanAttnProcessor
from torch import Tensor


@dataclass(frozen=True)
class TextLayer:
    """What one layer's cross-attention sees of a text.

    Attributes:
        key: (1, n, heads, head width), normalised.
        value: (1, n, heads, head width).
        bias: (1, 1, 1, n) added to the scores, or None.
    """

    key: Tensor
    value: Tensor
    bias: Tensor | None


def text_layer(attention: Any, text: Tensor, real: int, fold: bool) -> TextLayer:
    """Keys and values of a text for one layer.

    Args:
        attention: the layer's cross-attention.
        text: (1, 512, width) embedded tokens, all after the first `real` equal (they stand for zero rows).
        real: number of tokens that say something.
        fold: keep one of m equal rows, with the bias log m: the softmax is the same. Needs an attention back
            end that takes a bias.
    """
    repeats = text.shape[1] - real
    rows = text[:, : real + 1] if repeats else text
    key = attention.norm_k(attention.to_k(rows)).unflatten(2, (attention.heads, -1))
    value = attention.to_v(rows).unflatten(2, (attention.heads, -1))
    if repeats <= 1:
        return TextLayer(key, value, None)
    if not fold:
        return TextLayer(_repeated(key, repeats), _repeated(value, repeats), None)
    logs = folded_logs(repeats, key.dtype)
    bias = torch.tensor([0.0] * real + logs, dtype=key.dtype, device=key.device)
    return TextLayer(_repeated(key, len(logs)), _repeated(value, len(logs)), bias[None, None, None])


def _repeated(rows: Tensor, repeats: int) -> Tensor:
    """(1, n, heads, width) with the last row `repeats` times."""
    return torch.cat([rows[:, :-1], rows[:, -1:].expand(-1, repeats, -1, -1)], dim=1)


def folded_logs(repeats: int, dtype: torch.dtype) -> list[float]:
    """Numbers that `dtype` holds exactly and whose exponentials add up to `repeats`, to a part in a million.

    One is enough in float32; bfloat16 would be off by a percent and takes three or four.
    """
    logs: list[float] = []
    rest = float(repeats)
    while rest > 1e-6 * repeats and len(logs) < 4:
        nearest = torch.tensor(math.log(rest), dtype=dtype)
        if float(nearest) > math.log(rest):
            nearest = torch.nextafter(nearest, torch.tensor(-math.inf, dtype=dtype))
        logs.append(float(nearest))
        rest -= math.exp(logs[-1])
    return logs


class TextAttention(WanAttnProcessor):
    """Cross-attention that also takes a `TextLayer` where the tokens stand."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Any = None,
        attention_mask: Tensor | None = None,
        rotary_emb: Any = None,
    ) -> Tensor:
        """As diffusers' processor."""
        layer = encoder_hidden_states
        if not isinstance(layer, TextLayer):
            return super().__call__(attn, hidden_states, layer, attention_mask, rotary_emb)
        query = _normalised(attn.to_q(hidden_states), attn.norm_q).unflatten(2, (attn.heads, -1))
        # Few keys, and a bias that not every back end takes: torch's own choice unless this layer was set.
        backend = self._attention_backend or AttentionBackendName.NATIVE
        seen = dispatch_attention_fn(query, layer.key, layer.value, attn_mask=layer.bias, backend=backend)
        return attn.to_out[0](seen.flatten(2, 3).type_as(query))


class FrameAttention(WanAttnProcessor):
    """Self-attention that also takes complex rotations, and can give its last answer again."""

    def __init__(self) -> None:
        super().__init__()
        self._sharing = False
        self._answer: Tensor | None = None

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Inside, the first call's answer is every call's: for inputs that are known to be the same."""
        self._sharing = True
        try:
            yield
        finally:
            self._sharing, self._answer = False, None

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        rotary_emb: Any = None,
    ) -> Tensor:
        """As diffusers' processor; `rotary_emb` may be one complex (1, tokens, 1, head width / 2)."""
        if not isinstance(rotary_emb, Tensor):
            return super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, rotary_emb)
        if self._answer is not None:
            return self._answer
        query = _rotated(_normalised(attn.to_q(hidden_states), attn.norm_q), attn.heads, rotary_emb)
        key = _rotated(_normalised(attn.to_k(hidden_states), attn.norm_k), attn.heads, rotary_emb)
        value = attn.to_v(hidden_states).unflatten(2, (attn.heads, -1))
        seen = dispatch_attention_fn(
            query, key, value, backend=self._attention_backend, parallel_config=self._parallel_config
        )
        answer = attn.to_out[0](seen.flatten(2, 3).type_as(query))
        if self._sharing:
            self._answer = answer
        return answer


def _normalised(rows: Tensor, norm: Any) -> Tensor:
    """What a module of root mean square normalisation makes of fresh rows, which are lost."""
    if rows.dtype != torch.float32 or rows.device.type != "cpu":
        return norm(rows)  # one kernel there; a CPU goes over the memory six times
    length = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    scale = (length.square_() / rows.shape[-1] + norm.eps).rsqrt_()
    return rows.mul_(scale).mul_(norm.weight)


def _rotated(rows: Tensor, heads: int, rotation: Tensor) -> Tensor:
    """(1, tokens, width) to (1, tokens, heads, head width), neighbouring pairs turned as complex numbers.

    Rows of float32 are turned where they lie.
    """
    pairs = rows.unflatten(2, (heads, -1, 2)).float().contiguous()
    if torch.compiler.is_compiling():  # which knows no complex numbers
        real, imaginary, (cosine, sine) = *pairs.unbind(-1), torch.view_as_real(rotation).unbind(-1)
        turned = (real * cosine - imaginary * sine, real * sine + imaginary * cosine)
        return torch.stack(turned, dim=-1).flatten(3).type_as(rows)
    return torch.view_as_real(torch.view_as_complex(pairs).mul_(rotation)).flatten(3).type_as(rows)
