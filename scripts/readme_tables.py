"""The tables of README.md, written between their markers from the result files; never typed by hand."""

import argparse
import json
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.reliability_table import reliability

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results"
MISSING = "not yet measured"
LOWER_IS_BETTER = (
    "normal_mean",
    "normal_median",
    "depth_absrel",
    "roughness_rmse",
    "metallic_rmse",
    "false_sky",
)
Result = dict[str, Any]


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table; the first column is text, the others are figures set to the right."""
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, rule, *rows])


def figure(value: object) -> str:
    """Write a figure with three significant digits, a count as it is, and nothing as a dash."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}"


def speed(result: Result) -> str:
    """Return the table of the main job: seconds and memory per stage and clip length."""
    header = ["832x480 clip", "inverse, s", "one style, s", "together, s", "frames/s", "peak memory, MiB"]
    rows = [
        [
            f"{run['frames']} frames",
            *(figure(run[stage]["wall_s"]) for stage in ("inverse", "edit")),
            *(figure(run[key]) for key in ("total_wall_s", "frames_per_s", "peak_rss_mib")),
        ]
        for run in result["runs"]
    ]
    machine, light = result["machine"], result["help"]["median_wall_s"]
    where = machine.get("gpu") or f"{machine['cores_used']} cores of {machine['cpu']}"
    note = f"Measured on {where}; torch {machine['torch']}, Python {machine['python']}; start-up included."
    return f"{table(header, rows)}\n\n{note} `alaya --help` takes {figure(light)} s."


def worlds(result: Result) -> str:
    """Return one sentence on how fast worlds are made."""
    width, height = result["size"]
    return (
        f"{figure(result['frames_per_s'])} frames/s at {width}x{height} with {result['workers']} workers on"
        f" {result['machine']['cores']} cores of {result['machine']['cpu']}: scenes, G-buffers, motion vectors and one"
        f" look a frame, written to disk ({result['clips']} clips, median of {len(result['seconds'])} runs)."
    )


def published(result: Result) -> str:
    """Return the table of the published networks' speed: every way of every size beside diffusers' two."""
    header = ["network", "way", "s per step", "diffusers as it comes", "diffusers at its best", "machine"]
    rows = [
        [f"{model}, {run['size']}, {network['tokens']} tokens", *cells, machine_of(run)]
        for run in result["runs"].values()
        for model, measured in run["models"].items()
        for network in measured.get("networks", [])
        for cells in _side_by_side(network["ways"])
    ]
    note = (
        "Median seconds of a guided step (editing: two texts) or of one picture's step (inverse), same random weights;"
        " then how many times as fast as diffusers, as it comes and with its best flags, the median over rounds."
    )
    if "cuda full" not in result["runs"]:
        note += f" Full size on CUDA: {MISSING}."
    return f"{table(header, rows)}\n\n{note}"


def machine_of(run: Result) -> str:
    """What a run was made on."""
    threads = run["threads"]
    return run["machine"]["gpu"] or f"{run['machine']['cpu']}, {threads} thread{'s' * (threads > 1)}"


def _side_by_side(ways: list[Result]) -> list[list[str]]:
    """Each way's name, seconds, and how many times as fast it is as diffusers' plain and fastest way."""
    times = {way["name"]: way["times_ours"] for way in ways}
    best = min(taken for name, taken in times.items() if name.startswith("diffusers"))
    return [
        [
            way["name"],
            figure(way["seconds"]),
            *(f"{one / way['times_ours']:.2f}x" for one in (times["diffusers"], best)),
        ]
        for way in ways
    ]


def seams(result: Result) -> str:
    """Return the table of window borders: the worst channel (or edited video) of each clip and window length."""
    header = [
        "clip",
        "windows of",
        "border / interior",
        "stands out",
        "the source does",
        "border",
        "drift",
        "dB lost",
    ]
    rows = []
    clips = [(kind, clip) for kind in ("still", "moving") for clip in result.get(kind, {}).values()]
    for kind, clip in clips:
        for length, found in clip["windows"].items():
            keys = ("worst", "drift") if kind == "still" else ("ratio", "stands_out")
            worst = {key: _worst(found["rows"], key) for key in keys}
            lost = found.get("psnr_lost")
            cells = [worst.get("ratio", "-"), worst.get("stands_out", "-")]
            cells += [figure(found.get("source", {}).get("stands_out"))]
            cells += [
                worst.get("worst", "-"),
                worst.get("drift", "-"),
                f"{max(lost.values()):.2f}" if lost else "-",
            ]
            rows.append([f"{kind}, {clip['frames']} frames", f"{length} frames", *cells])
    note = (
        "The worst of five channels and the edited video: mean change at borders over the interior's 95th percentile,"
        " and over the nearest frames'; on a still clip the largest change at a border and the drift, in 1/255; PSNR"
        " against the truth lost to the same clip in one window (docs/seams.md)."
    )
    return f"{table(header, rows)}\n\n{note}"


def _worst(rows: dict[str, Result], key: str) -> str:
    """The largest of a figure over channels, and whose it is."""
    found = {name: figures[key] for name, figures in rows.items() if figures[key] is not None}
    name = max(found, key=lambda each: found[each], default=None)
    return "-" if name is None else f"{figure(found[name])} ({name})"


def batch(result: Result) -> str:
    """Return the table of a batch's throughput: workers of one thread, and the cores they had."""
    names = {
        "one": "1 worker, 1 core",
        "one, all cores": "1 worker, all cores",
        "two": "2 workers, 2 cores",
    }
    rows = [
        [name, figure(statistics.median(result["seconds"][case])), figure(result["clips_per_minute"][case])]
        for case, name in names.items()
    ]
    note = (
        f"{result['clips']} clips of {result['frames_a_clip']} frames at 416x240, one style, one thread a worker,"
        f" start of all processes included; all {result['files_alike']} files alike. Two workers make"
        f" {result['speed_up']:.2f} times what one with a core makes (wanted: {result['bar']}), and"
        f" {result['speed_up_over_all_cores']:.2f} times what one makes whose codecs run on the second core"
        f" (torch {result['machine']['torch']}, {result['machine']['cpu']})."
    )
    return f"{table(['batch', 'seconds', 'clips a minute'], rows)}\n\n{note}"


def accuracy(result: Result) -> str:
    """Return the table of an evaluation: each metric's mean and median beside the best trivial baseline."""
    baselines: dict[str, dict[str, object]] = result.get("baselines", {})
    header = ["metric", "mean", "median", "best trivial baseline"]
    rows = [
        [name, *(figure(value) for value in _mean_and_median(entry)), _best_trivial(name, baselines)]
        for name, entry in result["metrics"].items()
    ]
    note = f"Over {result['clips']} clips of {result['set']}; model `{result['model']}`."
    return f"{table(header, rows)}\n\n{note}"


def _best_trivial(name: str, baselines: dict[str, dict[str, object]]) -> str:
    """The best figure that needs no model, and what it is; a dash where there is none."""
    found: list[tuple[float, str]] = []
    for label, scores in baselines.items():
        mean = _mean_and_median(scores.get(name))[0]
        if isinstance(mean, int | float):
            found.append((mean, label))
    if not found:
        return "-"
    value, label = min(found) if name.startswith(LOWER_IS_BETTER) else max(found)
    return f"{figure(value)} ({label})"


def _mean_and_median(entry: object) -> tuple[object, object]:
    return (entry.get("mean"), entry.get("median")) if isinstance(entry, dict) else (entry, None)


TABLES: dict[str, Callable[[Result], str]] = {
    "main-job": speed,
    "inverse-own": accuracy,
    "inverse-wide": accuracy,
    "inverse-foreign": accuracy,
    "editing-own": accuracy,
    "worlds": worlds,
    "seams": seams,
    "reliability": reliability,
    "published": published,
    "batch": batch,
}
NOT_YET = {"published", "batch"}
"""Tables that README.md need not have a place for while there is no result."""


def fill(text: str, folder: Path) -> str:
    """Return the text with what stands between each table's markers made from <folder>/<name>.json."""
    for name, write in TABLES.items():
        path = folder / f"{name}.json"
        body = write(json.loads(path.read_text())) if path.is_file() else f"*{MISSING}*"
        begin, end = f"<!-- table: {name} -->", "<!-- end of table -->"
        if name in NOT_YET and begin not in text and not path.is_file():
            continue
        pattern = re.compile(rf"{re.escape(begin)}\n.*?{re.escape(end)}", flags=re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise SystemExit(
                f"README.md must hold the markers of the table {name} once; add {begin} and {end}"
            )
        block = f"{begin}\n{body}\n{end}"
        text = pattern.sub(lambda _, block=block: block, text)
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail where a table is out of date"
    )
    request = parser.parse_args()
    before = README.read_text()
    after = fill(before, RESULTS)
    if request.check:
        if after != before:
            print("README.md's tables are out of date; run scripts/readme_tables.py", file=sys.stderr)
        return int(after != before)
    README.write_text(after)
    print(README)
    return 0


if __name__ == "__main__":
    sys.exit(main())
