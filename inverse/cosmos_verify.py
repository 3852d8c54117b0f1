"""Hold the published inverse renderer against numbers its reference implementation gave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from alaya.errors import WeightsError, WeightsNotFoundError
from alaya.golden import Comparison, compare
from alaya.strict_json import load_object
from alaya.torch_files import SafetensorsFile
from inverse.cosmos import CosmosInverseTransformer
from inverse.cosmos_codec import CosmosCodec
from inverse.cosmos_files import PublishedFiles, find_cosmos
from inverse.cosmos_load import load_parts
from inverse.cosmos_sampler import make_scheduler, sample

NET_TOLERANCE, SAMPLER_TOLERANCE, TOKENIZER_TOLERANCE = 1e-6, 3e-6, 2e-6


def verify_golden(directory: Path) -> list[Comparison]:
    """Load the published files in a folder as a user's run does and compare with the numbers beside them.

    Args:
        directory: the published files, `io.safetensors`, and `meta.json`, which counts the groups.

    Returns:
        One comparison a number of the reference: `net0`, `sampler0`, `vae0.latent`, `vae0.decoded`, ...

    Raises:
        WeightsNotFoundError: files are missing.
        WeightsError: they are not what they should be.
    """
    files = find_cosmos(str(directory))
    if not isinstance(files, PublishedFiles):
        raise WeightsNotFoundError(f"{directory} does not hold the published inverse renderer's files")
    numbers = SafetensorsFile(directory / "io.safetensors")
    groups = load_object(directory / "meta.json")
    net, codec = load_parts(files, torch.float32, torch.float32)
    net.fold_contexts()
    try:
        results = [
            *_nets(net, numbers, len(groups["net"])),
            *_samplers(net, numbers, groups["sampler"]),
            *_tokenizers(codec, numbers, len(groups["vae"])),
        ]
    except (KeyError, TypeError) as error:
        raise WeightsError(f"{directory}: meta.json and io.safetensors do not agree ({error})") from error
    if not results:
        raise WeightsError(f"{directory}: meta.json names no group to compare")
    return results


@torch.inference_mode()
def _nets(net: CosmosInverseTransformer, numbers: SafetensorsFile, count: int) -> Iterator[Comparison]:
    for i in range(count):
        noisy, cond, time, index = (numbers[f"net{i}.{key}"] for key in ("noisy", "cond", "t", "index"))
        outs = [
            _predict(net, noisy[b], cond[b], time[b % len(time)], index.reshape(-1)[b])
            for b in range(len(noisy))
        ]
        yield compare(f"net{i}", torch.cat(outs), numbers[f"net{i}.out"], NET_TOLERANCE)


def _predict(
    net: CosmosInverseTransformer, noisy: Tensor, cond: Tensor, time: Tensor, index: Tensor
) -> Tensor:
    contexts = net.read_passes(index[None])
    return net.predict(noisy[None], net.read_step(time[None]), net.read_clip(cond[None]), contexts)


def _samplers(
    net: CosmosInverseTransformer, numbers: SafetensorsFile, steps: list[int]
) -> Iterator[Comparison]:
    for i, num_steps in enumerate(steps):
        noise, cond, index = (numbers[f"sampler{i}.{key}"] for key in ("noise", "cond", "index"))
        scheduler = make_scheduler()
        parts = [
            sample(net, cond[b : b + 1], noise[b : b + 1], [int(index.reshape(-1)[b])], num_steps, scheduler)
            for b in range(len(noise))
        ]
        yield compare(f"sampler{i}", torch.cat(parts), numbers[f"sampler{i}.out"], SAMPLER_TOLERANCE)
        yield compare(
            f"sampler{i}.sigmas", scheduler.sigmas, numbers[f"sampler{i}.sigmas"], SAMPLER_TOLERANCE
        )


def _tokenizers(codec: CosmosCodec, numbers: SafetensorsFile, count: int) -> Iterator[Comparison]:
    for i in range(count):
        latent = numbers[f"vae{i}.latent"]
        yield compare(
            f"vae{i}.latent", codec.raw_latents(numbers[f"vae{i}.video"]), latent, TOKENIZER_TOLERANCE
        )
        yield compare(
            f"vae{i}.decoded", codec.raw_video(latent), numbers[f"vae{i}.decoded"], TOKENIZER_TOLERANCE
        )
