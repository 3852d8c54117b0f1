"""Write safetensors, split into shards, one tensor at a time: a checkpoint larger than the memory passes through."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from alaya.files import atomic_path, atomic_write

if TYPE_CHECKING:
    from torch import Tensor

SHARD_BYTES = 2 * 2**30
ITEM_BYTES = {"F32": 4, "BF16": 2, "F16": 2}
Header = Mapping[str, tuple[str, tuple[int, ...]]]
"""name -> (dtype as safetensors writes it, shape)."""


def write_shards(
    folder: Path, stem: str, header: Header, read: Callable[[str], Tensor], limit: int = SHARD_BYTES
) -> list[Path]:
    """Write `stem`.safetensors, or several and their index as diffusers and transformers read them.

    Args:
        folder: for the files.
        stem: "diffusion_pytorch_model" for diffusers, "model" for transformers.
        header: what to write, in this order; dtypes are F32, BF16 or F16.
        read: gives the tensor of a name; it is cast to the header's dtype and let go once written.
        limit: bytes of tensors in one file, unless a single tensor is larger.

    Returns:
        The files written, without the index.
    """
    shards = _split(header, limit)
    if len(shards) == 1:
        path = folder / f"{stem}.safetensors"
        _write_file(path, shards[0], read)
        return [path]
    names = [f"{stem}-{i + 1:05d}-of-{len(shards):05d}.safetensors" for i in range(len(shards))]
    for name, shard in zip(names, shards, strict=True):
        _write_file(folder / name, shard, read)
    index = {
        "metadata": {"total_size": sum(_size(*entry) for entry in header.values())},
        "weight_map": {key: name for name, shard in zip(names, shards, strict=True) for key in shard},
    }
    atomic_write(folder / f"{stem}.safetensors.index.json", json.dumps(index, indent=2) + "\n")
    return [folder / name for name in names]


def _size(dtype: str, shape: tuple[int, ...]) -> int:
    return math.prod(shape) * ITEM_BYTES[dtype]


def _split(header: Header, limit: int) -> list[dict[str, tuple[str, tuple[int, ...]]]]:
    shards: list[dict[str, tuple[str, tuple[int, ...]]]] = [{}]
    used = 0
    for key, entry in header.items():
        size = _size(*entry)
        if shards[-1] and used + size > limit:
            shards.append({})
            used = 0
        shards[-1][key] = entry
        used += size
    return shards


def _write_file(path: Path, header: Header, read: Callable[[str], Tensor]) -> None:
    """One file, whole or not at all."""
    table: dict[str, object] = {"__metadata__": {"format": "pt"}}
    place = 0
    for key, (dtype, shape) in header.items():
        size = _size(dtype, shape)
        table[key] = {"dtype": dtype, "shape": list(shape), "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for key, (dtype, shape) in header.items():
            file.write(_bytes(read(key), dtype, shape))


def _bytes(tensor: Tensor, dtype: str, shape: tuple[int, ...]) -> memoryview:
    import torch

    if tuple(tensor.shape) != shape:
        raise ValueError(f"a tensor of shape {tuple(tensor.shape)} came for {shape}")
    kinds = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
    flat = tensor.detach().to("cpu", kinds[dtype]).contiguous().reshape(-1)
    return memoryview(flat.view(torch.uint8).numpy().data)
