"""The names of the published editing files' tensors, and what diffusers and transformers call them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Shapes = Mapping[str, tuple[int, ...]]
Rename = Callable[[str], str]

_ATTENTION = {"q": "to_q", "k": "to_k", "v": "to_v", "o": "to_out.0", "norm_q": "norm_q", "norm_k": "norm_k"}
_TRANSFORMER = (
    (r"^(blocks\.\d+)\.ffn\.0\.", r"\1.ffn.net.0.proj."),
    (r"^(blocks\.\d+)\.ffn\.2\.", r"\1.ffn.net.2."),
    (r"^(blocks\.\d+)\.norm3\.", r"\1.norm2."),
    (r"^(blocks\.\d+)\.modulation$", r"\1.scale_shift_table"),
    (r"^text_embedding\.0\.", "condition_embedder.text_embedder.linear_1."),
    (r"^text_embedding\.2\.", "condition_embedder.text_embedder.linear_2."),
    (r"^time_embedding\.0\.", "condition_embedder.time_embedder.linear_1."),
    (r"^time_embedding\.2\.", "condition_embedder.time_embedder.linear_2."),
    (r"^time_projection\.1\.", "condition_embedder.time_proj."),
    (r"^head\.head\.", "proj_out."),
    (r"^head\.modulation$", "scale_shift_table"),
)
_RESIDUAL = {"0": "norm1", "2": "conv1", "3": "norm2", "6": "conv2"}
_VAE = (
    (r"^conv1\.", "quant_conv."),
    (r"^conv2\.", "post_quant_conv."),
    (r"^(encoder|decoder)\.conv1\.", r"\1.conv_in."),
    (r"^(encoder|decoder)\.head\.0\.", r"\1.norm_out."),
    (r"^(encoder|decoder)\.head\.2\.", r"\1.conv_out."),
    (r"\.middle\.0\.", ".mid_block.resnets.0."),
    (r"\.middle\.1\.", ".mid_block.attentions.0."),
    (r"\.middle\.2\.", ".mid_block.resnets.1."),
    (r"\.downsamples\.", ".down_blocks."),
    (r"\.shortcut\.", ".conv_shortcut."),
)
_TEXT = (
    (r"^token_embedding\.", "shared."),
    (r"^norm\.", "encoder.final_layer_norm."),
    (r"^blocks\.(\d+)\.norm1\.", r"encoder.block.\1.layer.0.layer_norm."),
    (r"^blocks\.(\d+)\.norm2\.", r"encoder.block.\1.layer.1.layer_norm."),
    (r"^blocks\.(\d+)\.attn\.", r"encoder.block.\1.layer.0.SelfAttention."),
    (
        r"^blocks\.(\d+)\.pos_embedding\.embedding\.",
        r"encoder.block.\1.layer.0.SelfAttention.relative_attention_bias.",
    ),
    (r"^blocks\.(\d+)\.ffn\.gate\.0\.", r"encoder.block.\1.layer.1.DenseReluDense.wi_0."),
    (r"^blocks\.(\d+)\.ffn\.fc1\.", r"encoder.block.\1.layer.1.DenseReluDense.wi_1."),
    (r"^blocks\.(\d+)\.ffn\.fc2\.", r"encoder.block.\1.layer.1.DenseReluDense.wo."),
)
_STAGES = 4
_RESNETS = 3
"""The decoder's list of layers: four stages of three residual blocks, each stage but the last enlarging at its end."""


def rename_transformer(key: str) -> str:
    """`blocks.0.self_attn.q.weight` to `blocks.0.attn1.to_q.weight`, and so on."""

    def attention(found: re.Match[str]) -> str:
        number = "1" if found[2] == "self" else "2"
        return f"{found[1]}.attn{number}.{_ATTENTION[found[3]]}."

    key = re.sub(r"^(blocks\.\d+)\.(self|cross)_attn\.(q|k|v|o|norm_q|norm_k)\.", attention, key)
    return _substitute(key, _TRANSFORMER)


def rename_vae(key: str) -> str:
    """`decoder.upsamples.4.residual.2.bias` to `decoder.up_blocks.1.resnets.0.conv1.bias`, and so on."""

    def upsample(found: re.Match[str]) -> str:
        stage, place = divmod(int(found[1]), _RESNETS + 1)
        part = f"resnets.{place}" if place < _RESNETS else "upsamplers.0"
        return f"decoder.up_blocks.{stage}.{part}."

    key = re.sub(r"^decoder\.upsamples\.(\d+)\.", upsample, key)
    key = re.sub(r"\.residual\.([0236])\.", lambda found: f".{_RESIDUAL[found[1]]}.", key)
    return _substitute(key, _VAE)


def rename_text(key: str) -> str:
    """`blocks.0.attn.q.weight` to `encoder.block.0.layer.0.SelfAttention.q.weight`, and so on."""
    return _substitute(key, _TEXT)


def _substitute(key: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key


def transformer_config(shapes: Shapes, head_width: int = 128) -> dict[str, Any]:
    """What `WanEditingTransformer` must be built with for tensors of these (published) names and shapes.

    Args:
        shapes: name to shape.
        head_width: of attention, which no shape tells.
    """
    width, channels, *patch = shapes["patch_embedding.weight"]
    values = patch[0] * patch[1] * patch[2]
    return {
        "patch_size": tuple(patch),
        "num_attention_heads": width // head_width,
        "attention_head_dim": head_width,
        "in_channels": channels,
        "out_channels": shapes["head.head.weight"][0] // values,
        "text_dim": shapes["text_embedding.0.weight"][1],
        "freq_dim": shapes["time_embedding.0.weight"][1],
        "ffn_dim": shapes["blocks.0.ffn.0.weight"][0],
        "num_layers": _layers(shapes),
        "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads",
        "eps": 1e-6,
    }


def vae_config(shapes: Shapes) -> dict[str, Any]:
    """What `AutoencoderKLWan` must be built with; all else is as published."""
    return {
        "base_dim": shapes["encoder.conv1.weight"][0],
        "decoder_base_dim": shapes["decoder.head.0.gamma"][0],
        "z_dim": shapes["conv2.weight"][0],
    }


def text_config(shapes: Shapes) -> dict[str, Any]:
    """What transformers' `UMT5Config` must be built with."""
    vocabulary, width = shapes["token_embedding.weight"]
    buckets, heads = shapes["blocks.0.pos_embedding.embedding.weight"]
    return {
        "vocab_size": vocabulary,
        "d_model": width,
        "d_kv": shapes["blocks.0.attn.q.weight"][0] // heads,
        "d_ff": shapes["blocks.0.ffn.fc1.weight"][0],
        "num_layers": _layers(shapes),
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
    }


def _layers(shapes: Shapes) -> int:
    return 1 + max(int(key.split(".")[1]) for key in shapes if key.startswith("blocks."))
