"""Say what a weights file is from its header alone: held against the layouts that the field publishes."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alaya.errors import WeightsNotFoundError
from alaya.key_report import KeyReport, Shapes, compare_shapes
from alaya.torch_files import TorchArchive, open_tensors
from alaya.weights import CARD_NAME, WEIGHTS_NAME, check_sha256, read_card, read_header

LAYOUTS_PATH = Path(__file__).with_name("published_layouts.json")
ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8}
WEIGHT_PATTERNS = tuple(f"{where}*.{kind}" for where in ("", "*/") for kind in ("safetensors", "pth", "pt"))
ALIKE = 0.5
"""A file that shares less of a layout's names than this is something else."""


@dataclass(frozen=True)
class Layout:
    """One published file: every tensor's name and shape.

    Attributes:
        name: short.
        title: what the file holds.
        file: what it is called where it is published.
        mark: a tensor that tells where the names begin, behind any prefix.
        md5: of all names and shapes, as DiffSynth tells files apart.
        shapes: name to shape.
    """

    name: str
    title: str
    file: str
    mark: str
    md5: str
    shapes: Shapes


@functools.cache
def published_layouts() -> tuple[Layout, ...]:
    """The five layouts: the inverse renderer, the editing network and its base, the text encoder, the autoencoder."""
    table: dict[str, Any] = json.loads(LAYOUTS_PATH.read_text(encoding="utf-8"))
    return tuple(
        Layout(name, entry["title"], entry["file"], entry["mark"], entry["md5"], _expanded(entry))
        for name, entry in table.items()
    )


def _expanded(entry: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """All tensors: the single ones, and the repeated ones once a layer."""
    shapes = {key: tuple(shape) for key, shape in entry["single"].items()}
    for number in range(entry["repeats"]):
        shapes |= {key.format(number): tuple(shape) for key, shape in entry["repeated"].items()}
    return shapes


def layout_md5(shapes: Shapes) -> str:
    """The hash by which DiffSynth knows a file: md5 of all "name" and "name:shape", sorted."""
    parts = [*shapes, *(f"{key}:{'_'.join(map(str, shape))}" for key, shape in shapes.items())]
    return hashlib.md5(",".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Likeness:
    """How a file's tensors stand to a layout.

    Attributes:
        layout: the one it is most like.
        prefix: what stands before every name.
        report: names missing, unexpected, misshapen.
    """

    layout: Layout
    prefix: str
    report: KeyReport


def most_like(shapes: Shapes) -> Likeness | None:
    """The published layout that shares the most names and shapes with a file, or None if it is like none."""
    best: tuple[int, Likeness] | None = None
    for layout in published_layouts():
        prefixes = {key[: -len(layout.mark)] for key in shapes if key.endswith(layout.mark)} or {""}
        for prefix in prefixes:
            found = {key.removeprefix(prefix): shape for key, shape in shapes.items()}
            same = sum(found.get(key) == shape for key, shape in layout.shapes.items())
            named = sum(key in found for key in layout.shapes)
            if named >= ALIKE * len(layout.shapes) and (best is None or same > best[0]):
                best = same, Likeness(layout, prefix, compare_shapes(found, layout.shapes))
    return best[1] if best else None


@dataclass(frozen=True)
class Checked:
    """What a file is, in one line, and whether it holds less, more or other tensors than the layout it is most like."""

    line: str
    differs: bool = False


def check_weights(path: Path) -> list[Checked]:
    """Check a checkpoint folder, a weights file, or each file of a folder, from headers and hashes only.

    Raises:
        WeightsError: it is not what it should be.
        WeightsNotFoundError: there is nothing.
    """
    if path.is_file():
        return [describe_file(path)]
    if (path / CARD_NAME).is_file() and (path / WEIGHTS_NAME).is_file():
        card = read_card(path)
        tensors = read_header(path / WEIGHTS_NAME)
        check_sha256(path, card)
        says = f"{card['name']} ({card['stage']}), {len(tensors)} tensors, sha256 as the card says"
        return [Checked(f"{path}: {says}")]
    files = weight_files(path)
    if not files:
        raise WeightsNotFoundError(f"no file or folder at {path} that holds weights")
    return [describe_file(file) for file in files]


def weight_files(folder: Path) -> list[Path]:
    """The weights files in a folder as people download or convert them, and in the folders inside it."""
    found = (path for pattern in WEIGHT_PATTERNS for path in folder.glob(pattern))
    return sorted(path for path in found if path.is_file())


def describe_file(path: Path) -> Checked:
    """Say of a .safetensors, .pt or .pth file what it is most like, and what differs."""
    file = open_tensors(path)
    header = file.header
    kinds = sorted({dtype for dtype, _ in header.values()})
    size = sum(math.prod(shape) * ITEM_BYTES.get(dtype, 1) for dtype, shape in header.values())
    what = f"{len(header)} tensors, {'/'.join(kinds)}, {size / 1e9:.2f} GB"
    likeness = most_like({key: shape for key, (_, shape) in header.items()})
    if likeness is None:
        kind = "torch archive" if isinstance(file, TorchArchive) else "safetensors"
        return Checked(f"{path}: {kind} with {what}; no card beside it, and like none of the published files")
    layout, report = likeness.layout, likeness.report
    prefix = f" behind the prefix {likeness.prefix!r}" if likeness.prefix else ""
    if report.good:
        return Checked(f"{path}: {layout.title}, every name and shape as published{prefix} ({what})")
    said = f"looks like {layout.title}{prefix}, but differs from {layout.file}: {report.summary()} ({what})"
    return Checked(f"{path}: {said}", differs=True)
