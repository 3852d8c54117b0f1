"""Build the published inverse renderer's networks from their files, as published or as a diffusers folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKLCosmos  # pyright: ignore[reportPrivateImportUsage]
from safetensors import SafetensorError
from torch import Tensor

from alaya.errors import WeightsError
from alaya.lora import merge_loras
from alaya.lora_files import Wish
from alaya.torch_files import SafetensorsFile, TorchArchive, open_tensors, read_jit_tensors, read_pt_tensors
from alaya.weights import compare_keys
from inverse import cosmos_keys
from inverse.cosmos import FIXED_CONFIG, CosmosInverseTransformer
from inverse.cosmos_codec import CosmosCodec, LatentStatistics
from inverse.cosmos_files import STATISTICS_NAME, ConvertedFolder, PublishedFiles

Shapes = dict[str, tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class Part:
    """One network in published files: what it is built of, and its tensors one by one.

    Attributes:
        net: without memory, but for its small tables.
        shapes: of its tensors, by diffusers' names.
        read: gives a tensor by diffusers' name, as the file has it.
    """

    net: Any
    shapes: Shapes
    read: Callable[[str], Tensor]

    def read_finite(self, name: str) -> Tensor:
        """A tensor by diffusers' name; infinities and NaN are refused."""
        tensor = self.read(name)
        if not bool(tensor.isfinite().all()):
            raise WeightsError(f"{name} holds values that are not finite; get the checkpoint again")
        return tensor

    def load(self, dtype: torch.dtype) -> Any:
        """The network with its tensors in a dtype."""
        state = {name: self.read_finite(name).to(dtype) for name in self.shapes}
        self.net.load_state_dict(state, strict=True, assign=True)
        return self.net.eval()


def network_part(path: Path) -> Part:
    """The published network in its file, wrapped or bare, of any prefix and dtype.

    Raises:
        WeightsError: it is another file, or tensors are missing, unexpected or misshapen.
    """
    file = open_tensors(path)
    try:
        names = cosmos_keys.network_names(file.header)
        shapes = {name: file.header[old] for name, old in names.items()}
        config = cosmos_keys.network_config({name: shape for name, (_, shape) in shapes.items()})
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    with init_empty_weights(include_buffers=False):
        net = CosmosInverseTransformer(**config, **FIXED_CONFIG)
    patch = "patch_embed.proj.weight"
    inputs = config["in_channels"] * cosmos_keys.PATCH**2
    shapes[patch] = (shapes[patch][0], (shapes[patch][1][0], inputs))

    def read(name: str) -> Tensor:
        tensor = file[names[name]]
        return (
            tensor[:, :inputs].contiguous() if name == patch else tensor
        )  # the rest is the zero mask's column

    return _checked(path, Part(net, shapes, read))


def tokenizer_part(encoder: Path, decoder: Path) -> Part:
    """The published tokenizer in its two archives, of which only the tensors are read.

    Raises:
        WeightsError: they are other files, or tensors are missing, unexpected or misshapen.
    """
    places: dict[str, tuple[TorchArchive | SafetensorsFile, str]] = {}
    for path in (encoder, decoder):
        file = read_jit_tensors(path)
        places.update({name: (file, old) for name, old in cosmos_keys.tokenizer_names(file.header).items()})
    shapes = {name: file.header[old] for name, (file, old) in places.items()}
    try:
        config = cosmos_keys.tokenizer_config({name: shape for name, (_, shape) in shapes.items()})
    except WeightsError as error:
        raise WeightsError(f"{encoder}, {decoder}: {error}") from error
    with init_empty_weights(include_buffers=False):
        net = AutoencoderKLCosmos(**config)

    def read(name: str) -> Tensor:
        file, old = places[name]
        return file[old]

    return _checked(encoder.parent, Part(net, shapes, read))


def _checked(path: Path, part: Part) -> Part:
    report = compare_keys(part.shapes, part.net)
    if not report.good:
        raise WeightsError(f"{path}: {report.summary()}")
    return part


def read_statistics(files: PublishedFiles, channels: int) -> LatentStatistics:
    """Of the published pair of files."""
    return LatentStatistics.read(
        read_pt_tensors(files.mean_std), read_pt_tensors(files.image_mean_std), channels
    )


def load_parts(
    files: PublishedFiles | ConvertedFolder,
    dtype: torch.dtype,
    codec_dtype: torch.dtype,
    lora: Sequence[Wish] = (),
) -> tuple[CosmosInverseTransformer, CosmosCodec]:
    """The network and the tokenizer, on the CPU.

    Args:
        files: of `inverse.cosmos_files.find_cosmos`.
        dtype: of the network.
        codec_dtype: of the tokenizer; on a CPU only float32 can encode.
        lora: adapters to merge into the network, and how much of each.
    """
    if isinstance(files, PublishedFiles):
        vae = tokenizer_part(files.encoder, files.decoder).load(codec_dtype)
        statistics = read_statistics(files, vae.config["latent_channels"])
        net, codec = network_part(files.network).load(dtype), CosmosCodec(vae, statistics)
    else:
        net, codec = _load_folder(files.folder, dtype, codec_dtype)
    merge_loras(net, lora)
    return net, codec


def _load_folder(
    folder: Path, dtype: torch.dtype, codec_dtype: torch.dtype
) -> tuple[CosmosInverseTransformer, CosmosCodec]:
    net = _from_pretrained(CosmosInverseTransformer, folder / "transformer", dtype)
    vae = _from_pretrained(AutoencoderKLCosmos, folder / "vae", codec_dtype)
    tables = SafetensorsFile(folder / STATISTICS_NAME)
    clip, image = ({"mean": tables[f"{kind}mean"], "std": tables[f"{kind}std"]} for kind in ("", "image_"))
    return net, CosmosCodec(vae, LatentStatistics.read(clip, image, vae.config["latent_channels"]))


def _from_pretrained(network: Any, folder: Path, dtype: torch.dtype) -> Any:
    """A network of a diffusers folder; diffusers itself would fill up missing tensors with random numbers."""
    try:
        net, report = network.from_pretrained(
            folder, torch_dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise WeightsError(f"{folder}: cannot be loaded ({str(error).splitlines()[0]})") from error
    wrong = {kind: names for kind, names in report.items() if names}
    if wrong:
        raise WeightsError(
            f"{folder}: {'; '.join(f'{kind}: {names}' for kind, names in wrong.items())[:500]}"
        )
    return net.eval()


def statistics_tensors(statistics: LatentStatistics) -> Mapping[str, Tensor]:
    """What `STATISTICS_NAME` holds."""
    return {
        "mean": statistics.mean,
        "std": statistics.std,
        "image_mean": statistics.image_mean,
        "image_std": statistics.image_std,
    }
