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

from alaya.files import atomic_write
from alaya.video import VideoWriter, read_frames, to_float
from training.results import describe_machine

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "demo" / "hacienda.mp4"
RESULT = ROOT / "benchmarks" / "results" / "batch.json"
BAR = 1.7
STYLE = "snowy_winter"


def make_clips(folder: Path, clips: int, num_frames: int) -> Path:
    """Cut the demo clip into that many pieces, which may overlap, and list them; the jobs file's path."""
    frames = list(read_frames(SOURCE, 0, clips + num_frames - 1))
    lines = ["input,styles"]
    for clip in range(clips):
        height, width = frames[0].shape[:2]
        with VideoWriter(folder / f"clip-{clip:02}.mp4", height, width, Fraction(24)) as writer:
            for frame in frames[clip : clip + num_frames]:
                writer.write(to_float(frame))
        lines.append(f"clip-{clip:02}.mp4,{STYLE}")
    atomic_write(folder / "jobs.csv", "\n".join(lines) + "\n")
    return folder / "jobs.csv"


def measure(jobs: Path, workers: int) -> float:
    """Seconds of the whole batch, start of the workers included; all cores are free to each worker."""
    with tempfile.TemporaryDirectory(prefix="alaya-batch-") as folder:
        command = [sys.executable, "-m", "pipelines.cli", "batch", str(jobs), "--output", f"{folder}/out"]
        start = time.perf_counter()
        done = subprocess.run(
            [*command, "--workers", str(workers), "--threads", "1"],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"the batch ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--frames", type=int, default=17, help="of a clip (default 17)")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULT, help="where the figures go, as JSON")
    request = parser.parse_args()
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory(prefix="alaya-clips-") as folder:
        jobs = make_clips(Path(folder), request.clips, request.frames)
        for _ in range(request.runs):  # in turns, so that a machine that slows down slows both
            for workers, measured in seconds.items():
                measured.append(round(measure(jobs, workers), 2))
                print(f"{workers} workers: {measured[-1]} s", file=sys.stderr)
    medians = {workers: statistics.median(measured) for workers, measured in seconds.items()}
    result = {
        "schema": "alaya-batch-benchmark/1",
        "job": f"alaya batch of pieces of demo/hacienda.mp4, style {STYLE}; one thread a worker",
        "clips": request.clips,
        "frames_a_clip": request.frames,
        "seconds": {str(workers): measured for workers, measured in seconds.items()},
        "clips_per_minute": {
            str(workers): round(60 * request.clips / median, 2) for workers, median in medians.items()
        },
        "speed_up": round(medians[1] / medians[2], 3),
        "bar": BAR,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "machine": describe_machine("cpu"),
    }
    request.output.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(request.output, json.dumps(result, indent=1) + "\n")
    print(request.output)


if __name__ == "__main__":
    main()
