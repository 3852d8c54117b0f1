"""What the published inverse renderer is and costs, known from its files' headers alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alaya.cost import Phase, Shapes, Task, conv_flops, count_values, header_shapes, network_bytes
from alaya.lora_files import check_lora
from alaya.model_info import Published
from inverse import cosmos_keys
from inverse.cosmos_files import ConvertedFolder, PublishedFiles

TRAINED_SIZE = (704, 1280)
NUM_FRAMES, NUM_STEPS = 57, 15
MAX_SIDE = 1920  # the table of places ends there
MAX_TOKENS = 32_768
"""Passes go through the network together up to this many tokens: more would only take memory."""
NUM_PICTURES = 5
ROPE_DTYPES = ("fp32", "bf16")
OPTIONS = frozenset(
    {"num_steps", "height", "width", "dtype", "rope_dtype", "offload", "attention", "compile"}
    | {"lora", "fp8", "fast_scheduler", "extra_channels"}
)
PATCH_WEIGHT = "patch_embed.proj.weight"
LATENT, PATCH = 8, 2
"""Pixels a latent is long, in every direction, and latents a token is, on each side."""
FOLDED_ROWS = 16
TILE, TILE_STRIDE = (32, 48), (24, 36)
"""In latents, for a device too small for the whole."""
ROW_BYTES = (16, 9)
"""Bytes that live at once for a token and a value of the network's width: so many times a value's, and so many more
(measured)."""
CODEC_VALUES = (60, 60)
"""Values that live at once for a pixel, encoding and decoding (measured)."""


def working_size(height: int, width: int) -> tuple[int, int]:
    """What the model was trained at, or as many pixels in the clip's own shape."""
    from alaya.resize import working_size as nearest

    trained_height, trained_width = TRAINED_SIZE
    if abs(height * trained_width / (width * trained_height) - 1) < 0.05:
        return TRAINED_SIZE
    half = nearest(height, width, trained_height * trained_width // 4)
    return min(2 * half[0], MAX_SIDE), min(2 * half[1], MAX_SIDE)


def outline(files: PublishedFiles | ConvertedFolder) -> Published:
    """Of the files found; nothing but headers is read, and that only when a task is asked about."""
    shapes = cache(lambda: (network_shapes(files), codec_shapes(files)))

    def check(path: Path) -> None:
        check_lora(path, layer_shapes(shapes()[0]))

    return Published(
        NUM_FRAMES, NUM_STEPS, working_size, lambda task: task_phases(*shapes(), task), check_lora=check
    )


def layer_shapes(network: Shapes) -> Shapes:
    """The network's tensors as it is built of them: the published patch embedding also reads a mask, always zero."""
    inputs = cosmos_keys.network_config(network)["in_channels"] * PATCH**2
    return {**network, PATCH_WEIGHT: (network[PATCH_WEIGHT][0], inputs)}


def network_shapes(files: PublishedFiles | ConvertedFolder) -> Shapes:
    """The network's tensors by diffusers' names."""
    if isinstance(files, ConvertedFolder):
        return header_shapes((files.folder / "transformer").glob("*.safetensors"))
    shapes = header_shapes([files.network])
    header = {name: ("", shape) for name, shape in shapes.items()}
    return {new: shapes[old] for new, old in cosmos_keys.network_names(header).items()}


def codec_shapes(files: PublishedFiles | ConvertedFolder) -> Shapes:
    """The tokenizer's tensors by diffusers' names."""
    if isinstance(files, ConvertedFolder):
        return header_shapes((files.folder / "vae").glob("*.safetensors"))
    shapes: dict[str, tuple[int, ...]] = {}
    for path in (files.encoder, files.decoder):
        found = _scripted_shapes(path)
        header = {name: ("", shape) for name, shape in found.items()}
        shapes |= {new: found[old] for new, old in cosmos_keys.tokenizer_names(header).items()}
    return shapes


def _scripted_shapes(path: Path) -> Shapes:
    from alaya.torch_files import read_jit_tensors

    return {name: shape for name, (_, shape) in read_jit_tensors(path).header.items()}


def task_phases(network: Shapes, codec: Shapes, task: Task) -> tuple[Phase, ...]:
    """The phases of a window of tensors of these names and shapes."""
    config = cosmos_keys.network_config(network)
    width = config["num_attention_heads"] * config["attention_head_dim"]
    grid = ((task.frames - 1) // LATENT + 1, task.height // LATENT, task.width // LATENT)
    tokens = grid[0] * (grid[1] // PATCH) * (grid[2] // PATCH)
    kept = {name: shape for name, shape in network.items() if ".attn2." not in name}
    layers = [f"transformer_blocks.{number}." for number in range(config["num_layers"])]
    folded = FOLDED_ROWS * config["num_layers"] * width
    size = task.dtype_bytes
    pictures = NUM_PICTURES + task.extra_pictures
    rows = tokens * max(1, min(pictures, MAX_TOKENS // tokens))
    tables = task.num_steps * (9 * config["num_layers"] + 2) * width
    row = ROW_BYTES[0] * size + ROW_BYTES[1]
    held = count_values(codec) * task.codec_bytes
    weights, streamed = network_bytes(kept, layers, task)
    encode, decode = (codec_flops(codec, part, task) for part in ("encoder", "decoder"))
    pixels = _tile_pixels(task) * task.frames * task.codec_bytes
    return (
        Phase("tokenizer, encoding", "tokenizer", held, held, CODEC_VALUES[0] * pixels, encode),
        Phase(
            "network",
            "network",
            weights + folded * size,
            streamed + folded * size,
            row * rows * width + tables * size,
            network_flops(network, tokens, task.num_steps, pictures),
        ),
        Phase(
            "tokenizer, decoding",
            "tokenizer",
            held,
            held,
            CODEC_VALUES[1] * pixels,
            pictures * decode,
        ),
    )


def _tile_pixels(task: Task) -> int:
    if not task.tiled:
        return task.height * task.width
    return min(task.height, TILE[0] * LATENT) * min(task.width, TILE[1] * LATENT)


def network_flops(shapes: Shapes, tokens: int, num_steps: int, passes: int = NUM_PICTURES) -> float:
    """Of the network for one window: all passes and steps."""
    config = cosmos_keys.network_config(shapes)
    heads, depth = config["num_attention_heads"], config["num_layers"]
    width, latents = heads * config["attention_head_dim"], config["out_channels"]
    lora, mlp = config["adaln_lora_dim"], round(config["mlp_ratio"] * width)
    patch = 2 * tokens * latents * PATCH**2 * width
    block = tokens * width * (8 * width + 4 * tokens + 4 * mlp)
    forward = depth * block + 2 * patch
    embedded = 2 * width * width + 2 * width * 3 * width
    step = embedded + (3 * depth * 4 + 3) * 2 * width * lora
    return num_steps * (passes * forward + step) + patch


def codec_flops(shapes: Shapes, part: str, task: Task) -> float:
    """Of the tokenizer's "encoder" or "decoder" for one window; its wavelets, which are small, are left out."""
    frames, height, width = (task.frames - 1) // 4 + 1, task.height // 4, task.width // 4
    inner = [frames, height, width]
    whole = (task.frames - 1) // LATENT + 1, task.height // LATENT, task.width // LATENT
    if part == "encoder":
        total = conv_flops(shapes, "encoder.conv_in.", inner)
        for stage in _stages(shapes, "encoder.down_blocks."):
            total += _layers_flops(shapes, stage, inner) + _sample(
                shapes, stage + "downsamplers.0.", inner, -1
            )
        ends = ("encoder.conv_out.", "quant_conv.")
        return total + _layers_flops(shapes, "encoder.mid_block.", inner) + _ends(shapes, ends, inner)
    inner = list(whole)
    total = _ends(shapes, ("post_quant_conv.", "decoder.conv_in."), inner)
    total += _layers_flops(shapes, "decoder.mid_block.", inner)
    for stage in _stages(shapes, "decoder.up_blocks."):
        total += _layers_flops(shapes, stage, inner) + _sample(shapes, stage + "upsamplers.0.", inner, 1)
    return total + _ends(shapes, ("decoder.conv_out.",), inner)


def _ends(shapes: Shapes, prefixes: tuple[str, ...], grid: list[int]) -> float:
    return sum(conv_flops(shapes, prefix, grid) for prefix in prefixes)


def _stages(shapes: Shapes, prefix: str) -> list[str]:
    numbers = {int(name.removeprefix(prefix).split(".")[0]) for name in shapes if name.startswith(prefix)}
    return [f"{prefix}{number}." for number in sorted(numbers)]


def _layers_flops(shapes: Shapes, stage: str, grid: list[int]) -> float:
    """Residual blocks and attention of a stage, all at one size."""
    frames, height, width = grid
    total = sum(
        conv_flops(shapes, stage + kind, grid) for kind in ("resnets.", "attentions.", "temp_attentions.")
    )
    for name, shape in shapes.items():
        if name.startswith(stage) and name.endswith("to_q.weight"):
            across = frames if "temp_attentions" in name else height * width
            total += 4.0 * frames * height * width * across * shape[0]
    return total


def _sample(shapes: Shapes, prefix: str, grid: list[int], way: int) -> float:
    """Between two stages: `grid` becomes the next one's (way 1: larger, -1: smaller)."""
    total = 0.0
    for name in ("conv1.", "conv2.", "conv3."):
        kernel = shapes.get(f"{prefix}{name}weight")
        if kernel is None:
            continue
        if kernel[2] > 1:  # over time
            grid[0] = (grid[0] + 1) // 2 if way < 0 else max(1, 2 * grid[0] - 1)
        elif kernel[3] > 1:
            grid[1:] = [side // 2 if way < 0 else side * 2 for side in grid[1:]]
        total += conv_flops(shapes, prefix + name, grid)
    return total
