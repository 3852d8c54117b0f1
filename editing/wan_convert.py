"""Turn the published editing files into a diffusers folder, one tensor at a time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch

from alaya.errors import RequestError
from alaya.files import atomic_write, joint_sha256
from alaya.shards import SHARD_BYTES, write_shards
from alaya.torch_files import open_tensors
from alaya.weights import CARD_NAME
from editing.wan_files import NAME, find_wan
from editing.wan_load import HEAD_WIDTH, Part, text_part, transformer_part, vae_part

DTYPES = {"BF16": torch.bfloat16, "F32": torch.float32}
SAFETENSORS_NAMES = {kind: name for name, kind in DTYPES.items()}
DIFFUSERS_STEM, TRANSFORMERS_STEM = "diffusion_pytorch_model", "model"


def convert(
    source: str,
    target: Path,
    dtype: str = "BF16",
    limit: int = SHARD_BYTES,
    head_width: int = HEAD_WIDTH,
) -> Path:
    """Write transformer/, vae/, text_encoder/ and tokenizer/ (the last two if they are there), and a card.

    The autoencoder, and the small tensors the network keeps exact, stay float32.

    Args:
        source: as `find_wan` takes it.
        target: a folder that is empty or not there yet.
        dtype: "BF16" or "F32", of the network and the text encoder.
        limit: bytes in one file.
        head_width: of the network's attention, which the published file does not say.

    Returns:
        `target`.

    Raises:
        RequestError: `source` is no published checkpoint, or converted already, or `target` holds something.
        WeightsError: a file is not what it should be; nothing was written of it.
    """
    files = find_wan(source)
    if files is None:
        raise RequestError(f"{source} does not hold the published editing model's files; name their folder")
    if files.converted:
        raise RequestError(f"{files.folder} is a diffusers folder already; use it as it is")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RequestError(f"{target} holds something already; name a new folder")
    kind = DTYPES[dtype]
    parts = [
        ("transformer", transformer_part(files.transformer, head_width), kind),
        ("vae", vae_part(files.vae), torch.float32),
    ]
    if files.text is not None:
        parts.append(("text_encoder", text_part(files.text), kind))
    for name, part, precision in parts:
        stem = TRANSFORMERS_STEM if name == "text_encoder" else DIFFUSERS_STEM
        _write_part(part, target / name, stem, precision, limit)
    if files.tokenizer is not None:
        shutil.copytree(files.tokenizer, target / "tokenizer")
    index = {
        "_class_name": "WanPipeline",
        "scheduler": [None, None],
        "transformer": ["diffusers", "WanTransformer3DModel"],
        "vae": ["diffusers", "AutoencoderKLWan"],
        "text_encoder": ["transformers", "UMT5EncoderModel"] if files.text else [None, None],
        "tokenizer": ["transformers", "T5TokenizerFast"] if files.tokenizer else [None, None],
    }
    atomic_write(target / "model_index.json", json.dumps(index, indent=2) + "\n")
    card = {
        "name": NAME,
        "stage": "editing",
        "network": "wan",
        "sha256": joint_sha256(sorted((target / "transformer").glob("*.safetensors"))),
        "licence": "see the model's own page",
        "converted_from": [part.path.name for _, part, _ in parts],
    }
    atomic_write(target / CARD_NAME, json.dumps(card, indent=2) + "\n")
    return target


def _write_part(part: Part, folder: Path, stem: str, dtype: torch.dtype, limit: int) -> None:
    """One network: its config, then its tensors under the library's names, each read, cast, written and let go."""
    folder.mkdir(parents=True, exist_ok=True)
    part.net.config.save_pretrained(folder) if stem == TRANSFORMERS_STEM else part.net.save_config(folder)
    file = open_tensors(part.path)
    written: dict[str, str] = {}
    for key, name in part.names.items():  # a tensor with two names is written once, as the libraries do
        if name not in written.values():
            written[key] = name
    header = {
        key: (SAFETENSORS_NAMES[part.dtype_of(key, dtype)], file.header[name][1])
        for key, name in written.items()
    }
    write_shards(folder, stem, header, lambda key: file[written[key]], limit)
