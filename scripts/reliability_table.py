"""The table of README.md that says what became of harmed runs and hostile input, from reliability.json."""

from __future__ import annotations

from typing import Any

Result = dict[str, Any]
MISSING = "not yet measured"
TRIALS = {
    "kill": (
        "killed (-9) at a random moment of all stages, resumed",
        "the same bytes, at most one window twice",
    ),
    "stop": (
        "SIGINT or SIGTERM at a random moment, resumed",
        "stopped within 2 s and a step; the same bytes",
    ),
    "disk": (
        "disk full after a part of all that is written",
        "one line with the path; resumed to the same bytes",
    ),
    "memory": (
        "the n-th call that takes memory fails",
        "finished, or stopped in one line; whole when resumed",
    ),
    "busy": ("eight processes on one folder at once", "one works, seven leave with 75"),
    "flip": ("one bit of an output flipped", "`alaya verify` finds that file and no other"),
    "threads": (
        "the same seed again, with one thread and with two",
        "the same bytes",
    ),
}
CORPORA = {
    "media_mutants": ("damaged media", "every loss told with counts"),
    "media_oddities": (
        "odd but valid media, giants of 10,000 and 60,000 frames",
        "count, size, rate and sound right",
    ),
    "checkpoints": ("hostile checkpoints", "refused; no code run"),
    "documents": ("hostile documents and picture headers", "refused; no code run, nothing written elsewhere"),
    "jobs": ("hostile jobs files of a batch", "refused"),
    "names": ("hostile names and paths", "refused, or read as the file they name"),
    "commands": ("of those, twenty of each kind through the command", "refused in one line"),
}


def reliability(result: Result) -> str:
    """Return the table: what was done, what was promised, and in how many trials it came true."""
    trials = result.get("torture", {}).get("trials", {})
    rows = [[what, promise, _trial(trials.get(kind))] for kind, (what, promise) in TRIALS.items()]
    rows += [[what, promise, _corpus(result.get(kind))] for kind, (what, promise) in CORPORA.items()]
    rows.append(
        [
            "peak memory, a long clip against a short one",
            "at most 5 % more",
            _memory(result.get("memory", [])),
        ]
    )
    rows.append(["the tests, all connections watched", "no attempt to leave the machine", _network(result)])
    lines = [["what is done", "what is promised", "held"], ["---", "---", "---"], *rows]
    clip = result.get("torture", {}).get("clip", MISSING)
    note = (
        f"Renders: {clip}. `python scripts/torture.py` and `python tests/hostile.py --full` make the counts."
    )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + f"\n\n{note}"


def _trial(row: Result | None) -> str:
    if row is None:
        return MISSING
    held = f"{row['good']} of {row['of']}"
    if "largest_seconds" in row:
        return f"{held}; slowest {row['largest_seconds']:.1f} s"
    return held


def _corpus(row: Result | None) -> str:
    """How many were judged right, the slowest and the largest; damage that no decoder can know is counted apart."""
    if row is None:
        return MISSING
    lawful = (
        f" (the other {row['undetectable']} are lawful streams of other pictures)"
        if row["undetectable"]
        else ""
    )
    return (
        f"{row['right']} of {row['tried']}{lawful}; at most {row['slowest_s']:.2g} s of"
        f" processor, {row['largest_mb']:.0f} MB"
    )


def _memory(rows: list[Result]) -> str:
    return "; ".join(_growth(row) for row in rows) or MISSING


def _growth(row: Result) -> str:
    """What one measurement of two clips found, and at which size."""
    short, long = row["frames"]
    growth = ", ".join(f"{stage} {100 * value:+.1f} %" for stage, value in row["growth"].items())
    height, width = row["size"]
    worked = ""
    if row["working_size"]:
        worked = f" worked at {row['working_size'][1]}x{row['working_size'][0]}"
    return f"{growth} ({short} against {long} frames of {width}x{height}{worked})"


def _network(result: Result) -> str:
    row = result.get("network")
    return MISSING if row is None else f"{row['attempts']} attempts in {row['tests']} tests"
