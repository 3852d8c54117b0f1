"""What the published editing model is and costs, known from its files' headers alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

from alaya.cost import (
    Phase,
    Shapes,
    Task,
    conv_flops,
    count_values,
    header_shapes,
    network_bytes,
    streamed_values,
)
from alaya.device import DTYPES
from alaya.lora_files import check_lora
from alaya.model_info import Published
from editing import wan_keys
from editing.wan_files import WanFiles

NUM_FRAMES, NUM_STEPS, SHIFT = 81, 50, 5.0
TRAINED_SIZE = (480, 832)
SIDE = 16
"""Sides are multiples of it: 8 pixels a latent, 2 latents a token."""
OPTIONS = frozenset(
    {"num_steps", "cfg_scale", "negative_prompt", "height", "width"}
    | {"dtype", "reference", "offload", "attention", "compile", "lora"}
    | {"scheduler", "guidance_interval", "first_block_cache", "fp8"}
)
SPACE, TIME, CONDITIONS, TEXT_TOKENS = 8, 4, 5, 512
TILE = (240, 416)
"""Pixels of the reference's tiles."""
ROW_BYTES = (12, 24)
"""Bytes that live at once for a token and a value of the network's width: so many times a value's, and so many more
(measured)."""
CODEC_VALUES = (38, 52)
"""Values that live at once for a pixel and a channel of the autoencoder's width, encoding and decoding (measured)."""
TEXT_VALUES = 60_000


def working_size(height: int, width: int) -> tuple[int, int]:
    """The trained 480x832 (or upright) for shapes within a tenth of it, else as many pixels in multiples of 16."""
    short, long = TRAINED_SIZE
    for size in ((short, long), (long, short)):
        if abs(math.log((height / width) / (size[0] / size[1]))) < 0.1:
            return size
    scale = math.sqrt(short * long / (height * width))
    rows, columns = (max(SIDE, round(side * scale / SIDE) * SIDE) for side in (height, width))
    return rows, columns


def outline(files: WanFiles) -> Published:
    """Of the files found; nothing but headers is read, and that only when a task is asked about."""
    shapes = cache(lambda: part_shapes(files))

    def phases(task: Task) -> tuple[Phase, ...]:
        return task_phases(*shapes(), task)

    def knows_words(texts: tuple[str, str], dtype: str) -> bool:
        import torch

        from editing.text import TextReader, full_negative

        reader = TextReader(files, getattr(torch, DTYPES[dtype]), "cpu")
        return reader.knows(texts[0]) and reader.knows(full_negative(texts[1]))

    def check(path: Path) -> None:
        check_lora(path, shapes()[0], wan_keys.rename_transformer)

    return Published(NUM_FRAMES, NUM_STEPS, working_size, phases, knows_words, check)


def part_shapes(files: WanFiles) -> tuple[Shapes, Shapes, Shapes | None]:
    """The tensors of network, autoencoder and text encoder by diffusers' and transformers' names."""
    text = None if files.text is None else _shapes(files.text, wan_keys.rename_text)
    network = _shapes(files.transformer, wan_keys.rename_transformer)
    return network, _shapes(files.vae, wan_keys.rename_vae), text


def _shapes(path: Path, rename: Callable[[str], str]) -> Shapes:
    if path.is_dir():
        return header_shapes(path.glob("*.safetensors"))
    return {rename(name): shape for name, shape in header_shapes([path]).items()}


def task_phases(network: Shapes, vae: Shapes, text: Shapes | None, task: Task) -> tuple[Phase, ...]:
    """The phases of a window of tensors of these names and shapes."""
    width, depth = network["patch_embedding.weight"][0], _depth(network)
    grid = (task.frames - 1) // TIME + 1, task.height // SPACE, task.width // SPACE
    tokens = grid[0] * (grid[1] // 2) * (grid[2] // 2)
    row = ROW_BYTES[0] * task.dtype_bytes + ROW_BYTES[1]
    held, base = count_values(vae) * task.codec_bytes, vae["encoder.conv_in.weight"][0]
    pixels = _tile_pixels(task) * base * task.codec_bytes
    pictures = 3 * task.frames * task.height * task.width * 4
    blocks = [f"blocks.{number}." for number in range(depth)]
    texts = 1 + _guided_share(task)
    phases = [
        Phase(
            "autoencoder, encoding",
            "autoencoder",
            held,
            held,
            CODEC_VALUES[0] * pixels + 2 * pictures,
            CONDITIONS * _tiling(task) * encode_flops(vae, task.frames, task.height, task.width),
        ),
        Phase(
            "network",
            "network",
            *network_bytes(network, blocks, task),
            row * tokens * width,
            network_flops(network, tokens, task.num_steps, texts),
        ),
        Phase(
            "autoencoder, decoding",
            "autoencoder",
            held,
            held,
            CODEC_VALUES[1] * pixels + 2 * pictures,
            _tiling(task) * decode_flops(vae, task.frames, task.height, task.width),
        ),
    ]
    if task.new_words and text is not None:
        phases.insert(0, _text_phase(text, task))
    return tuple(phases)


def _text_phase(text: Shapes, task: Task) -> Phase:
    """Two texts of at most 512 tokens; the encoder is let go when they are read."""
    layers = {name.split(".layer.")[0] + "." for name in text if name.startswith("encoder.block.")}
    values, streamed = count_values(text), streamed_values(text, sorted(layers))
    inside = values - text["shared.weight"][0] * text["shared.weight"][1]
    size = task.dtype_bytes
    flops = 2 * 2.0 * TEXT_TOKENS * inside
    activations = TEXT_VALUES * TEXT_TOKENS * size
    return Phase(
        "text encoder", "text encoder", values * size, streamed * size, activations, flops, once=True
    )


def _guided_share(task: Task) -> float:
    """The share of the steps that follow two texts."""
    if not task.guided:
        return 0.0
    lines = [1 - step / task.num_steps for step in range(task.num_steps)]
    levels = [SHIFT * line / (1 + (SHIFT - 1) * line) for line in lines]
    lowest, highest = task.guided_between
    return sum(lowest <= level <= highest for level in levels) / task.num_steps


def _depth(network: Shapes) -> int:
    return len({name.split(".")[1] for name in network if name.startswith("blocks.")})


def _tile_pixels(task: Task) -> int:
    if not task.tiled:
        return task.height * task.width
    return min(task.height, TILE[0]) * min(task.width, TILE[1])


def _tiling(task: Task) -> float:
    """How often the autoencoder sees a pixel."""
    if not task.tiled:
        return 1.0
    whole, covered = task.height * task.width, 1
    for side, tile in ((task.height, TILE[0]), (task.width, TILE[1])):
        starts = [start for start in range(0, side, tile // 2) if start == 0 or start + tile // 2 < side]
        covered *= sum(min(start + tile, side) - start for start in starts)
    return covered / whole


def network_flops(
    shapes: Shapes, tokens: int, num_steps: int, texts: float = 2, keys: int = TEXT_TOKENS
) -> float:
    """Of the network for one window.

    Args:
        shapes: of its tensors.
        tokens: of the window.
        num_steps: of the sampler.
        texts: 2 with guidance, between 1 and 2 with guidance in some steps: what both share is worked out once.
        keys: of a text that are attended to; at most 512.
    """
    width, depth = shapes["patch_embedding.weight"][0], _depth(shapes)
    inner, (out, _) = shapes["blocks.0.ffn.net.0.proj.weight"][0], shapes["proj_out.weight"]
    noisy = 4 * 16
    conditions = 4 * (shapes["patch_embedding.weight"][1] - 16)
    looking = tokens * (8 * width**2 + 4 * tokens * width)
    reading = tokens * (4 * width**2 + 4 * keys * width)
    block = looking + reading + 4 * tokens * width * inner
    frequencies = shapes["condition_embedder.time_embedder.linear_1.weight"][1]
    time = 2 * width * (frequencies + width + 6 * width)
    step = 2 * tokens * noisy * width + time + texts * (depth * block + 2 * tokens * width * out)
    step -= (texts - 1) * looking  # the first layer's self-attention is the same for all texts
    text_width = shapes["condition_embedder.text_embedder.linear_1.weight"][1]
    reads = 2 * TEXT_TOKENS * width * (text_width + width) + depth * 4 * keys * width**2
    return float(num_steps * step + texts * reads + 2 * tokens * conditions * width)


def encode_flops(shapes: Shapes, frames: int, height: int, width: int) -> float:
    """Of the autoencoder for encoding one video."""
    grid = [frames, height, width]
    total = conv_flops(shapes, "encoder.conv_in.", grid)
    for number in _numbers(shapes, "encoder.down_blocks."):
        prefix = f"encoder.down_blocks.{number}."
        if f"{prefix}resample.1.weight" not in shapes:
            total += conv_flops(shapes, prefix, grid)
            continue
        grid[1:] = [side // 2 for side in grid[1:]]
        total += conv_flops(shapes, prefix + "resample.", grid)
        if f"{prefix}time_conv.weight" in shapes:
            grid[0] = (grid[0] - 1) // 2 + 1
            total += conv_flops(shapes, prefix + "time_conv.", [grid[0] - 1, *grid[1:]])  # not for the first
    total += _middle(shapes, "encoder.mid_block.", grid)
    return total + conv_flops(shapes, "encoder.conv_out.", grid) + conv_flops(shapes, "quant_conv.", grid)


def decode_flops(shapes: Shapes, frames: int, height: int, width: int) -> float:
    """Of the autoencoder for decoding one video."""
    grid = [(frames - 1) // TIME + 1, height // SPACE, width // SPACE]
    total = conv_flops(shapes, "post_quant_conv.", grid) + conv_flops(shapes, "decoder.conv_in.", grid)
    total += _middle(shapes, "decoder.mid_block.", grid)
    for number in _numbers(shapes, "decoder.up_blocks."):
        prefix = f"decoder.up_blocks.{number}."
        total += conv_flops(shapes, prefix + "resnets.", grid)
        if f"{prefix}upsamplers.0.time_conv.weight" in shapes:
            total += conv_flops(shapes, prefix + "upsamplers.0.time_conv.", [grid[0] - 1, *grid[1:]])
            grid[0] = 2 * grid[0] - 1
        if f"{prefix}upsamplers.0.resample.1.weight" in shapes:
            grid[1:] = [2 * side for side in grid[1:]]
            total += conv_flops(shapes, prefix + "upsamplers.0.resample.", grid)
    return total + conv_flops(shapes, "decoder.conv_out.", grid)


def _numbers(shapes: Shapes, prefix: str) -> list[int]:
    return sorted(
        {int(name.removeprefix(prefix).split(".")[0]) for name in shapes if name.startswith(prefix)}
    )


def _middle(shapes: Shapes, prefix: str, grid: list[int]) -> float:
    """The middle block, with its attention inside every frame."""
    frames, height, width = grid
    channels = shapes[f"{prefix}attentions.0.proj.weight"][0]
    attention = 4.0 * frames * (height * width) ** 2 * channels
    return conv_flops(shapes, prefix, grid) + attention
