"""What an evaluation leaves behind: figures with their spread, the machine, one strict JSON file."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from alaya.files import atomic_write
from worlds.dataset import INFO_NAME, read_info

SCHEMA = "alaya-eval/1"
DIGITS = 6
Result = dict[str, Any]
Report = Callable[[str], None]
"""Called with a line on what is being done."""


def silent(line: str) -> None:
    """The report of a caller who wants none."""


def spread(values: Iterable[float]) -> dict[str, float | int]:
    """Mean, median and standard deviation of the numbers that are not nan, and how many those are."""
    found = np.array([value for value in values if not math.isnan(value)], np.float64)
    if not found.size:
        return {"mean": math.nan, "median": math.nan, "std": math.nan, "clips": 0}
    return {
        "mean": float(found.mean()),
        "median": float(np.median(found)),
        "std": float(found.std()),
        "clips": int(found.size),
    }


def summary(rows: Iterable[Mapping[str, float]]) -> dict[str, dict[str, float | int]]:
    """`spread` of every number that the clips' rows hold, by name."""
    rows = list(rows)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: spread(row[name] for row in rows if name in row) for name in names}


def share(right: int, of: int) -> dict[str, float | int | None]:
    """A share as a figure: it has a mean but neither median nor deviation."""
    return {"mean": right / of if of else math.nan, "median": None, "std": None, "right": right, "of": of}


def describe_set(folder: Path) -> Result:
    """What the clips are: the settings of a worlds dataset, or that another renderer made them."""
    if not (folder / INFO_NAME).is_file():
        return {"kind": "foreign"}
    info = read_info(folder)
    names = ("split", "seed", "clips", "num_frames", "width", "height", "stride", "complete", "versions")
    return {"kind": "worlds", **{name: getattr(info, name) for name in names}}


def describe_machine(device: str) -> Result:
    """Processor, cores and versions that the figures were made with."""
    import torch

    cuda = device.startswith("cuda")
    return {
        "device": device,
        "gpu": torch.cuda.get_device_name(device) if cuda else None,
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("torch", "numpy")},
    }


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    for line in listing.read_text().splitlines() if listing.is_file() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def write_result(path: Path, result: Result) -> Result:
    """Write a result whole or not at all: six digits, null for what could not be measured; gives it as written."""
    plain = _plain(result)
    atomic_write(path, json.dumps(plain, indent=1, allow_nan=False) + "\n")
    return plain


def _plain(value: Any) -> Any:
    """The same with JSON's own types alone."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def as_text(result: Result) -> str:
    """A result's figures for a terminal: one line a metric, beside the best of the trivial baselines."""
    lines = [f"{result['stage']}: {result['model']} on {result['clips']} clips of {result['set']}"]
    for name, entry in result["metrics"].items():
        median = "" if entry["median"] is None else f"  median {entry['median']:.4g}"
        mean = "-" if entry["mean"] is None else f"{entry['mean']:.4g}"
        trivial = [f"{label} {row[name]:.4g}" for label, row in result["baselines"].items() if name in row]
        lines.append(f"{name:24} {mean:>8}{median}" + (f"   ({'; '.join(trivial)})" if trivial else ""))
    return "\n".join(lines)
