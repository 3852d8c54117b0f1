"""Read and write low-rank adapters as diffusers and PEFT keep them: pairs of small matrices by module name."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alaya.errors import RequestError, WeightsError, WeightsNotFoundError
from alaya.files import atomic_write, file_sha256
from alaya.weights import read_header

if TYPE_CHECKING:
    from torch import Tensor

FILE_NAMES = ("pytorch_lora_weights.safetensors", "adapter_model.safetensors")
"""What a folder with an adapter holds: diffusers' file, or PEFT's with its adapter_config.json."""
METADATA_KEY = "lora_adapter_metadata"
PREFIX = "transformer."
_PREFIXES = ("base_model.model.", "diffusion_model.", PREFIX)
_KEY = re.compile(
    r"(?P<module>.+?)\.(?:lora_(?P<new>A|B)(?:\.default)?|lora(?:_|\.)(?P<old>down|up))\.weight"
)
# PEFT takes any regular expression; one with repetition can be made to run for ever.
_PLAIN_PATTERN = re.compile(r"[\w.\-\\^$]{1,256}")
MAX_ALPHA = 1e6
_UP = ("B", "up")

Wish = tuple[Path, float]
"""An adapter's file or folder, and how much of it: 1 as trained, 0 nothing."""


@dataclass(frozen=True)
class Pair:
    """What an adapter adds to one linear layer: scale * up @ down.

    Attributes:
        down: (rank, inputs) float32.
        up: (outputs, rank) float32.
        scale: alpha / rank.
    """

    down: Tensor
    up: Tensor
    scale: float


def parse_wish(text: str) -> Wish:
    """`PATH` or `PATH:SCALE` as typed."""
    path, colon, scale = text.rpartition(":")
    if not colon:
        return Path(text), 1.0
    try:
        value = float(scale)
    except ValueError:
        return Path(text), 1.0
    if not math.isfinite(value) or not path:
        raise RequestError(f"--lora {text}: the scale must be a number; write PATH or PATH:0.8")
    return Path(path), value


def find_lora(path: Path) -> Path:
    """The adapter's file: `path` itself, or what a folder holds."""
    places = [path / name for name in FILE_NAMES] if os.path.isdir(path) else [path]
    for place in places:
        if os.path.isfile(place):
            return place
    looked = ", ".join(map(str, places))
    raise WeightsNotFoundError(
        f"no LoRA at {path}: there is no {looked}; name a .safetensors file or its folder"
    )


def with_loras(sha256: str, wishes: Sequence[Wish]) -> str:
    """A checkpoint's identity once adapters change it: other weights, other results."""
    if not wishes:
        return sha256
    parts = [sha256, *(f"{file_sha256(find_lora(path))}:{scale!r}" for path, scale in wishes)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def check_lora(
    path: Path, shapes: Mapping[str, tuple[int, ...]], rename: Callable[[str], str] | None = None
) -> None:
    """Hold an adapter against a network by the headers of both, before any weight is read.

    Args:
        path: of the adapter, a file or a folder.
        shapes: of the network's tensors, by its own names.
        rename: turns published names into the network's.

    Raises:
        WeightsNotFoundError: no such file.
        WeightsError: no LoRA, a layer the network does not have, or one of another size; naming the first.
    """
    path = find_lora(path)
    header = read_header(path)
    for key, (_, shape) in header.items():
        module, half = _place(path, key)
        name = module
        if f"{name}.weight" not in shapes and rename is not None:
            name = rename(f"{module}.weight").removesuffix(".weight")
        layer = shapes.get(f"{name}.weight", ())
        if len(layer) != 2:
            raise WeightsError(
                f"{path}: the network has no linear layer {module}; the LoRA belongs to another model"
            )
        side = 0 if half == "up" else 1
        if half != "alpha" and (len(shape) != 2 or shape[side] != layer[side]):
            raise WeightsError(
                f"{path}: {key} is {shape}, the network's {name} is {layer}; the LoRA belongs to another model"
            )
    if not header:
        raise WeightsError(f"{path}: holds no LoRA; names end in .lora_A.weight and .lora_B.weight")


def read_lora(path: Path) -> dict[str, Pair]:
    """The pairs of an adapter by module name, as the file has it but without the prefix.

    Raises:
        WeightsNotFoundError: no such file.
        WeightsError: not safetensors, a tensor that is no part of a LoRA, half a pair, ranks that differ,
            numbers that are not finite.
    """
    from safetensors import SafetensorError, safe_open

    path = find_lora(path)
    header = read_header(path)
    alphas, found = {}, {}
    try:
        with safe_open(path, "pt") as file:
            settings = _settings(path, file.metadata() or {})
            for name in header:
                module, half = _place(path, name)
                tensor = file.get_tensor(name).float()
                if half == "alpha":
                    alphas[module] = float(tensor)
                elif half in found.setdefault(module, {}):
                    raise WeightsError(f"{path}: two tensors are {half} of {module}; it is damaged")
                else:
                    found[module][half] = tensor
    except (SafetensorError, OSError, RuntimeError) as error:
        raise WeightsError(f"{path}: cannot be read ({error})") from error
    if not found:
        raise WeightsError(f"{path}: holds no LoRA; names end in .lora_A.weight and .lora_B.weight")
    return {module: _pair(path, module, halves, alphas, settings) for module, halves in found.items()}


def write_lora(
    path: Path, state: Mapping[str, Tensor], rank: int, alpha: float, note: Mapping[str, str]
) -> None:
    """Write an adapter that diffusers' `load_lora_weights` and this program read.

    Args:
        path: of the file.
        state: "<module>.lora_A.weight" and "<module>.lora_B.weight" of each module; written as float32.
        rank: of all pairs.
        alpha: the pairs are scaled by alpha / rank.
        note: more metadata, words by name.
    """
    from safetensors.torch import save

    modules = sorted({key.split(".lora_")[0] for key in state})
    settings = {"r": rank, "lora_alpha": alpha, "target_modules": modules, "bias": "none"}
    metadata = json.dumps({PREFIX + key: value for key, value in settings.items()}, sort_keys=True)
    tensors = {PREFIX + key: value.detach().float().cpu().contiguous() for key, value in state.items()}
    atomic_write(path, save(tensors, {"format": "pt", METADATA_KEY: metadata, **note}))


def _place(path: Path, name: str) -> tuple[str, str]:
    """A tensor's module and which part of it: "down", "up" or "alpha"."""
    bare = name
    for prefix in _PREFIXES:
        bare = bare.removeprefix(prefix)
    if bare.endswith(".alpha"):
        return bare.removesuffix(".alpha"), "alpha"
    found = _KEY.fullmatch(bare)
    if found is None:
        raise WeightsError(
            f"{path}: {name!r} is no part of a plain LoRA (lora_A, lora_B, alpha); other adapters are not read"
        )
    return found["module"], "up" if (found["new"] or found["old"]) in _UP else "down"


def _settings(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    """How the adapter is scaled: of diffusers' metadata, or of PEFT's adapter_config.json."""
    config = path.parent / "adapter_config.json"
    if METADATA_KEY in metadata:
        text = metadata[METADATA_KEY]
    elif path.name == FILE_NAMES[1] and config.is_file():
        text = config.read_text(encoding="utf-8")
    else:
        return {}
    try:
        settings = {key.removeprefix(PREFIX): value for key, value in json.loads(text).items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{path}: its settings are not readable ({error})") from error
    patterns = settings.get("alpha_pattern") or {}
    alphas = [settings.get("lora_alpha", 1), *(patterns.values() if isinstance(patterns, dict) else [None])]
    if not all(type(alpha) in (int, float) and abs(alpha) < MAX_ALPHA for alpha in alphas):
        raise WeightsError(f"{path}: its settings name an alpha that is no number")
    if odd := [pattern for pattern in patterns if not _PLAIN_PATTERN.fullmatch(pattern)]:
        raise WeightsError(f"{path}: alpha_pattern {odd[0][:60]!r} is not the name of a module")
    if settings.get("use_dora"):
        raise WeightsError(f"{path}: is a DoRA, which is not read; only plain LoRA is")
    return settings


def _pair(
    path: Path, module: str, halves: dict[str, Tensor], alphas: dict[str, float], settings: dict[str, Any]
) -> Pair:
    if missing := {"down", "up"} - set(halves):
        raise WeightsError(f"{path}: {module} lacks its {missing.pop()} half; it is damaged")
    down, up = halves["down"], halves["up"]
    if down.ndim != 2 or up.ndim != 2 or down.shape[0] != up.shape[1]:
        raise WeightsError(
            f"{path}: {module} has {tuple(down.shape)} and {tuple(up.shape)}, which are no (rank, inputs) and"
            " (outputs, rank) of a linear layer"
        )
    if not bool(down.isfinite().all() and up.isfinite().all()):
        raise WeightsError(f"{path}: {module} holds values that are not finite")
    rank = down.shape[0]
    alpha = alphas.get(module, _pattern(settings, module, rank))
    return Pair(down, up, alpha / (math.sqrt(rank) if settings.get("use_rslora") else rank))


def _pattern(settings: dict[str, Any], module: str, rank: int) -> float:
    """Alpha of a module: its own where the settings name it, else the adapter's, else the rank (scale 1)."""
    for pattern, alpha in (settings.get("alpha_pattern") or {}).items():
        if re.fullmatch(rf"(.*\.)?({pattern})", module):
            return float(alpha)
    return float(settings.get("lora_alpha", rank))
