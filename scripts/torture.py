"""Harms real renders on purpose and counts what survives: kills, signals, full disks, memory errors, flipped bytes.

`python scripts/torture.py` goes on where it was stopped and writes the counts so far to
benchmarks/results/reliability.json after every trial; `--sample` makes a few seeded trials of each kind. A changed
source or seed begins anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from torture_trials import FRAMES, KINDS, Outcome, Place  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "reliability.json"
WORK = Path("outputs") / "torture"
FULL = {"kill": 100, "stop": 20, "disk": 10, "memory": 20, "flip": 200, "busy": 20, "threads": 10}
SAMPLE = {"kill": 1, "stop": 1, "disk": 1, "memory": 1, "flip": 10, "busy": 1, "threads": 0}
INSIDE = "ALAYA_TORTURE_INSIDE"
ROOMS = ("alaya", "prompts", "inverse", "editing", "pipelines", "scripts", "checkpoints/small")


def fingerprint(seed: int) -> str:
    """What the outcomes of the trials follow from: the seed, all sources and the weights."""
    digest = hashlib.sha256(str(seed).encode())
    paths = [path for room in ROOMS for path in (ROOT / room).rglob("*") if path.suffix in (".py", ".json")]
    for path in sorted(paths):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class Ledger:
    """The outcomes so far, one a line; what another source or seed left is cleared away."""

    def __init__(self, work: Path, key: str) -> None:
        self.path, self.key = work / "trials.jsonl", key
        lines = self.path.read_text().splitlines() if self.path.is_file() else []
        if not lines or json.loads(lines[0]) != {"key": key}:
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
            lines = [json.dumps({"key": key})]
            self.path.write_text(lines[0] + "\n")
        self.outcomes = [Outcome(**json.loads(line)) for line in lines[1:]]

    def has(self, kind: str, trial: int) -> bool:
        """True if this trial was made."""
        return any((one.kind, one.trial) == (kind, trial) for one in self.outcomes)

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome."""
        self.outcomes.append(outcome)
        with open(self.path, "a") as file:
            file.write(json.dumps(vars(outcome)) + "\n")

    def rows(self) -> dict[str, dict[str, Any]]:
        """The counts of each kind, the largest of its figures, and every trial that was not good."""
        rows = {}
        for kind, what in KINDS.items():
            made = [one for one in self.outcomes if one.kind == kind]
            if made:
                rows[kind] = {
                    "good": sum(one.good for one in made),
                    "of": len(made),
                    "source": self.key,
                    "what": " ".join((what.__doc__ or "").split()),
                    **_largest(made),
                    "where": dict(sorted(Counter(one.where for one in made).items())),
                    "not_good": [f"{one.trial}: {one.detail}"[:200] for one in made if not one.good],
                }
        return rows


def _largest(made: list[Outcome]) -> dict[str, float]:
    names = sorted({name for one in made for name in one.figures})
    return {
        f"largest_{name}": max(one.figures[name] for one in made if name in one.figures) for name in names
    }


def planned(counts: dict[str, int]) -> list[tuple[str, int]]:
    """All trials, every kind spread evenly over the whole time."""
    trials = [
        ((trial + 0.5) / count, kind, trial) for kind, count in counts.items() for trial in range(count)
    ]
    return [(kind, trial) for _, kind, trial in sorted(trials)]


def write_results(path: Path, place: Place, ledger: Ledger, seed: int) -> None:
    """Put the counts beside those of other kinds, and beside what other scripts wrote there."""
    kept = json.loads(path.read_text()) if path.is_file() else {}
    rows = kept.get("torture", {}).get("trials", {}) | ledger.rows()
    result = {
        "clip": f"{FRAMES} frames of 96x64 with sound, `alaya render` with the embedded models,"
        f" {place.windows} windows in both stages",
        "seed": seed,
        "python": platform.python_version(),
        "trials": {kind: rows[kind] for kind in KINDS if kind in rows},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept | {"torture": result}, indent=2) + "\n")


def enter_namespace() -> None:
    """Begin again where this process may mount small disks, if there is a way; nobody else sees them."""
    way = ["unshare", "--map-root-user", "--mount"]
    if os.environ.get(INSIDE) or not shutil.which("unshare"):
        return
    if subprocess.run([*way, "true"], capture_output=True, check=False).returncode == 0:
        os.execvpe(way[0], [*way, sys.executable, *sys.argv], {**os.environ, INSIDE: "1"})


def main() -> int:
    """Run the trials that are missing; 1 if one was not good."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", action="store_true", help="a few trials of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--work", type=Path, default=WORK, help="the folder in which all happens")
    parser.add_argument("--output", type=Path, default=RESULTS)
    asked = parser.parse_args()
    enter_namespace()
    ledger = Ledger(asked.work, fingerprint(asked.seed))
    place = Place(asked.work, asked.seed)
    counts = {kind: count for kind, count in (SAMPLE if asked.sample else FULL).items() if kind in asked.only}
    for kind, trial in planned(counts):
        if not ledger.has(kind, trial):
            outcome = place.run(kind, trial)
            ledger.add(outcome)
            write_results(asked.output, place, ledger, asked.seed)
            said = "good" if outcome.good else f"NOT GOOD: {outcome.detail}"
            print(f"{kind} {trial}: {said} ({outcome.where} {outcome.figures})", flush=True)
    return int(not all(one.good for one in ledger.outcomes))


if __name__ == "__main__":
    sys.exit(main())
