"""Measures what converting a file as large as the published inverse renderer's takes: peak memory and seconds.

The file holds zeros and is stored as one hole, so that it takes no room; what is written of it does.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import shutil
import sys
import tempfile
from pathlib import Path

from alaya.files import atomic_write, free_bytes
from scripts.benchmark import MIB, describe_machine, measure

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "conversion.json"
SCHEMA = "alaya-conversion/1"
GOLDEN = ROOT / "tests" / "data" / "golden"
SHAPES = GOLDEN / "keys" / "inverse_7b.json"
TOKENIZER = ("encoder.jit", "decoder.jit", "mean_std.pt", "image_mean_std.pt")
CONVERT = [sys.executable, "-m", "pipelines.cli", "weights", "convert"]
LIMIT_GB = 6


def read_shapes(share: int = 1) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the published network's tensors; of its 28 blocks only the first 28 / `share`."""
    shapes = {name: tuple(shape) for name, shape in json.loads(SHAPES.read_text()).items()}
    kept = len({name.split(".")[2] for name in shapes if ".blocks.block" in f".{name}"}) // share
    return {name: shape for name, shape in shapes.items() if _block(name) < kept}


def _block(name: str) -> int:
    """The number of a tensor's block; -1 outside them."""
    _, found, rest = name.partition("blocks.block")
    return int(rest.partition(".")[0]) if found else -1


def make_stand_in(folder: Path, shapes: dict[str, tuple[int, ...]]) -> Path:
    """The published files of a network of these shapes in float32, all zeros, beside a small tokenizer."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER:
        shutil.copy(GOLDEN / "inverse" / name, folder / name)
    with tempfile.TemporaryDirectory() as room:
        blank = str(Path(room) / "blank")
        tensors = {
            name: torch.from_file(blank, True, math.prod(shape)).view(shape) for name, shape in shapes.items()
        }
        with torch.serialization.skip_data():
            torch.save({"model": tensors}, folder / "model.pt")
    return folder


def make_elsewhere(folder: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """As `make_stand_in`, in a process of its own: a child's peak memory starts at its parent's."""
    process = multiprocessing.get_context("spawn").Process(target=make_stand_in, args=(folder, shapes))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit("the stand-in could not be made")


def convert(room: Path, share: int = 1) -> dict[str, object]:
    """Make a stand-in in `room`, convert it, and say what that took."""
    shapes = read_shapes(share)
    values = sum(math.prod(shape) for shape in shapes.values())
    if free_bytes(room) < 2.2 * values:
        raise SystemExit(f"{room}: {2.2e-9 * values:.0f} GB have to be free there; give another --room")
    source, target = room / "published", room / "converted"
    make_elsewhere(source, shapes)
    usage = measure([*CONVERT, str(source), str(target)])
    file = (source / "model.pt").stat()
    written = [path.stat().st_size for path in (target / "transformer").glob("*.safetensors")]
    return {
        "tensors": len(shapes),
        "parameters": values,
        "largest_tensor_mib": round(max(map(math.prod, shapes.values())) * 4 / MIB),
        "source_bytes": file.st_size,
        "source_bytes_on_disk": file.st_blocks * 512,
        "written_bytes": sum(written),
        "shards": len(written),
        "wall_s": usage.wall_s,
        "cpu_s": round(usage.user_s + usage.system_s, 2),
        "peak_rss_mib": usage.peak_rss_mib,
    }


def main() -> None:
    """Measure, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--room", type=Path, help="a folder with 16 GB free (default: the temporary one)")
    parser.add_argument("--share", type=int, default=1, help="1 / N of the blocks only (default: all)")
    parser.add_argument("--output", type=Path, default=RESULT, help="where the figures go, as JSON")
    request = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="alaya-conversion-", dir=request.room) as room:
        figures = convert(Path(room), request.share)
    result = {
        "schema": SCHEMA,
        "job": "alaya weights convert of a hole in the published layout, float32 to bfloat16 shards",
        "limit_gb": LIMIT_GB,
        **figures,
        "machine": describe_machine("cpu"),
    }
    atomic_write(request.output, json.dumps(result, indent=2) + "\n")
    print(json.dumps(figures, indent=2))
    print(request.output)


if __name__ == "__main__":
    main()
