"""Build the published editing networks from their files, as published or as a diffusers folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from torch import Tensor, nn

from alaya.errors import WeightsError
from alaya.lora import merge_loras
from alaya.lora_files import Wish
from alaya.torch_files import open_tensors
from alaya.weights import compare_keys
from editing import wan_keys

HEAD_WIDTH = 128


@dataclass(frozen=True)
class Part:
    """One published file as a network: what it is built of and where its tensors go.

    Attributes:
        path: of the published file.
        net: the network without memory (on the meta device, but for its small tables).
        names: the network's name of a tensor -> the file's.
        exact: modules whose tensors stay float32 (norms, tables, the timestep's layers).
    """

    path: Path
    net: Any
    names: dict[str, str]
    exact: frozenset[str]

    def dtype_of(self, key: str, dtype: torch.dtype) -> torch.dtype:
        """`dtype`, or float32 for a tensor that is kept exact."""
        return dtype if self.exact.isdisjoint(key.split(".")) else torch.float32

    def load(self, dtype: torch.dtype) -> Any:
        """The network with its tensors, mapped from the file where they need no cast."""
        file = open_tensors(self.path)
        tensors: dict[str, Tensor] = {}
        for key, name in self.names.items():
            if name not in tensors:  # two keys may mean one tensor, which must stay one
                tensors[name] = file[name].to(self.dtype_of(key, dtype))
        state = {key: tensors[name] for key, name in self.names.items()}
        self.net.load_state_dict(state, strict=True, assign=True)
        return self.net


def transformer_part(path: Path, head_width: int = HEAD_WIDTH) -> Part:
    """The 96-channel network in its published file; no shape tells how wide its heads are."""
    from editing.wan import WanEditingTransformer

    shapes = _shapes(path)
    with _read_as("the 96-channel editing network", path):
        config = wan_keys.transformer_config(shapes, head_width)
        names = {wan_keys.rename_transformer(name): name for name in shapes}
        with init_empty_weights(include_buffers=False):
            net = WanEditingTransformer(**config)
    exact = frozenset(WanEditingTransformer._keep_in_fp32_modules or ())
    return _checked(Part(path, net, names, exact), shapes)


def vae_part(path: Path) -> Part:
    """The autoencoder in its published file."""
    from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan

    shapes = _shapes(path)
    with _read_as("the Wan autoencoder", path):
        config = wan_keys.vae_config(shapes)
        names = {wan_keys.rename_vae(name): name for name in shapes}
        with init_empty_weights(include_buffers=False):
            net = AutoencoderKLWan(**config)
    return _checked(Part(path, net, names, frozenset()), shapes)


def text_part(path: Path) -> Part:
    """The text encoder in its published file."""
    from transformers import UMT5Config, UMT5EncoderModel

    shapes = _shapes(path)
    with _read_as("the UMT5 text encoder", path):
        config = UMT5Config(**wan_keys.text_config(shapes))
        names = {wan_keys.rename_text(name): name for name in shapes}
        names["encoder.embed_tokens.weight"] = names["shared.weight"]
        with init_empty_weights(include_buffers=False):
            net = UMT5EncoderModel(config)
    return _checked(Part(path, net, names, frozenset()), shapes)


def load_transformer(
    path: Path, dtype: torch.dtype, device: str, head_width: int = HEAD_WIDTH, lora: Sequence[Wish] = ()
) -> Any:
    """`WanEditingTransformer` from a published file or a diffusers folder, with adapters merged into it."""
    from editing.wan import WanEditingTransformer

    if path.is_dir():
        net = _from_folder(WanEditingTransformer, path, torch_dtype=dtype)
    else:
        net = transformer_part(path, head_width).load(dtype)
    merge_loras(net, lora, wan_keys.rename_transformer)
    return _ready(net, device)


def load_vae(path: Path, dtype: torch.dtype, device: str) -> Any:
    """`AutoencoderKLWan` from a published file or a diffusers folder."""
    from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan

    if path.is_dir():
        return _ready(_from_folder(AutoencoderKLWan, path, torch_dtype=dtype), device)
    return _ready(vae_part(path).load(dtype), device)


def load_text_encoder(path: Path, dtype: torch.dtype, device: str) -> Any:
    """`UMT5EncoderModel` from a published file or a transformers folder."""
    from transformers import UMT5EncoderModel

    if path.is_dir():
        return _ready(_from_folder(UMT5EncoderModel, path, dtype=dtype), device)
    return _ready(text_part(path).load(dtype), device)


def _ready(net: nn.Module, device: str) -> nn.Module:
    return net.eval().requires_grad_(False).to(device)


def _from_folder(kind: Any, path: Path, **options: Any) -> Any:
    try:
        return kind.from_pretrained(path, local_files_only=True, use_safetensors=True, **options)
    except (OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise WeightsError(f"{path}: {kind.__name__} cannot be loaded from it ({reason})") from error


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    return {name: shape for name, (_, shape) in open_tensors(path).header.items()}


@contextmanager
def _read_as(what: str, path: Path) -> Iterator[None]:
    """Turn a missing or odd tensor into one line that names the file and what it was read as."""
    try:
        yield
    except (KeyError, ValueError, IndexError, ZeroDivisionError) as error:
        raise WeightsError(
            f"{path}: not {what} ({type(error).__name__}: {error}); try `alaya weights check {path}`"
        ) from error


def _checked(part: Part, shapes: wan_keys.Shapes) -> Part:
    """The part, after every name and shape of its file was held against the network's."""
    found = {key: ("", shapes[name]) for key, name in part.names.items()}
    report = compare_keys(found, part.net)
    if not report.good:
        raise WeightsError(f"{part.path}: {report.summary()}")
    return part
