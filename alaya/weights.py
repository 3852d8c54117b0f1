"""Find checkpoints, read their cards, and load safetensors strictly."""

from __future__ import annotations

import json
import math
import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from alaya.errors import ClipError, WeightsError, WeightsNotFoundError
from alaya.files import atomic_write, file_sha256
from alaya.key_report import compare_keys
from alaya.strict_json import parse_object

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHTS_NAME, CARD_NAME = "model.safetensors", "card.json"
STAGES = ("inverse", "editing")
BUNDLED = {"small": "small"}
"""model name -> folder below a checkpoints folder; each holds one folder a stage."""

MAX_HEADER = 16 * 2**20
MAX_TENSORS = 20_000
MAX_DIMS = 32
DTYPE_BYTES = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 1),
}
_KEY = re.compile(r"[A-Za-z0-9_.\-]{1,256}")


@dataclass(frozen=True)
class WeightsEntry:
    """One checkpoint that alaya knows by name."""

    name: str
    stage: str
    path: Path | None
    bytes: int | None
    licence: str

    @property
    def present(self) -> bool:
        """Whether the files are on this machine."""
        return self.path is not None


def search_folders() -> list[Path]:
    """Where checkpoints are looked for, in order: $ALAYA_CHECKPOINTS, ./checkpoints, beside the package."""
    named = os.environ.get("ALAYA_CHECKPOINTS")
    folders = [Path(named)] if named else []
    return [*folders, Path("checkpoints"), Path(__file__).resolve().parent.parent / "checkpoints"]


def find_weights(name: str, stage: str) -> Path:
    """The folder of a checkpoint.

    Args:
        name: "small", the path of a checkpoint's folder, or of a folder with one folder a stage.
        stage: "inverse" or "editing".

    Raises:
        WeightsNotFoundError: naming every place that was looked at.
    """
    if name in BUNDLED:
        places = [folder / BUNDLED[name] / stage for folder in search_folders()]
    else:
        places = [Path(name), Path(name) / stage]
    for place in places:
        if os.path.isfile(place / CARD_NAME) and os.path.isfile(place / WEIGHTS_NAME):
            return place
    looked = ", ".join(str(place) for place in places)
    raise WeightsNotFoundError(
        f"no {stage} checkpoint {name!r}: none of {looked} holds {WEIGHTS_NAME} and {CARD_NAME};"
        " name a folder that does, or set ALAYA_CHECKPOINTS"
    )


def list_weights() -> list[WeightsEntry]:
    """Every checkpoint alaya knows, present or not."""
    entries = []
    for name in BUNDLED:
        for stage in STAGES:
            try:
                path = find_weights(name, stage)
            except WeightsNotFoundError:
                entries.append(WeightsEntry(name, stage, None, None, "Apache-2.0"))
                continue
            size = (path / WEIGHTS_NAME).stat().st_size
            entries.append(WeightsEntry(name, stage, path, size, _licence(path)))
    return entries


def _licence(folder: Path) -> str:
    """What the card says; a broken card spoils its own line of the list and no other."""
    try:
        return str(read_card(folder).get("licence", "unknown"))
    except WeightsError as error:
        return f"unknown: {error}"


def read_card(folder: Path, stage: str | None = None) -> dict[str, Any]:
    """What a checkpoint says of itself (card.json).

    Args:
        folder: of the checkpoint.
        stage: the stage it must be of; any when None.

    Raises:
        WeightsError: no card, or one of another stage.
    """
    path = folder / CARD_NAME
    try:
        if path.stat().st_size > MAX_HEADER:
            raise WeightsError(f"{path}: {path.stat().st_size} bytes is no card; expected a small JSON file")
        card = parse_object(path.read_text(encoding="utf-8"), "it")
    except (OSError, ValueError, ClipError) as error:
        raise WeightsError(f"{path}: not a readable card ({error})") from error
    if not {"name", "stage", "network", "sha256"} <= set(card):
        raise WeightsError(f"{path}: a card needs name, stage, network and sha256")
    if stage is not None and card["stage"] != stage:
        raise WeightsError(f"{path}: {card['stage']!r} weights, {stage!r} ones were asked for")
    return card


@contextmanager
def card_trouble(folder: Path) -> Iterator[None]:
    """Turn what goes wrong while a card's values are used into one line that names the card."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{folder / CARD_NAME}: lacks or misstates what the model needs ({type(error).__name__}: {error});"
            " get the checkpoint again"
        ) from error


def read_header(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Names, dtypes and shapes in a safetensors file, from its header alone, within caps.

    Raises:
        WeightsError: not safetensors, or larger than any network needs.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= length <= min(MAX_HEADER, max(size - 8, 0)):
                raise WeightsError(f"{path}: not safetensors (header of {length} bytes in a file of {size})")
            header = parse_object(file.read(length).decode("utf-8"), "its header")
    except (OSError, ValueError, ClipError) as error:
        raise WeightsError(f"{path}: not safetensors ({error})") from error
    notes = header.pop("__metadata__", {})
    if not isinstance(notes, dict) or not all(isinstance(note, str) for note in notes.values()):
        raise WeightsError(f"{path}: its metadata is no table of texts")
    if len(header) > MAX_TENSORS:
        raise WeightsError(f"{path}: {len(header)} tensors, at most {MAX_TENSORS} are read")
    entries = {key: _entry(path, key, value) for key, value in header.items()}
    _check_places(path, [(*value["data_offsets"], key) for key, value in header.items()], size - 8 - length)
    return entries


def _entry(path: Path, key: str, value: Any) -> tuple[str, tuple[int, ...]]:
    """Dtype and shape of one tensor, whose bytes must be as many as these ask for."""
    fields = value if isinstance(value, dict) else {}
    dtype, shape, place = (fields.get(name) for name in ("dtype", "shape", "data_offsets"))
    if not _KEY.fullmatch(key) or not _are_sizes(shape) or len(shape) > MAX_DIMS:
        raise WeightsError(f"{path}: tensor {key[:80]!r} has no usable name or shape")
    if not isinstance(dtype, str) or dtype not in DTYPE_BYTES:
        raise WeightsError(f"{path}: tensor {key!r} is of the unknown dtype {str(dtype)[:40]!r}")
    needed = math.prod(shape) * DTYPE_BYTES[dtype]
    if not _are_sizes(place) or len(place) != 2 or place[1] - place[0] != needed:
        raise WeightsError(f"{path}: tensor {key!r} needs {needed} bytes and is at {str(place)[:60]}")
    return dtype, tuple(shape)


def _are_sizes(values: Any) -> TypeGuard[list[int]]:
    return isinstance(values, list) and all(type(size) is int and size >= 0 for size in values)


def _check_places(path: Path, places: list[tuple[int, int, str]], size: int) -> None:
    """Tensors must lie one behind the other and fill the file, as the format asks."""
    reached = 0
    for begin, end, key in sorted(places):
        if begin != reached:
            raise WeightsError(f"{path}: tensor {key!r} overlaps another or leaves a hole before it")
        reached = end
    if reached != size:
        raise WeightsError(
            f"{path}: holds {size} bytes of tensors, its header asks for {reached}; get the file again"
        )


def check_sha256(folder: Path, card: dict[str, Any]) -> None:
    """Refuse weights that are not the ones the card was written for."""
    actual = file_sha256(folder / WEIGHTS_NAME)
    if actual != card["sha256"]:
        raise WeightsError(
            f"{folder / WEIGHTS_NAME}: sha256 is {actual[:12]}..., the card says {str(card['sha256'])[:12]}...;"
            " the file was changed or damaged"
        )


def load_into(net: nn.Module, folder: Path) -> dict[str, Any]:
    """Load a checkpoint folder into a network, strictly: every key, every shape, finite, the card's sha256.

    Returns:
        The card.
    """
    card = read_card(folder)
    path = folder / WEIGHTS_NAME
    report = compare_keys(read_header(path), net)
    if not report.good:
        raise WeightsError(f"{path}: {report.summary()}")
    check_sha256(folder, card)
    state = _read_tensors(path)
    net.load_state_dict(state, strict=True)
    return card


def _read_tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: cannot be read ({error})") from error
    floats = {key: value.float() for key, value in state.items()}
    for key, value in floats.items():
        if not bool(value.isfinite().all()):
            raise WeightsError(f"{path}: {key} holds values that are not finite")
    return floats


def save_checkpoint(folder: Path, state: dict[str, Tensor], card: dict[str, Any]) -> None:
    """Write weights as bf16 safetensors and the card with their sha256, each atomically, the card last."""
    import torch
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    halves = {key: value.detach().to("cpu", torch.bfloat16).contiguous() for key, value in state.items()}
    atomic_write(folder / WEIGHTS_NAME, save(halves))
    card = {
        **card,
        "sha256": file_sha256(folder / WEIGHTS_NAME),
        "bytes": (folder / WEIGHTS_NAME).stat().st_size,
    }
    atomic_write(folder / CARD_NAME, json.dumps(card, indent=2) + "\n")
