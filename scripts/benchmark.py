"""The main job measured as a user meets it: whole processes, wall and CPU time, peak memory, light --help."""

import argparse
import importlib.metadata
import itertools
import json
import multiprocessing
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "demo" / "hacienda.mp4"
RESULT = ROOT / "benchmarks" / "results" / "main-job.json"
STYLE = "snowy_winter"
MIB = 1024 * 1024

# This process stays small on purpose and loads no numpy: on Linux a child's peak memory starts at that of
# the process which started it, so a large parent would hide what the child really needs.


@dataclass(frozen=True)
class Usage:
    """What one process cost: seconds of wall, user and system time, and peak resident memory in MiB."""

    wall_s: float
    user_s: float
    system_s: float
    peak_rss_mib: float


def measure(command: list[str]) -> Usage:
    """Run a command to its end and return what it cost; a failure stops the benchmark with its last words."""
    with tempfile.TemporaryFile() as talk:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=talk, stderr=talk)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            talk.seek(0)
            words = talk.read().decode(errors="replace")[-2000:]
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{words}")
    # ru_maxrss counts KiB on Linux and bytes on macOS.
    peak = usage.ru_maxrss / (MIB if sys.platform == "darwin" else 1024)
    return Usage(round(wall, 2), round(usage.ru_utime, 2), round(usage.ru_stime, 2), round(peak, 1))


def ping_pong(length: int, num_frames: int) -> list[int]:
    """Return num_frames frame numbers that run forth and back through a clip of that length."""
    forth_and_back = [*range(length), *range(length - 2, 0, -1)]
    return list(itertools.islice(itertools.cycle(forth_and_back), num_frames))


def make_clip(path: Path, num_frames: int) -> None:
    """Write a clip of num_frames frames of the bundled one, 832x480, by looping it forth and back."""
    from alaya.video import VideoWriter, probe, read_frames

    info = probe(SOURCE)
    frames = list(read_frames(SOURCE))
    with VideoWriter(path, info.height, info.width, info.fps, overwrite=True) as writer:
        for index in ping_pong(len(frames), num_frames):
            writer.write(frames[index])


def make_clip_elsewhere(path: Path, num_frames: int) -> None:
    """Make a clip in a process of its own, so that its memory is not counted."""
    process = multiprocessing.get_context("spawn").Process(target=make_clip, args=(path, num_frames))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"the clip of {num_frames} frames could not be made")


def measure_job(alaya: str, folder: Path, num_frames: int, device: str) -> dict[str, object]:
    """Measure inverse and one style on a clip of num_frames frames; seconds and MiB per stage."""
    clip, output = folder / f"clip-{num_frames}.mp4", folder / f"out-{num_frames}"
    make_clip_elsewhere(clip, num_frames)
    common = ["--device", device]
    inverse = measure([alaya, "inverse", "--input", str(clip), "--output", str(output), *common])
    video = folder / f"edit-{num_frames}.mp4"
    edit = measure(
        [alaya, "edit", "--gbuffers", str(output), "--style", STYLE, "--output", str(video), *common]
    )
    shutil.rmtree(output)
    clip.unlink()
    total = round(inverse.wall_s + edit.wall_s, 2)
    return {
        "frames": num_frames,
        "style": STYLE,
        "inverse": asdict(inverse),
        "edit": asdict(edit),
        "total_wall_s": total,
        "frames_per_s": round(num_frames / total, 2),
        "peak_rss_mib": max(inverse.peak_rss_mib, edit.peak_rss_mib),
    }


def measure_help(alaya: str, runs: int = 5) -> dict[str, object]:
    """Return the median wall time of `alaya --help` in seconds, after one run that warms the file cache."""
    measure([alaya, "--help"])
    seconds = [measure([alaya, "--help"]).wall_s for _ in range(runs)]
    return {"runs": runs, "median_wall_s": statistics.median(seconds)}


def describe_machine(device: str) -> dict[str, object]:
    """Describe what the figures were measured on: processor, cores used, memory, versions."""
    packages = ("torch", "numpy", "av")
    return {
        "cpu": _cpu_name(),
        "cores_used": _cores_used(),
        "cores_present": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "device": device,
        "gpu": _gpu_name() if device == "cuda" else None,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }


def _cores_used() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _gpu_name() -> str | None:
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    found = shutil.which("nvidia-smi") and subprocess.run(query, capture_output=True, text=True, check=False)
    return found.stdout.splitlines()[0].strip() if found and found.stdout else None


def use_cores(count: int) -> None:
    """Keep this process and its children on that many cores and as many threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:count]))
    os.environ["OMP_NUM_THREADS"] = str(count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, nargs="+", default=[81, 810], help="clip lengths to measure")
    parser.add_argument("--cores", type=int, default=2, help="processor cores to use (default 2)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--output", type=Path, default=RESULT, help="where the figures go, as JSON")
    request = parser.parse_args()
    use_cores(request.cores)
    alaya = str(Path(sys.executable).parent / "alaya")
    help_time = measure_help(alaya)
    print(f"alaya --help: {help_time['median_wall_s']} s", file=sys.stderr)
    runs = []
    with tempfile.TemporaryDirectory(prefix="alaya-benchmark-") as folder:
        for num_frames in request.frames:
            runs.append(measure_job(alaya, Path(folder), num_frames, request.device))
            print(json.dumps(runs[-1]), file=sys.stderr)
    result = {
        "schema": "alaya-benchmark/1",
        "job": "alaya inverse, then alaya edit with one style; whole processes, start-up included",
        "clip": "demo/hacienda.mp4 looped forth and back, 832x480",
        "machine": describe_machine(request.device),
        "help": help_time,
        "runs": runs,
    }
    request.output.parent.mkdir(parents=True, exist_ok=True)
    request.output.write_text(json.dumps(result, indent=2) + "\n")
    print(request.output)


if __name__ == "__main__":
    main()
