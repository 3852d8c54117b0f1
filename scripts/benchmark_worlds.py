"""How fast worlds are made: frames with G-buffer, motion and one look a second, by whole processes on two cores."""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from alaya.files import atomic_write
from training.results import describe_machine
from worlds.make import make_dataset

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "worlds.json"


def measure(clips: int, num_frames: int, size: tuple[int, int], workers: int) -> float:
    """Seconds to make that many clips with one look each, start of the workers included."""
    with tempfile.TemporaryDirectory(prefix="alaya-worlds-") as folder:
        start = time.perf_counter()
        make_dataset(
            Path(folder) / "set",
            clips,
            num_frames,
            size,
            workers=workers,
            lightings=1,
            targets=0,
            progress=None,
        )
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--clips", type=int, default=34, help="clips a run; every family in turn (default 34)"
    )
    parser.add_argument("--frames", type=int, default=9, help="frames of a clip (default 9)")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 144), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULT, help="where the figures go, as JSON")
    request = parser.parse_args()
    size = (request.size[0], request.size[1])
    seconds = []
    for _ in range(request.runs):
        seconds.append(measure(request.clips, request.frames, size, request.workers))
        print(f"{request.clips} clips in {seconds[-1]:.1f} s", file=sys.stderr)
    median, frames = statistics.median(seconds), request.clips * request.frames
    result = {
        "schema": "alaya-worlds-benchmark/1",
        "job": "scenes built, G-buffers, motion and one look a frame drawn, coded and written",
        "clips": request.clips,
        "frames": frames,
        "size": list(size),
        "workers": request.workers,
        "seconds": [round(value, 2) for value in seconds],
        "frames_per_s": round(frames / median, 2),
        "machine": describe_machine("cpu"),
    }
    request.output.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(request.output, json.dumps(result, indent=1) + "\n")
    print(request.output)


if __name__ == "__main__":
    main()
