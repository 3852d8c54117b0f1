"""The trials of `scripts/torture.py`: each harms one render in one way and says whether all is as promised."""

from __future__ import annotations

import functools
import hashlib
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from torture_run import POLL_S, Process, Wish, read_log, start

from alaya.errors import RequestError
from alaya.video import VideoWriter
from pipelines.verify import verify_folder

FRAMES, HEIGHT, WIDTH = 25, 64, 96
STOPPED = {signal.SIGINT: 130, signal.SIGTERM: 143}
STOP_S = 2.0  # the most that a stop may take, besides one step of the sampling
RACERS = 8
DISK_FULL = "could not be written: no space left after"
PAGE, BUSY = 4096, 75


@dataclass(frozen=True)
class Outcome:
    """What became of one trial: `where` in the run it struck, and figures worth the largest of all trials."""

    kind: str
    trial: int
    good: bool
    detail: str = ""
    where: str = ""
    figures: dict[str, float] = field(default_factory=dict)


class NotGood(Exception):  # noqa: N818 - a verdict, not a fault of the script
    """Something is not as promised."""


def expect(true: bool, otherwise: str) -> None:
    """Raise NotGood unless something is true."""
    if not true:
        raise NotGood(otherwise)


def tree(folder: Path) -> dict[str, str]:
    """sha256 of every file but journals and working files."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".alaya" not in path.parts
    }


def make_clip(path: Path) -> None:
    """A bright box wanders over noise that stands still; half a second of noise as sound."""
    import av

    rng = np.random.default_rng(0)
    ground = rng.uniform(0.1, 0.7, (HEIGHT, WIDTH, 3)).astype(np.float32)
    sound = path.with_name("sound.mka")
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        hiss = rng.normal(0, 0.1, (1, 24_000)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(hiss, format="fltp", layout="mono")
        frame.sample_rate = 48_000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    with VideoWriter(path, HEIGHT, WIDTH, Fraction(30), audio_from=sound, overwrite=True) as writer:
        for index in range(FRAMES):
            picture = ground.copy()
            picture[20:40, 2 * index : 2 * index + 20] = (0.9, 0.6, 0.2)
            writer.write(picture)


class Place:
    """A folder with a clip, the uninterrupted result and the trials."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder.resolve(), seed
        self.folder.mkdir(parents=True, exist_ok=True)
        import editing.small  # noqa: F401 - before the forks, which then need not load torch
        import inverse.small  # noqa: F401
        import pipelines.commands.render
        import pipelines.render  # noqa: F401

        if not (self.folder / "clip.mp4").is_file():
            make_clip(self.folder / "clip.mp4")
        self.remove("whole")
        process = start(self.folder, Wish("whole"))
        expect(process.end() == 0, process.talk())
        self.seconds = time.monotonic() - process.began
        self.whole, self.events = tree(self.folder / "whole"), read_log(process.log)
        self.windows = sum(event["event"] == "end" for event in self.events)

    @functools.cached_property
    def allocations(self) -> int:
        """How many calls of a whole run take memory, about."""
        process = start(self.folder, Wish("counted", allocation=0))
        expect(process.end() == 0, process.talk())
        counts = [event["count"] for event in read_log(process.log) if event["event"] == "memory"]
        self.remove("counted")
        return max(counts)

    def run(self, kind: str, trial: int) -> Outcome:
        """Make one trial; what it leaves is removed if it was good."""
        name = f"{kind}{trial}"
        self.remove(name)
        chance = random.Random(f"{self.seed} {name}")
        try:
            where, figures = KINDS[kind](self, name, trial, chance)
        except NotGood as fault:
            return Outcome(kind, trial, False, str(fault))
        self.remove(name)
        return Outcome(kind, trial, True, "", where, figures)

    def remove(self, name: str) -> None:
        """Remove a run's folder, log and talk."""
        shutil.rmtree(self.folder / name, ignore_errors=True)
        for suffix in ("log", "talk"):
            (self.folder / f"{name}.{suffix}").unlink(missing_ok=True)

    def resume(self, name: str) -> None:
        """Run `name` to its end; the result must be the uninterrupted one, to the byte."""
        process = start(self.folder, Wish(name))
        expect(process.end() == 0, f"the resume ended with {process.code}: {process.talk()[-150:]}")
        found = tree(self.folder / name)
        differing = [
            path for path in found.keys() | self.whole.keys() if found.get(path) != self.whole.get(path)
        ]
        expect(not differing, f"{len(differing)} files differ, such as {differing[:3]}")

    def wait_for(self, process: Process, events: int) -> None:
        """Wait until a run has logged so many events, or has ended."""
        while len(read_log(process.log)) < events and not process.poll():
            time.sleep(POLL_S)

    def strike(self, process: Process, chance: random.Random, before_last: int = 0) -> None:
        """Wait for a moment: after a random event, and then some of the time that passes between two."""
        self.wait_for(process, chance.randint(1, len(self.events) - before_last))
        time.sleep(chance.uniform(0, 2 * self.seconds / len(self.events)))


def stage_of(events: list[dict[str, Any]], windows: int) -> str:
    """Where in a run its log ends."""
    ends = sum(event["event"] == "end" for event in events)
    if not any(event["event"] == "begin" for event in events):
        return "before the first window"
    if ends == windows:
        return "after the last window"
    stage = next(event["stage"] for event in reversed(events) if "stage" in event)
    return "inverse" if "Inverse" in stage else "editing"


Told = tuple[str, dict[str, float]]


def kill(place: Place, name: str, trial: int, chance: random.Random) -> Told:
    """Killed (-9) at a random moment of all stages and resumed: the same bytes, at most one window done twice."""
    process = start(place.folder, Wish(name), cold=trial % 10 == 9)
    place.strike(process, chance)
    process.send(signal.SIGKILL)
    ended = process.end()
    expect(ended in (0, -signal.SIGKILL), f"the run ended by itself with {ended}: {process.talk()[-150:]}")
    where = stage_of(read_log(process.log), place.windows) if ended else "after the end"
    place.resume(name)
    twice = sum(event["event"] == "end" for event in read_log(process.log)) - place.windows
    expect(twice <= 1, f"{twice} windows were computed twice")
    return where, {"windows_done_twice": twice}


def stop(place: Place, name: str, trial: int, chance: random.Random) -> Told:
    """SIGINT or SIGTERM: stopped within 2 s and one step, with the right exit code, and resumed to the same bytes.

    A step is the longest one of the same run. The time in which others had the processor does not count.
    """
    number = [signal.SIGINT, signal.SIGTERM][trial % 2]
    process = start(place.folder, Wish(name), cold=True)
    place.strike(process, chance, before_last=2)
    events, waited, began = read_log(process.log), process.delay(), time.monotonic()
    process.send(number)
    while not process.poll():
        time.sleep(POLL_S)
    seconds = time.monotonic() - began
    own = seconds - (process.delay() - waited)
    code = process.end()
    steps = [event["seconds"] for event in (*events, *place.events) if event["event"] == "end"]
    expect(code == STOPPED[number], f"exit {code} after {number.name}: {process.talk()[-150:]}")
    expect("Traceback" not in process.talk(), "it told a traceback")
    expect(own <= STOP_S + max(steps), f"stopped in {own:.2f} s, a step takes {max(steps):.2f} s")
    place.resume(name)
    figures = {"seconds": round(own, 2), "seconds_with_others": round(seconds, 2), "step_seconds": max(steps)}
    return stage_of(events, place.windows), figures


def disk(place: Place, name: str, trial: int, chance: random.Random) -> Told:
    """A disk that is full after a part of what is written: one line with the path, nothing torn, the same bytes later.

    The disk is a tmpfs of the trial's own; where mounting is refused, files may not grow beyond a size.
    """
    folder, share = place.folder / name, (trial % 10 + chance.uniform(0.1, 0.9)) / 10.5
    folder.mkdir()
    sizes = [path.stat().st_size for path in (place.folder / "whole").rglob("*") if path.is_file()]
    room = sum(-(-size // PAGE) * PAGE for size in sizes)
    mounted = mount(folder, f"size={round(room * share)}")
    try:
        largest = None if mounted else round(max(sizes) * share)
        process = start(place.folder, Wish(name, largest=largest))
        code, talk, where = process.end(), process.talk(), stage_of(read_log(process.log), place.windows)
        last = talk.splitlines()[-1] if talk else ""
        expect(code == 1 and DISK_FULL in last and str(folder) in last, f"exit {code}: {last}")
        expect("Traceback" not in talk, "it told a traceback")
        expect(not list(folder.rglob("*.tmp-*")), "a temporary file is left")
        expect(not torn(folder), f"not as noted: {torn(folder)}")
        if mounted:
            mount(folder, "remount,size=1g")
        place.resume(name)
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=False)
    return f"{'a full disk' if mounted else 'a limit of size'}, {where}", {}


def mount(folder: Path, options: str) -> bool:
    """Mount a tmpfs, or change one; False where that is refused."""
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def torn(folder: Path) -> list[str]:
    """Files that are not as a journal says; what no journal knows yet is none of them."""
    try:
        findings = verify_folder(folder).findings
    except RequestError:  # it was stopped before there was a journal
        return []
    return [str(finding) for finding in findings if finding.kind not in ("unfinished", "extra")]


def memory(place: Place, name: str, trial: int, chance: random.Random) -> Told:
    """The n-th call that takes memory for an array fails, n = 1 to 10 and ten of all: finished or stopped in one line.

    Resumed, it is complete and whole, and the same bytes unless windows were cut smaller.
    """
    number = trial + 1 if trial < 10 else chance.randint(11, place.allocations)
    process = start(place.folder, Wish(name, allocation=number))
    code, talk, events = process.end(), process.talk(), read_log(process.log)
    expect(any(event["event"] == "shortage" for event in events), f"no call {number}")
    expect("Traceback" not in talk, "it told a traceback")
    last = talk.splitlines()[-1] if talk else ""
    expect(code == 0 or (code == 1 and "memory" in last), f"exit {code}: {last}")
    cut = "smaller" in talk or "windows have" in talk
    if code == 0 and cut:
        expect(not verify_folder(place.folder / name).findings, "verify finds fault")
    else:
        place.resume(name)
    return f"{'finished' if code == 0 else 'stopped'}, {stage_of(events, place.windows)}", {}


def flip(place: Place, name: str, trial: int, chance: random.Random) -> Told:
    """One bit of one output flipped: `verify` finds that file, and nothing else."""
    whole = place.folder / "whole"
    outputs = [path for path in place.whole if path != "report.html" and not path.startswith("previews")]
    path = whole / chance.choice(sorted(outputs))
    data = path.read_bytes()
    at = chance.randrange(len(data))
    try:
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :])
        found = [(finding.kind, finding.path) for finding in verify_folder(whole).findings]
    finally:
        path.write_bytes(data)
    expect(found == [("changed", path)], f"{path.name} changed at {at}: {found}")
    return path.suffix.removeprefix("."), {}


def busy(place: Place, name: str, trial: int, chance: random.Random) -> Told:
    """Eight processes on one folder at once: exactly one works, the others leave with 75."""
    gate = place.folder / f"{name}.gate"
    runs = [start(place.folder, Wish(name, f".{racer}", gate=gate)) for racer in range(RACERS)]
    time.sleep(chance.uniform(0, 0.5))
    gate.touch()
    codes = sorted(process.end() for process in runs)
    workers = sum(any(event["event"] == "begin" for event in read_log(process.log)) for process in runs)
    gate.unlink()
    for process in runs:
        process.forget()
    expect(codes == [0] + [BUSY] * (RACERS - 1), f"exit codes {codes}")
    expect(workers == 1, f"{workers} worked")
    expect(tree(place.folder / name) == place.whole, "the result is another")
    return "", {}


def threads(place: Place, name: str, trial: int, chance: random.Random) -> Told:
    """The same seed again, five times with one thread and five with two: the same bytes as the whole run's."""
    count = 1 + trial // 5
    process = start(place.folder, Wish(name, threads=count), cold=True)
    expect(process.end() == 0, process.talk()[-150:])
    found = tree(place.folder / name)
    differing = [path for path in place.whole if found.get(path) != place.whole[path]]
    expect(not differing, f"{count} threads: {len(differing)} of {len(found)} files differ: {differing[:2]}")
    return f"{count} thread{'s' * (count > 1)}", {}


KINDS: dict[str, Callable[[Place, str, int, random.Random], Told]] = {
    trial.__name__: trial for trial in (kill, stop, disk, memory, flip, busy, threads)
}
