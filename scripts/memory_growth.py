"""Peak memory of a long clip against that of a short one: both stages, whole processes, the same settings."""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from benchmark import SOURCE, STYLE, measure, ping_pong  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "reliability.json"
ALAYA = [sys.executable, "-m", "pipelines.cli"]

# This process loads no numpy and stays small: a child's peak begins at that of the process that started it.


def make_clip(path: Path, num_frames: int, height: int, width: int) -> None:
    """Write the bundled clip at a size, looped forth and back."""
    from alaya.resize import resize_frame
    from alaya.video import VideoWriter, probe, read_frames

    info = probe(SOURCE)
    frames = [resize_frame(frame, height, width) for frame in read_frames(SOURCE)]
    with VideoWriter(path, height, width, info.fps) as writer:
        for index in ping_pong(len(frames), num_frames):
            writer.write(frames[index])


class Peaks:
    """MiB that each stage took at its peak, by clip length; on the disk as soon as they are known."""

    def __init__(self, folder: Path, size: tuple[int, int], work: list[str]) -> None:
        self._folder, self._size, self._work = folder, size, work
        self._noted = folder / "peaks.json"
        self.found: dict[str, dict[str, float]] = {}
        if self._noted.is_file():
            self.found = json.loads(self._noted.read_text())

    def measure(self, num_frames: int) -> None:
        """Run both stages on a clip of so many frames, but for what is noted already."""
        names = (f"{num_frames}{end}" for end in (".mp4", "", "-edit.mp4"))
        clip, output, video = (self._folder / name for name in names)
        stages = {
            "inverse": ["--input", str(clip), "--output", str(output), "--no-report"],
            "edit": ["--gbuffers", str(output), "--style", STYLE, "--output", str(video)],
        }
        found = self.found.setdefault(str(num_frames), {})
        for stage, given in stages.items():
            if stage in found:
                continue
            if stage == "inverse":
                make_clip_elsewhere(clip, num_frames, *self._size)
            found[stage] = measure([*ALAYA, stage, *given, "--overwrite", *self._work]).peak_rss_mib
            self._noted.write_text(json.dumps(self.found))
            print(num_frames, stage, found[stage], "MiB", file=sys.stderr, flush=True)


def make_clip_elsewhere(path: Path, num_frames: int, height: int, width: int) -> None:
    """Make a clip in a process of its own, so that its memory is not counted."""
    given = (path, num_frames, height, width)
    process = multiprocessing.get_context("spawn").Process(target=make_clip, args=given)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"the clip of {num_frames} frames could not be made")


def keep(path: Path, result: dict[str, Any]) -> None:
    """Put a result among the others of the file, in place of an earlier one of the same request."""

    def request(row: dict[str, Any]) -> list[Any]:
        return [row["frames"], row["size"], row["working_size"]]

    kept = json.loads(path.read_text()) if path.is_file() else {}
    others = [row for row in kept.get("memory", []) if request(row) != request(result)]
    rows = sorted([*others, result], key=lambda row: json.dumps(request(row)))
    path.write_text(json.dumps(kept | {"memory": rows}, indent=2) + "\n")


def main() -> int:
    """Measure, write the figures and print them; 1 if memory grew by more than a twentieth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs=2, default=[81, 2000], help="the short and the long clip")
    parser.add_argument("--size", type=int, nargs=2, default=[480, 832], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument(
        "--working-size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="of the models"
    )
    parser.add_argument("--work", type=Path, help="a folder to go on in, should the measurement be stopped")
    parser.add_argument("--output", type=Path, default=RESULTS)
    asked = parser.parse_args()
    work = []
    if asked.working_size:
        work = ["--height", str(asked.working_size[0]), "--width", str(asked.working_size[1])]
    with contextlib.ExitStack() as stack:
        folder = asked.work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="alaya-memory-")))
        folder.mkdir(parents=True, exist_ok=True)
        peaks = Peaks(folder, (asked.size[0], asked.size[1]), work)
        for count in asked.frames:
            peaks.measure(count)
    short, long = (peaks.found[str(count)] for count in asked.frames)
    growth = {stage: round(long[stage] / short[stage] - 1, 4) for stage in short}
    result = {
        "frames": asked.frames,
        "size": asked.size,
        "working_size": asked.working_size,
        "peak_mib": {str(count): peaks.found[str(count)] for count in asked.frames},
        "growth": growth,
    }
    keep(asked.output, result)
    print(json.dumps(result))
    return int(max(growth.values()) > 0.05)


if __name__ == "__main__":
    sys.exit(main())
