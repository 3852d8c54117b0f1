"""Turn the published inverse renderer's files into a diffusers folder, tensor by tensor, in little memory."""

from __future__ import annotations

import json
from pathlib import Path

from diffusers import __version__ as diffusers_version
from safetensors.torch import save

from alaya.codes import RELATIVE_RANGE
from alaya.errors import RequestError
from alaya.files import atomic_write, joint_sha256
from alaya.shards import ITEM_BYTES, SHARD_BYTES, write_shards
from alaya.weights import CARD_NAME
from inverse.cosmos_codec import LatentStatistics
from inverse.cosmos_files import NAME, STATISTICS_NAME, PublishedFiles, find_cosmos
from inverse.cosmos_load import Part, network_part, read_statistics, statistics_tensors, tokenizer_part
from inverse.cosmos_model import NUM_FRAMES, NUM_STEPS
from inverse.cosmos_sampler import make_scheduler

STEM = "diffusion_pytorch_model"
LICENCE = "NVIDIA Open Model License"


def convert(source: str, target: Path, dtype: str = "BF16", limit: int = SHARD_BYTES) -> Path:
    """Write a diffusers folder of the published files.

    Args:
        source: as `find_cosmos` takes it.
        target: a folder that is new or empty.
        dtype: of the network: "BF16" or "F32". The tokenizer stays float32: it is small, and a CPU needs it so.
        limit: bytes of a shard.

    Returns:
        The folder.

    Raises:
        RequestError: the source is no published checkpoint, the dtype unknown, or the target in use.
        WeightsError: the files are not what they should be.
    """
    files = find_cosmos(source)
    if not isinstance(files, PublishedFiles):
        raise RequestError(
            f"{source} does not hold the published inverse renderer's files; nothing to convert"
        )
    if dtype not in ITEM_BYTES:
        raise RequestError(f"dtype must be one of {', '.join(ITEM_BYTES)}, got {dtype!r}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RequestError(f"{target} exists and is not an empty folder; name a new one")
    network, tokenizer = network_part(files.network), tokenizer_part(files.encoder, files.decoder)
    statistics = read_statistics(files, tokenizer.net.config["latent_channels"])
    tokenizer.net.register_to_config(
        latents_mean=statistics.mean.flatten().tolist(), latents_std=statistics.std.flatten().tolist()
    )
    written = _write_part(target / "transformer", network, dtype, limit)
    written += _write_part(target / "vae", tokenizer, "F32", limit)
    written.append(_write_statistics(target, statistics))
    make_scheduler().save_pretrained(target / "scheduler")
    atomic_write(target / "model_index.json", json.dumps(model_index(), indent=2) + "\n")
    card = _card(network, joint_sha256(written), sum(path.stat().st_size for path in written))
    atomic_write(target / CARD_NAME, json.dumps(card, indent=2) + "\n")
    return target


def _write_part(folder: Path, part: Part, dtype: str, limit: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    header = {name: (dtype, shape) for name, (_, shape) in part.shapes.items()}
    paths = write_shards(folder, STEM, header, part.read_finite, limit)
    part.net.save_config(folder)
    return paths


def _write_statistics(folder: Path, statistics: LatentStatistics) -> Path:
    path = folder / STATISTICS_NAME
    atomic_write(
        path, save({name: value.contiguous() for name, value in statistics_tensors(statistics).items()})
    )
    return path


def model_index() -> dict[str, object]:
    """What the folder says of its parts."""
    return {
        "_class_name": "CosmosInverse",
        "_diffusers_version": diffusers_version,
        "transformer": ["inverse.cosmos", "CosmosInverseTransformer"],
        "vae": ["diffusers", "AutoencoderKLCosmos"],
        "scheduler": ["diffusers", "EDMEulerScheduler"],
    }


def _card(network: Part, sha256: str, size: int) -> dict[str, object]:
    return {
        "name": NAME,
        "stage": "inverse",
        "network": {"class": "CosmosInverseTransformer", "layers": network.net.config["num_layers"]},
        "num_frames": NUM_FRAMES,
        "num_steps": NUM_STEPS,
        "depth": {"kind": "relative", "near": RELATIVE_RANGE.near, "far": RELATIVE_RANGE.far},
        "licence": LICENCE,
        "sha256": sha256,
        "bytes": size,
    }
