"""The sizes the published networks are measured in: as published, a quarter as wide for a CPU, and one for a test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Window = tuple[int, int, int]


@dataclass(frozen=True)
class Size:
    """How large the networks are, and what they are asked.

    Attributes:
        name: for people.
        editing, inverse: what the networks are built with.
        editing_windows, inverse_windows: latents (frames, rows, columns); whole jobs are of the first.
        autoencoder, tokenizer: what the editing and the inverse model's autoencoders are built with.
        editing_video, inverse_video: (frames, height, width) for the autoencoders and whole jobs, of the first window.
    """

    name: str
    editing: dict[str, Any]
    inverse: dict[str, Any]
    editing_windows: tuple[Window, ...]
    inverse_windows: tuple[Window, ...]
    autoencoder: dict[str, Any]
    tokenizer: dict[str, Any]
    editing_video: Window
    inverse_video: Window


def _editing(heads: int, head_width: int, layers: int, ffn: int, text: int) -> dict[str, Any]:
    return {
        "num_attention_heads": heads,
        "attention_head_dim": head_width,
        "num_layers": layers,
        "ffn_dim": ffn,
        "text_dim": text,
        "freq_dim": 256,
        "in_channels": 96,
        "out_channels": 16,
        "cross_attn_norm": True,
    }


def _inverse(heads: int, head_width: int, layers: int, lora: int, context: int) -> dict[str, Any]:
    return {
        "num_attention_heads": heads,
        "attention_head_dim": head_width,
        "num_layers": layers,
        "adaln_lora_dim": lora,
        "text_embed_dim": context,
        "mlp_ratio": 4.0,
        "in_channels": 32,
        "out_channels": 16,
    }


def _tokenizer(*widths: int) -> dict[str, Any]:
    return {"encoder_block_out_channels": widths, "decode_block_out_channels": widths[1:] + widths[-1:]}


SIZES = {
    size.name: size
    for size in (
        Size(
            "tiny",
            _editing(2, 12, 2, 40, 16),
            _inverse(2, 12, 2, 8, 8),
            ((2, 4, 6),),
            ((2, 4, 6),),
            {"base_dim": 4},
            _tokenizer(4, 4, 8, 8),
            (5, 32, 48),
            (9, 32, 48),
        ),
        Size(
            "medium",
            _editing(3, 128, 6, 2240, 1024),
            _inverse(4, 128, 6, 64, 256),
            ((3, 16, 24), (5, 30, 52)),
            ((2, 24, 24), (4, 44, 44)),
            {"base_dim": 16},
            _tokenizer(16, 32, 64, 64),
            (9, 128, 192),
            (9, 192, 192),
        ),
        Size(
            "full",
            _editing(12, 128, 30, 8960, 4096),
            _inverse(32, 128, 28, 256, 1024),
            ((21, 60, 104),),
            ((8, 88, 160),),
            {},
            {},
            (81, 480, 832),
            (57, 704, 1280),
        ),
    )
}
