"""Harms real processes on purpose and counts what survives: kills, signals, full disks, memory errors, flipped bytes.

`python tests/torture.py --trials 5` runs whole renders (both stages) of a small clip with models that need no weights,
and writes the counts to benchmarks/results/reliability.json. The same --seed harms at the same places.
"""

import argparse
import hashlib
import json
import os
import platform
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "reliability.json"
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

FRAMES, STOPPED = 36, {signal.SIGINT: 130, signal.SIGTERM: 143}
RENDER = """
import os, signal, sys, time
sys.path[:0] = [{tests!r}, {root!r}]
from fakes import FakeEditor, FakeInverse, fake_loader
from pipelines import cli, loading

calls, fail_at = [], int(os.environ.get("FAIL_AT", 0))

def slow(kind):
    class Slow(kind):
        def predict(self, *args, **options):
            calls.append(1)
            with open(os.environ["CALLS"], "a") as file:
                file.write("x")
            if len(calls) == fail_at:
                raise MemoryError
            time.sleep(0.05)
            return super().predict(*args, **options)
    return Slow

loading.INVERSE, loading.EDITING = fake_loader(slow(FakeInverse)()), fake_loader(slow(FakeEditor)())
sys.argv = ["alaya", "render", "--input", "clip.mp4", "--style", "night", "--output", sys.argv[1]]
cli.main()
"""


def start(place, name, limit=None, **environment):
    """Begin a render of `clip.mp4` in `place` into the folder `name`; returns the process."""
    script = RENDER.format(tests=str(ROOT / "tests"), root=str(ROOT))
    variables = {**os.environ, "CALLS": str(place / f"{name}.calls"), "OMP_NUM_THREADS": "1", **environment}

    def prepare():
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    words = [sys.executable, "-c", script, name]
    return subprocess.Popen(
        words,
        cwd=place,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
    )


def finish(process):
    """Wait; returns (exit code, stderr)."""
    _, talk = process.communicate(timeout=600)
    return process.returncode, talk


def tree(folder):
    """sha256 of every file but journals, working files and the report."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".alaya" not in path.parts and path.name != "report.html"
    }


def calls(place, name):
    """How many windows were computed for `name` so far."""
    path = place / f"{name}.calls"
    return path.stat().st_size if path.exists() else 0


class Torture:
    """A place with a clip, the uninterrupted result, and the trials."""

    def __init__(self, place, seed):
        from test_jobs import make_clip

        self.place, self.random = place, random.Random(seed)
        make_clip(place / "clip.mp4", FRAMES)
        began = time.monotonic()
        code, talk = finish(start(place, "whole"))
        assert code == 0, talk
        self.seconds, self.windows = time.monotonic() - began, calls(place, "whole")
        self.whole = tree(place / "whole")

    def resumed(self, name):
        """Run `name` to its end; True if the result is the uninterrupted one."""
        code, talk = finish(start(self.place, name))
        if code != 0:
            print(talk, file=sys.stderr)
        return code == 0 and tree(self.place / name) == self.whole

    def kill(self, trial):
        """kill -9 at a random time, resume: the same bytes, and at most one window computed twice."""
        name = f"kill{trial}"
        process = start(self.place, name)
        time.sleep(self.random.uniform(0, self.seconds))
        process.kill()
        finish(process)
        good = self.resumed(name)
        return good and calls(self.place, name) <= self.windows + 1

    def stop(self, trial):
        """SIGINT or SIGTERM once it works: the right exit code within 2 s and a step, and a resumable folder."""
        name, number = f"stop{trial}", [signal.SIGINT, signal.SIGTERM][trial % 2]
        process, after = start(self.place, name), self.random.randint(1, self.windows - 1)
        while calls(self.place, name) < after and process.poll() is None:
            time.sleep(0.005)
        began = time.monotonic()
        process.send_signal(number)
        code, talk = finish(process)
        self.slowest_stop = max(getattr(self, "slowest_stop", 0.0), time.monotonic() - began)
        return code == STOPPED[number] and "Traceback" not in talk and self.resumed(name)

    def full_disk(self, trial):
        """Files may not grow beyond a random size: one line with the path, then the same bytes on resume."""
        name, largest = f"disk{trial}", max(path.stat().st_size for path in (self.place / "whole").rglob("*"))
        limit = self.random.randint(100, largest - 1)
        code, talk = finish(start(self.place, name, limit=limit))
        last = talk.splitlines()[-1] if talk else ""
        clean = code == 1 and "could not be written: no space left after" in last and "Traceback" not in talk
        if not clean:
            print(f"limit {limit}: exit {code}: {last}", file=sys.stderr)
        return clean and not list((self.place / name).rglob(".*.tmp-*")) and self.resumed(name)

    def memory(self, trial):
        """MemoryError on the n-th window: smaller windows, and a finished clip that verifies."""
        name = f"memory{trial}"
        code, talk = finish(start(self.place, name, FAIL_AT=str(1 + trial % self.windows)))
        from pipelines.verify import verify_folder

        done = code == 0 and not [f for f in verify_folder(self.place / name).findings if f.kind != "extra"]
        return done or (code == 1 and "Traceback" not in talk)

    def flip(self, trial):
        """One bit of one output: found by verify, and nothing else."""
        from pipelines.verify import verify_folder

        path = self.place / "whole" / self.random.choice(sorted(self.journalled()))
        data = path.read_bytes()
        index = self.random.randrange(len(data))
        path.write_bytes(
            data[:index] + bytes([data[index] ^ 1 << self.random.randrange(8)]) + data[index + 1 :]
        )
        found = [(finding.kind, finding.path) for finding in verify_folder(self.place / "whole").findings]
        path.write_bytes(data)
        return found == [("changed", path)]

    def journalled(self):
        """The outputs that a journal knows."""
        return [name for name in self.whole if not name.startswith("previews")]

    def busy(self, trial):
        """Four processes on one folder: one works, the others leave at once with 75."""
        name = f"busy{trial}"
        codes = [finish(process)[0] for process in [start(self.place, name) for _ in range(4)]]
        return (
            codes.count(75) + codes.count(0) == 4
            and codes.count(0) >= 1
            and tree(self.place / name) == self.whole
        )


def main():
    """Run the trials and write the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2, help="of each kind; ten times as many flipped bits")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="kinds: kill stop full_disk memory flip busy")
    parser.add_argument("--output", type=Path, default=RESULTS)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    try:
        torture, counts = Torture(folder, asked.seed), {}
        for kind in asked.only or ("kill", "stop", "full_disk", "memory", "flip", "busy"):
            trials = asked.trials * (10 if kind == "flip" else 1)
            good = sum(bool(getattr(torture, kind)(trial)) for trial in range(trials))
            counts[kind] = {"good": good, "of": trials, "what": getattr(torture, kind).__doc__}
            print(f"{kind}: {good} of {trials}", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if hasattr(torture, "slowest_stop"):
        counts["stop"]["slowest_seconds"] = round(torture.slowest_stop, 2)
    note = f"{FRAMES} frames in {torture.windows} windows of both stages, models without weights"
    result = {"clip": note, "seed": asked.seed, "python": platform.python_version(), "trials": counts}
    old = json.loads(asked.output.read_text()) if asked.output.is_file() else {}
    if asked.only:  # the other kinds' counts stay
        result["trials"] = old.get("trials", {}) | counts
    asked.output.parent.mkdir(parents=True, exist_ok=True)
    asked.output.write_text(json.dumps(old | result, indent=2) + "\n")
    return 0 if all(count["good"] == count["of"] for count in counts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
