"""How much faster two workers are than one: a batch of short clips through `alaya batch`, one thread a worker."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

from alaya.files import atomic_write, file_sha256
from alaya.video import VideoWriter, read_frames, to_float
from pipelines.batch_jobs import SUMMARY
from pipelines.journal import HIDDEN
from training.results import describe_machine

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "demo" / "hacienda.mp4"
RESULT = ROOT / "benchmarks" / "results" / "batch.json"
BAR = 1.7
STYLE = "snowy_winter"
CASES = {"one": (1, 1), "two": (2, 2), "one, all cores": (1, None)}
"""Workers of one thread, and the cores they may use; None: all. A worker's codecs run beside its thread, so that one
worker takes more than one core if it can; the two are compared with one that has a core, and shown beside one that
has them all.
"""


def make_clips(folder: Path, clips: int, num_frames: int) -> Path:
    """Cut the demo clip, made half as large, into pieces, which may overlap, and list them; the jobs file's path."""
    frames = list(read_frames(SOURCE, 0, clips + num_frames - 1))
    lines = ["input,styles"]
    for clip in range(clips):
        height, width = (side // 2 for side in frames[0].shape[:2])
        with VideoWriter(folder / f"clip-{clip:02}.mp4", height, width, Fraction(24)) as writer:
            for frame in frames[clip : clip + num_frames]:
                writer.write(to_float(frame)[::2, ::2])
        lines.append(f"clip-{clip:02}.mp4,{STYLE}")
    atomic_write(folder / "jobs.csv", "\n".join(lines) + "\n")
    return folder / "jobs.csv"


def measure(jobs: Path, workers: int, cores: int | None) -> tuple[float, dict[str, str]]:
    """Seconds of the whole batch, start of the workers included, and the sha256 of every result."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    with tempfile.TemporaryDirectory(prefix="alaya-batch-") as folder:
        out = Path(folder, "out")
        command = [sys.executable, "-m", "pipelines.cli", "batch", str(jobs), "--output", str(out)]
        command += ["--workers", str(workers), "--threads", "1"]
        start = time.perf_counter()
        done = subprocess.run(
            ["taskset", "-c", ",".join(map(str, allowed)), *command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
        if done.returncode:
            raise SystemExit(f"the batch ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return seconds, results_of(out)


def results_of(folder: Path) -> dict[str, str]:
    """Path -> sha256 of what a batch made; journals and batch.json hold times."""
    files = [path for path in folder.rglob("*") if path.is_file() and path != folder / SUMMARY]
    places = {path.relative_to(folder): path for path in files}
    return {str(place): file_sha256(path) for place, path in places.items() if HIDDEN not in place.parts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--frames", type=int, default=17, help="of a clip (default 17)")
    parser.add_argument("--runs", type=int, default=1, help="of each case, in turns (default 1)")
    parser.add_argument("--output", type=Path, default=RESULT, help="where the figures go, as JSON")
    request = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two workers need two processor cores; this process may use one")
    seconds: dict[str, list[float]] = {case: [] for case in CASES}
    made: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory(prefix="alaya-clips-") as folder:
        jobs = make_clips(Path(folder), request.clips, request.frames)
        for _ in range(request.runs):  # in turns, so that a machine that slows down slows all
            for case, measured in seconds.items():
                took, results = measure(jobs, *CASES[case])
                measured.append(round(took, 2))
                made.append(results)
                print(f"{case}: {measured[-1]} s", file=sys.stderr)
    if any(results != made[0] for results in made):
        raise SystemExit("the batches did not make the same files")
    result = as_result(request, seconds, len(made[0]))
    request.output.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(request.output, json.dumps(result, indent=1) + "\n")
    print(request.output)


def as_result(request: argparse.Namespace, seconds: dict[str, list[float]], files: int) -> dict[str, Any]:
    """The figures as JSON values."""
    medians = {case: statistics.median(measured) for case, measured in seconds.items()}
    return {
        "schema": "alaya-batch-benchmark/2",
        "job": f"alaya batch of pieces of demo/hacienda.mp4 at half size, style {STYLE}",
        "clips": request.clips,
        "frames_a_clip": request.frames,
        "files_alike": files,
        "seconds": seconds,
        "clips_per_minute": {case: round(60 * request.clips / median, 2) for case, median in medians.items()},
        "speed_up": round(medians["one"] / medians["two"], 3),
        "speed_up_over_all_cores": round(medians["one, all cores"] / medians["two"], 3),
        "bar": BAR,
        "machine": describe_machine("cpu"),
    }


if __name__ == "__main__":
    main()
