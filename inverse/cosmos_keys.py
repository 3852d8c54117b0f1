"""What the published inverse renderer's tensors are called in diffusers, and the sizes their shapes tell."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from alaya.errors import WeightsError

Header = Mapping[str, tuple[str, tuple[int, ...]]]
"""name -> (dtype as safetensors writes it, shape)."""

PATCH = 2
MARK = "x_embedder.proj.1.weight"
"""A tensor every published file has; what stands before it is the file's prefix."""

_BLOCK = r"blocks\.block(\d+)\.blocks\."
_NETWORK_RULES = (
    (r"x_embedder\.proj\.1\.", "patch_embed.proj."),
    (r"t_embedder\.1\.", "time_embed.t_embedder."),
    (r"affline_norm\.", "time_embed.norm."),
    (r"final_layer\.adaLN_modulation\.(\d)\.", r"norm_out.linear_\1."),
    (r"final_layer\.linear\.", "proj_out."),
    (_BLOCK + r"0\.adaLN_modulation\.(\d)\.", r"transformer_blocks.\1.norm1.linear_\2."),
    (_BLOCK + r"1\.adaLN_modulation\.(\d)\.", r"transformer_blocks.\1.norm2.linear_\2."),
    (_BLOCK + r"2\.adaLN_modulation\.(\d)\.", r"transformer_blocks.\1.norm3.linear_\2."),
    (_BLOCK + r"0\.block\.attn\.", r"transformer_blocks.\1.attn1."),
    (_BLOCK + r"1\.block\.attn\.", r"transformer_blocks.\1.attn2."),
    (_BLOCK + r"2\.block\.layer1\.", r"transformer_blocks.\1.ff.net.0.proj."),
    (_BLOCK + r"2\.block\.layer2\.", r"transformer_blocks.\1.ff.net.2."),
    (r"\.to_([qkv])\.0\.", r".to_\1."),
    (r"\.to_([qk])\.1\.", r".norm_\1."),
)
_NETWORK_UNUSED = re.compile(r"(logvar|pos_embedder|extra_pos_embedder|conditioner)\.|.*_extra_state$")

_TOKENIZER_RULES = (
    (r"\.conv3d\.", "."),
    (r"\bmid\.block_1\.", "mid_block.resnets.0."),
    (r"\bmid\.block_2\.", "mid_block.resnets.1."),
    (r"\bmid\.attn_1\.0\.", "mid_block.attentions.0."),
    (r"\bmid\.attn_1\.1\.", "mid_block.temp_attentions.0."),
    (r"\.([qkv])\.", r".to_\1."),
    (r"\.proj_out\.", ".to_out.0."),
    (r"\b(conv_in|conv_out|conv1|conv2)\.0\.", r"\1.conv_s."),
    (r"\b(conv_in|conv_out|conv1|conv2)\.1\.", r"\1.conv_t."),
    (r"\.nin_shortcut\.", ".conv_shortcut."),
    (r"\.block\.(\d+)\.", r".resnets.\1."),
    (r"\.downsample\.", ".downsamplers.0."),
    (r"\.upsample\.", ".upsamplers.0."),
    (r"\bdown\.(\d+)\.", r"down_blocks.\1."),
)
_TOKENIZER_UNUSED = re.compile(r".*\.(wavelets|_arange|patch_size_buffer)$")
_TOKENIZER_PARTS = re.compile(r"(?:^|.*?\.)((?:encoder|decoder|quant_conv|post_quant_conv)\..*)")


def _apply(rules: Iterable[tuple[str, str]], key: str) -> str:
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key


def rename_network(key: str) -> str | None:
    """A key of the published network without its prefix, as diffusers calls it; None for what nothing needs."""
    return None if _NETWORK_UNUSED.match(key) else _apply(_NETWORK_RULES, key)


def rename_tokenizer(key: str, levels: int) -> str | None:
    """A key of the published tokenizer as diffusers calls it; None for what nothing needs.

    Args:
        key: without a prefix.
        levels: resolutions of the decoder, which diffusers counts from the other end.
    """
    if _TOKENIZER_UNUSED.match(key):
        return None
    renamed = _apply(_TOKENIZER_RULES, key)
    return re.sub(r"\bup\.(\d+)\.", lambda match: f"up_blocks.{levels - 1 - int(match[1])}.", renamed)


def network_names(header: Header) -> dict[str, str]:
    """Diffusers' name -> the file's name, for the network in a published file of any prefix.

    Raises:
        WeightsError: there is no such network in it.
    """
    prefixes = {name.removesuffix(MARK) for name in header if name.endswith(MARK)}
    if not prefixes:
        raise WeightsError(f"no tensor ends in {MARK}: not the published inverse network")
    prefix = min(prefixes, key=lambda text: ("ema" in text, len(text)))
    inside = [name for name in header if name.startswith(prefix)]
    return _table(inside, lambda name: rename_network(name.removeprefix(prefix)))


def tokenizer_names(header: Header) -> dict[str, str]:
    """Diffusers' name -> the file's name, for the tensors of a tokenizer's archive (encoder, decoder or both)."""
    found = {name: match[1] for name in header if (match := _TOKENIZER_PARTS.fullmatch(name))}
    levels = 1 + max((int(match[1]) for key in found.values() if (match := _UP.match(key))), default=0)
    return _table(found, lambda name: rename_tokenizer(found[name], levels))


_UP = re.compile(r"decoder\.up\.(\d+)\.")


def _table(names: Iterable[str], rename: Callable[[str], str | None]) -> dict[str, str]:
    table: dict[str, str] = {}
    for name in names:
        renamed = rename(name)
        if renamed in table:
            raise WeightsError(f"{name} and {table[renamed]} both mean {renamed}")
        if renamed is not None:
            table[renamed] = name
    return table


def network_config(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """The diffusers class's sizes, read off the shapes of its tensors.

    Args:
        shapes: by diffusers' names.

    Raises:
        WeightsError: they do not make sense together.
    """
    try:
        width, head_width = (
            shapes["patch_embed.proj.weight"][0],
            shapes["transformer_blocks.0.attn1.norm_q.weight"][0],
        )
        latents = shapes["proj_out.weight"][0] // PATCH**2
        inputs = shapes["patch_embed.proj.weight"][1] // PATCH**2
        if inputs not in (2 * latents, 2 * latents + 1) or width % head_width:
            raise WeightsError(
                f"{inputs} input channels, {latents} output channels, width {width} in heads of {head_width}:"
                " not the published inverse network"
            )
        return {
            "in_channels": 2 * latents,
            "out_channels": latents,
            "num_attention_heads": width // head_width,
            "attention_head_dim": head_width,
            "num_layers": _count(shapes, r"transformer_blocks\.(\d+)\."),
            "mlp_ratio": shapes["transformer_blocks.0.ff.net.0.proj.weight"][0] / width,
            "text_embed_dim": shapes["context_embedding.weight"][1],
            "adaln_lora_dim": shapes["transformer_blocks.0.norm1.linear_1.weight"][0],
        }
    except (KeyError, IndexError, ZeroDivisionError) as error:
        raise WeightsError(f"not the published inverse network ({error} is missing or misshapen)") from error


def tokenizer_config(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """AutoencoderKLCosmos' sizes, read off the shapes of encoder and decoder by diffusers' names."""
    try:
        levels = _count(shapes, r"encoder\.down_blocks\.(\d+)\.")
        down = [shapes[f"encoder.down_blocks.{i}.resnets.0.conv1.conv_s.weight"][0] for i in range(levels)]
        up = [shapes[f"decoder.up_blocks.{i}.resnets.0.conv1.conv_s.weight"][0] for i in range(levels)]
        return {
            "latent_channels": shapes["encoder.conv_out.conv_s.weight"][0],
            "encoder_block_out_channels": (shapes["encoder.conv_in.conv_s.weight"][0], *down),
            "decode_block_out_channels": (*reversed(up), shapes["decoder.conv_in.conv_s.weight"][0]),
            "num_layers": _count(shapes, r"encoder\.down_blocks\.0\.resnets\.(\d+)\."),
        }
    except (KeyError, IndexError) as error:
        raise WeightsError(f"not the published video tokenizer ({error} is missing or misshapen)") from error


def _count(shapes: Mapping[str, Any], pattern: str) -> int:
    return len({match[1] for name in shapes if (match := re.match(pattern, name))})
