"""Peak memory of a long clip against that of a short one: both stages, whole processes, the same settings."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
from pathlib import Path

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


def peaks(folder: Path, num_frames: int, size: tuple[int, int], work: list[str]) -> dict[str, float]:
    """MiB that each stage took at its peak, for a clip of so many frames."""
    clip, output, video = (folder / f"{num_frames}{end}" for end in (".mp4", "", "-edit.mp4"))
    making = multiprocessing.get_context("spawn").Process(target=make_clip, args=(clip, num_frames, *size))
    making.start()
    making.join()
    inverse = [*ALAYA, "inverse", "--input", str(clip), "--output", str(output), "--no-report", *work]
    edit = [*ALAYA, "edit", "--gbuffers", str(output), "--style", STYLE, "--output", str(video), *work]
    return {"inverse": measure(inverse).peak_rss_mib, "edit": measure(edit).peak_rss_mib}


def main() -> int:
    """Measure, write the figures and print them; 1 if memory grew by more than a twentieth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs=2, default=[81, 2000], help="the short and the long clip")
    parser.add_argument("--size", type=int, nargs=2, default=[480, 832], metavar=("HEIGHT", "WIDTH"))
    parser.add_argument(
        "--working-size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="of the models"
    )
    parser.add_argument("--output", type=Path, default=RESULTS)
    asked = parser.parse_args()
    work = []
    if asked.working_size:
        work = ["--height", str(asked.working_size[0]), "--width", str(asked.working_size[1])]
    size = (asked.size[0], asked.size[1])
    with tempfile.TemporaryDirectory(prefix="alaya-memory-") as folder:
        short, long = (peaks(Path(folder), count, size, work) for count in asked.frames)
    growth = {stage: round(long[stage] / short[stage] - 1, 4) for stage in short}
    result = {
        "frames": asked.frames,
        "size": asked.size,
        "working_size": asked.working_size,
        "peak_mib": {str(count): found for count, found in zip(asked.frames, (short, long), strict=True)},
        "growth": growth,
    }
    kept = json.loads(asked.output.read_text()) if asked.output.is_file() else {}
    asked.output.write_text(json.dumps(kept | {"memory": result}, indent=2) + "\n")
    print(json.dumps(result))
    return int(max(growth.values()) > 0.05)


if __name__ == "__main__":
    sys.exit(main())
