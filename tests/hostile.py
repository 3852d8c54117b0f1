"""Makes hostile input of every kind, puts it through the readers, and counts what became of it.

`python tests/hostile.py` runs a sample of media and all else, `--full` all of it, `--write FILE` merges the counts
into a JSON file.
A case is right when it is refused or reported in one line, or read as what it is. It is a crash when anything
but an error of ours comes out or the process dies, a hang beyond the time limit, silent when damage that could
be known was not told, and escaped when it ran code, wrote outside its folder or took too much memory.
`undetectable` media decode lawfully to other pictures: the strictest settings of every decoder hear nothing.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from alaya.errors import MAX_MESSAGE, AlayaError  # noqa: E402
from prompts.styles import StyleError  # noqa: E402

LIMIT_S, LIMIT_MB = 2.0, 1024
HANG_S = 60.0  # of the clock
MARKER = "CODE_RAN"
VERDICTS = ("right", "undetectable", "silent", "crash", "hang", "escaped")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_REFUSED_EVENTS = {
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "pickle.find_class", "socket.connect",
    "socket.getaddrinfo", "os.startfile", "ctypes.cdata/buffer",
}  # fmt: skip
_CHANGING_EVENTS = {
    "os.mkdir", "os.remove", "os.rmdir", "os.rename", "os.symlink", "os.link", "os.chmod", "os.truncate",
    "shutil.rmtree", "os.utime",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One hostile input: `make` puts it into an empty folder, `use` reads it and returns the verdict's detail.

    `refuse`: that the only right outcome is an error of ours; None where `use` judges itself.
    """

    name: str
    make: Callable[[Path], Path]
    use: Callable[[Path], str]
    refuse: bool | None = True
    limit_s: float = LIMIT_S


@dataclass
class Outcome:
    """What became of one case; `seconds` are of the processor, so that a busy machine makes no hang."""

    name: str
    verdict: str
    detail: str
    seconds: float = 0.0
    mb: float = 0.0


@dataclass
class Tally:
    """Counts over a group of cases, the dearest ones, and every case that was not right."""

    outcomes: list[Outcome] = field(default_factory=list)

    def row(self) -> dict[str, object]:
        """The counts as they are published; each bad case by name."""
        counted = Counter(outcome.verdict for outcome in self.outcomes)
        ways = Counter(outcome.detail for outcome in self.outcomes if outcome.verdict == "right")
        return {
            "tried": len(self.outcomes),
            **{verdict: counted[verdict] for verdict in VERDICTS},
            "of_right": dict(sorted(ways.items())),
            "slowest_s": round(max((outcome.seconds for outcome in self.outcomes), default=0), 2),
            "largest_mb": round(max((outcome.mb for outcome in self.outcomes), default=0)),
            "not_right": [
                f"{outcome.verdict}: {outcome.name}: {outcome.detail}"[:200]
                for outcome in self.outcomes
                if outcome.verdict not in ("right", "undetectable")
            ],
        }


class _Watch:
    """Hears, through Python's audit events, of code being run and of writing outside the case's folder."""

    def __init__(self) -> None:
        self.folder = ""
        self.heard: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.folder:
            return
        if event in _REFUSED_EVENTS:
            self.heard.append(f"{event} {arguments!r}"[:100])
        elif event in _CHANGING_EVENTS or (event == "open" and _writes(arguments)):
            target = arguments[0]
            if isinstance(target, str | bytes | os.PathLike) and not self._inside(os.fsdecode(target)):
                self.heard.append(f"{event} {target!r}"[:100])

    def _inside(self, target: str) -> bool:
        return target == os.devnull or os.path.abspath(target).startswith(self.folder)


def _writes(arguments: tuple[object, ...]) -> bool:
    mode, flags = (*arguments, None, None)[1:3]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & _WRITING)


_watch: list[_Watch] = []


def run_case(case: Case, folder: Path) -> Outcome:
    """Make a case in a folder of its own and read it, in this process."""
    if not _watch:
        _watch.append(_Watch())
    watch = _watch[0]
    folder.mkdir(parents=True)
    before = os.getcwd()
    os.chdir(folder)
    try:
        path = case.make(folder)
        _reset_peak()
        resident, began = _memory("VmRSS"), time.process_time()
        watch.folder, watch.heard = str(folder.resolve()), []
        verdict, detail = _use(case, path)
        watch.folder = ""
        seconds, mb = time.process_time() - began, _memory("VmHWM") - resident
    finally:
        watch.folder = ""
        os.chdir(before)
    if watch.heard or (folder / MARKER).exists():
        verdict, detail = "escaped", f"{watch.heard[:2] or MARKER}"
    elif seconds > case.limit_s:
        verdict, detail = "hang", f"{seconds:.1f} s, then {verdict}: {detail}"
    elif mb > LIMIT_MB:
        verdict, detail = "escaped", f"{mb:.0f} MB"
    return Outcome(case.name, verdict, detail, seconds, mb)


def _use(case: Case, path: Path) -> tuple[str, str]:
    try:
        detail = case.use(path)
    except (AlayaError, StyleError) as error:
        if "\n" in str(error).strip() or len(str(error)) > MAX_MESSAGE + 10:
            return "crash", f"a message of {len(str(error))} characters: {str(error)[:80]!r}"
        return ("right", "refused") if case.refuse is not False else ("silent", f"refused: {error}"[:150])
    except Exception as error:
        return "crash", f"{type(error).__name__}: {error}"[:150]
    if case.refuse:
        return "silent", f"accepted as {detail}"[:150]
    verdict, _, rest = detail.partition(": ")
    return (verdict, rest) if verdict in VERDICTS else ("right", "read")


def _reset_peak() -> None:
    """Let the kernel count the peak of memory anew."""
    with contextlib.suppress(OSError):  # then the peak is that of the whole process, an upper bound
        Path("/proc/self/clear_refs").write_text("5")


def _memory(key: str) -> float:
    """A line of this process's status in MB; 0 where the system has none."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{key}:")), 0.0)


def run_here(cases: list[Case], folder: Path) -> Tally:
    """All cases in this one warm process."""
    return Tally([run_case(case, folder / f"{index:04d}") for index, case in enumerate(cases)])


def run_apart(cases: list[Case], folder: Path) -> Tally:
    """All cases in one warm process beside this one, begun anew after a crash or a hang."""
    tally = Tally()
    while len(tally.outcomes) < len(cases):
        near, far = multiprocessing.get_context("fork").Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(
            target=_serve, args=(far, cases, folder, len(tally.outcomes))
        )
        process.start()
        far.close()
        _listen(near, process, tally, cases)
        process.join()
    return tally


def _serve(out: Connection, cases: list[Case], folder: Path, first: int) -> None:
    for index in range(first, len(cases)):
        out.send(run_case(cases[index], folder / f"{index:04d}"))
    out.close()


def _listen(near: Connection, process: multiprocessing.Process, tally: Tally, cases: list[Case]) -> None:
    while len(tally.outcomes) < len(cases):
        case = cases[len(tally.outcomes)]
        if not near.poll(HANG_S + case.limit_s):
            process.kill()
            tally.outcomes.append(Outcome(case.name, "hang", f"killed after {HANG_S + case.limit_s:.0f} s"))
            return
        try:
            tally.outcomes.append(near.recv())
            if (seen := tally.outcomes[-1]).verdict not in ("right", "undetectable"):
                print(f"{seen.verdict}: {seen.name}: {seen.detail}", file=sys.stderr, flush=True)
        except EOFError:
            process.join()
            tally.outcomes.append(Outcome(case.name, "crash", f"the process died ({process.exitcode})"))
            return


def groups(folder: Path, full: bool) -> dict[str, list[Case]]:
    """The cases of each group; of media a sample unless `full`."""
    import hostile_commands
    import hostile_documents
    import hostile_jobs
    import hostile_media
    import hostile_names
    import hostile_weights

    return {
        "media_mutants": hostile_media.mutants(folder / "base", 500 if full else 12),
        "media_oddities": hostile_media.oddities(full),
        "checkpoints": hostile_weights.cases(),
        "documents": hostile_documents.cases(),
        "jobs": hostile_jobs.cases(),
        "names": hostile_names.cases(),
        "commands": hostile_commands.cases(full),
    }


def warm() -> None:
    """Import what reads weights, so that no case pays for it and no import is taken for an attack."""
    import hostile_commands

    hostile_commands.warm()


def main() -> None:
    """Run the groups asked for, print their rows, and merge them into a file if one is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    rows = {}
    with tempfile.TemporaryDirectory() as text:
        for key, cases in groups(Path(text), asked.full).items():
            if asked.only and key not in asked.only:
                continue
            if key in ("checkpoints", "commands"):
                warm()
            rows[key] = run_apart(cases, Path(text) / key).row()
            print(key, json.dumps(rows[key], indent=1), flush=True)
    if asked.write:
        old = json.loads(asked.write.read_text()) if asked.write.is_file() else {}
        asked.write.write_text(json.dumps({**old, **rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
