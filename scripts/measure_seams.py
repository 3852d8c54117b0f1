"""Seams measured on worlds clips: whole jobs in windows of 17 and 33 against one window, stills, ways to join windows.

Each part's figures go to benchmarks/results/seams.json as soon as it is done; parts that are there are skipped.
"""

import argparse
import gc
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from alaya.clip import open_clip
from alaya.frames import covering_count
from alaya.gbuffer import CHANNELS, GBuffer
from alaya.metrics import psnr
from alaya.seams import visible
from alaya.video import VideoWriter, read_frames, to_float
from alaya.weights import find_weights, read_card
from pipelines.progress import Progress
from pipelines.render import run_render
from pipelines.seams import measure_seams
from pipelines.settings import RenderSettings
from scripts.benchmark import ping_pong
from scripts.seam_ways import compare_ways
from training.evaluate import STAGES
from training.evaluate_editing import canonical_words
from training.results import describe_machine, write_result
from worlds.dataset import DatasetReader
from worlds.make import make_dataset

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "seams.json"
WINDOWS = (17, 33)
ONE_WINDOW = 113  # the longest clip that is also run in one window
STILL_FRAMES = 200
SHORT, LONG = 81, 2000  # frames of the runs whose memory is compared
FINE = 1  # crf of the inputs
MEASURE = """
import json, sys
from scripts.benchmark import measure
usage = measure(sys.argv[1:])
print(json.dumps({"wall_s": usage.wall_s, "peak_rss_mib": usage.peak_rss_mib}))
"""
Figures = dict[str, Any]


@dataclass(frozen=True)
class Take:
    """A clip of the worlds with all that is true of it."""

    pictures: np.ndarray  # (T, H, W, 3) uint8
    truth: GBuffer
    look: str
    styled: np.ndarray  # (T, H, W, 3) uint8
    family: str


def make_take(room: Path, frames: int, size: tuple[int, int], seed: int) -> Take:
    """Render a held-out clip, or take the one that lies in `room` already."""
    folder = room / f"worlds-{frames}-{size[0]}x{size[1]}-{seed}"
    options: dict[str, Any] = {"split": "heldout", "lightings": 1, "targets": 1}
    make_dataset(folder, 1, frames, size, seed, 1, progress=None, **options)
    reader = DatasetReader(folder)
    look = next(iter(reader.looks(0)))
    pictures, styled = (np.array(reader.shards.clip(0, name)[0]) for name in ("inverse_rgb", "look_rgb"))
    return Take(pictures, reader.gbuffer(0), look, styled, reader.family(0))


def write_clip(path: Path, pictures: Iterable[np.ndarray], size: tuple[int, int], crf: int) -> Path:
    """Write pictures (H, W, 3) as a video; with a low `crf` the codec's own changes stay below what is measured."""
    with VideoWriter(path, size[1], size[0], Fraction(24), overwrite=True, crf=crf) as writer:
        for picture in pictures:
            writer.write(picture)
    return path


def run(room: Path, clip: Path, prompt: str, num_frames: int, size: tuple[int, int]) -> Path:
    """Both stages in windows of `num_frames`, at the clip's own size; the run's folder."""
    folder = room / f"{clip.stem}-{num_frames}"
    width, height = size
    settings = RenderSettings(
        clip, prompt=prompt, num_frames=num_frames, height=height, width=width, output=folder, device="cpu"
    )
    return run_render(settings, progress=Progress()).folder


def rows_of(found: Figures) -> dict[str, Figures]:
    """Figures of the five channels and of the edited video."""
    (edited,) = found["videos"].values()
    return {**found["channels"], "edited": edited}


def accuracy(folder: Path, take: Take) -> dict[str, float]:
    """PSNR of every channel, as it is seen, and of the edited video against the truth, in dB."""
    sums = dict.fromkeys([*CHANNELS, "edited"], 0.0)
    with open_clip(folder) as reader:
        for index in range(len(reader)):
            found, right = (
                visible(reader.read(index, index + 1)),
                visible(take.truth.frames(index, index + 1)),
            )
            for name in CHANNELS:
                sums[name] += float(np.mean((found[name] - right[name]) ** 2))
    (video,) = (folder / "edits").glob("*.mp4")
    for drawn, right in zip(read_frames(video), take.styled, strict=True):
        sums["edited"] += float(np.mean((to_float(drawn) - to_float(right)) ** 2))
    return {name: psnr(np.sqrt(total / len(take.styled)), np.zeros(())) for name, total in sums.items()}


def measure_moving(room: Path, frames: int, size: tuple[int, int], seed: int) -> Figures:
    """A moving clip in windows, and in one window if it is short enough: seams and PSNR against the truth."""
    take = make_take(room, frames, size, seed)
    clip = write_clip(room / f"moving{frames}.mp4", take.pictures, size, FINE)
    prompt, results = canonical_words()[take.look], {}
    single: dict[str, float] = {}
    if frames <= ONE_WINDOW:
        single = accuracy(run(room, clip, prompt, covering_count(frames), size), take)
    for num_frames in WINDOWS:
        folder = run(room, clip, prompt, num_frames, size)
        found, score = measure_seams(folder), accuracy(folder, take)
        results[str(num_frames)] = {
            "rows": rows_of(found),
            "source": found["source"]["source"],
            "psnr": score,
            "psnr_lost": {name: single[name] - score[name] for name in single},
        }
        gc.collect()
    return {"frames": frames, "size": size, "family": take.family, "look": take.look, "windows": results}


def measure_still(room: Path, size: tuple[int, int], seed: int) -> Figures:
    """The first picture of a clip standing still: seams, drift and flicker."""
    take = make_take(room, 57, size, seed)
    clip = write_clip(room / "still.mp4", np.repeat(take.pictures[:1], STILL_FRAMES, axis=0), size, FINE)
    prompt = canonical_words()[take.look]
    windows = {str(n): {"rows": rows_of(measure_seams(run(room, clip, prompt, n, size)))} for n in WINDOWS}
    return {"frames": STILL_FRAMES, "size": size, "windows": windows}


def measure_memory(room: Path, frames: int, seed: int) -> Figures:
    """Peak memory of `alaya render` on many frames of 64x48 beside a few; the pictures go forth and back."""
    take = make_take(room, 57, (64, 48), seed)
    peaks = {}
    for count in (SHORT, frames):
        pictures = (take.pictures[index] for index in ping_pong(len(take.pictures), count))
        clip = write_clip(room / f"long{count}.mp4", pictures, (64, 48), crf=14)
        command = [sys.executable, "-m", "pipelines.cli", "render", "--input", str(clip), "--style", "night"]
        command += ["--height", "48", "--width", "64", "--output", str(room / clip.stem), "--device", "cpu"]
        # from a small process of its own: a child's peak starts at that of the process which started it
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *command], stdout=subprocess.PIPE, check=True, cwd=ROOT
        )
        peaks[str(count)] = json.loads(done.stdout)
    return {"size": (64, 48), "runs": peaks}


def bars(result: Figures) -> list[str]:
    """What misses its bar, one line each."""
    missed = []
    for part in ("still", "moving"):
        for clip in result.get(part, {}).values():
            for num_frames, found in clip["windows"].items():
                for row, figures in found["rows"].items():
                    where = f"{part} {clip['frames']} in {num_frames}, {row}"
                    missed += [f"{where}: {text}" for text in _missed(part, figures)]
                lost = found.get("psnr_lost", {})
                missed += [
                    f"{part} {clip['frames']} in {num_frames}, {row}: {value:.2f} dB lost"
                    for row, value in lost.items()
                    if value > 0.2
                ]
    return missed


def _missed(part: str, figures: Figures) -> list[str]:
    """A still clip must not drift nor show a border; on a moving one borders must not stand out of the interior."""
    if part == "moving":
        ratio = figures["ratio"]
        return [f"ratio {ratio:.3f}"] if ratio is not None and ratio > 1.05 else []
    allowed = max(1.05 * figures["interior"], 1)
    missed = [f"drift {figures['drift']:.2f}"] if figures["drift"] > 1 else []
    return missed + (
        [f"border {figures['worst']:.2f} above {allowed:.2f}"] if figures["worst"] > allowed else []
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--room", type=Path, help="where clips and runs lie; a temporary folder if left out")
    parser.add_argument("--output", type=Path, default=RESULT)
    parser.add_argument("--size", default="128x72", help="WIDTHxHEIGHT, multiples of 8")
    parser.add_argument(
        "--moving", type=int, nargs="*", default=[57, 113, 1000], help="frames of moving clips"
    )
    parser.add_argument("--still", action="store_true", help=f"a still clip of {STILL_FRAMES} frames")
    parser.add_argument("--ways", action="store_true", help="compare ways to join windows")
    parser.add_argument("--memory", type=int, metavar="N", help=f"peak memory of N frames against {SHORT}")
    parser.add_argument("--seed", type=int, default=71)
    parser.add_argument("--again", action="store_true", help="measure parts that are there already again")
    request = parser.parse_args()
    width, height = map(int, request.size.split("x"))
    with tempfile.TemporaryDirectory() as temporary:
        room = request.room or Path(temporary)
        room.mkdir(parents=True, exist_ok=True)
        measure_all(request, room, (width, height))
    missed = bars(json.loads(request.output.read_text()))
    print("\n".join(missed) or "every bar is kept")
    return int(bool(missed))


def measure_all(request: argparse.Namespace, room: Path, size: tuple[int, int]) -> None:
    """Do the parts that were asked for and are missing."""
    path, seed = request.output, request.seed
    result: Figures = json.loads(path.read_text()) if path.is_file() else {"schema": "alaya-seams-bars/1"}
    jobs = [("still", str(STILL_FRAMES), lambda: measure_still(room, size, seed))] if request.still else []
    jobs += [
        ("moving", str(frames), lambda frames=frames: measure_moving(room, frames, size, seed))
        for frames in request.moving
    ]
    if request.ways:
        jobs.append(("ways", "57", lambda: compare_ways(make_take(room, 57, size, seed).pictures)))
    if request.memory:
        jobs.append(("memory", str(request.memory), lambda: measure_memory(room, request.memory, seed)))
    for part, key, job in jobs:
        if key in result.get(part, {}) and not request.again:
            continue
        print(f"{part} {key}", file=sys.stderr, flush=True)
        result.setdefault(part, {})[key] = job()
        result["machine"] = describe_machine("cpu")
        result["weights"] = {stage: read_card(find_weights("small", stage))["sha256"] for stage in STAGES}
        result = write_result(path, result)


if __name__ == "__main__":
    sys.exit(main())
