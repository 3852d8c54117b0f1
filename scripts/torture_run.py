"""One `alaya render` as a process to be harmed: its windows are logged, and its memory gives out when asked to.

A run is forked from a process that has torch loaded already, or, cold, is started from nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

NUMPY_CALLS = frozenset(("empty", "zeros", "ones", "full", "array", "copy", "astype", "empty_like"))
TORCH_CALLS = frozenset(
    ("empty", "zeros", "cat", "stack", "to", "float", "contiguous", "conv2d", "conv_transpose2d", "linear")
)
NO_MEMORY = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes. Error code 12"
POLL_S, PATIENCE_S = 0.02, 900.0
_ENDED = os.WEXITED | os.WNOWAIT


@dataclass(frozen=True)
class Wish:
    """What a run is to be: its folder's name beside the clip, and what is to befall it.

    Attributes:
        name: of the output folder; the log and the talk lie beside it.
        racer: what tells the logs of several runs on one folder apart.
        allocation: which call that takes memory fails, from 1; 0 for none, but they are counted.
        gate: a file that has to exist before the command begins.
        largest: bytes to which files may grow.
        threads: of torch.
    """

    name: str
    racer: str = ""
    allocation: int | None = None
    gate: Path | None = None
    largest: int | None = None
    threads: int = 1

    @property
    def stem(self) -> str:
        """The name of the log and the talk."""
        return self.name + self.racer


def words(clip: Path, output: Path) -> list[str]:
    """The command: all stages, small windows, a working size still smaller than the clip."""
    small = ["--num-frames", "9", "--height", "32", "--width", "48"]
    return ["render", "--input", str(clip), "--style", "snowy_winter", "--output", str(output), *small]


class Process:
    """A run under way, and what it left."""

    def __init__(self, pid: int, place: Path, stem: str) -> None:
        self.pid = pid
        self.code: int | None = None
        self.log, self._talk = place / f"{stem}.log", place / f"{stem}.talk"
        self.began = time.monotonic()

    def poll(self) -> bool:
        """True if the process has ended; it is not reaped."""
        return self.code is not None or os.waitid(os.P_PID, self.pid, _ENDED | os.WNOHANG) is not None

    def send(self, number: int) -> None:
        """Send a signal, to nobody if it has ended."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def delay(self) -> float:
        """Seconds so far in which it was ready and others had the processor; 0 where nobody counts them."""
        try:
            return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            return 0.0

    def end(self) -> int:
        """Wait for the end and return the exit code, negative for a signal; a hang is killed after a while."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.poll():
            if time.monotonic() > deadline:
                self.send(signal.SIGKILL)
            time.sleep(POLL_S)
        if self.code is None:
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code

    def forget(self) -> None:
        """Remove its log and its talk."""
        for path in (self.log, self._talk):
            path.unlink(missing_ok=True)

    def talk(self) -> str:
        """What it said on stderr."""
        return self._talk.read_text(errors="replace") if self._talk.exists() else ""


def read_log(path: Path) -> list[dict[str, Any]]:
    """What a run logged; a line that a kill cut short is left out."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def start(place: Path, wish: Wish, cold: bool = False) -> Process:
    """Begin a render of `clip.mp4` in `place`."""
    if cold:
        return _start_cold(place, wish)
    pid = os.fork()
    if pid == 0:
        _be_run(place, wish)
    return Process(pid, place, wish.stem)


def _be_run(place: Path, wish: Wish) -> None:
    """What the forked process does; never returns."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for stream, name in ((1, os.devnull), (2, str(place / f"{wish.stem}.talk"))):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), stream)
        import torch  # the process that is forked has loaded it, with the machine's number of threads

        torch.set_num_threads(wish.threads)
        work(place, wish)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _start_cold(place: Path, wish: Wish) -> Process:
    variables = {**os.environ, "OMP_NUM_THREADS": str(wish.threads)}
    command = [sys.executable, __file__, str(place), wish.name]
    with open(place / f"{wish.stem}.talk", "a") as talk:
        process = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=talk)
    process.returncode = 0  # it is waited for by its number
    return Process(process.pid, place, wish.stem)


def work(place: Path, wish: Wish) -> None:
    """Run the command in this process, which ends with its exit code."""
    from pipelines import cli, loading

    log = _Log(place / f"{wish.stem}.log")
    loading.Loader.open = _logged_open(loading.Loader.open, log, wish.allocation)
    if wish.largest is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (wish.largest, wish.largest))
    while wish.gate is not None and not wish.gate.exists():
        time.sleep(POLL_S)
    sys.argv = ["alaya", *words(place / "clip.mp4", place / wish.name)]
    log.add(event="start")
    cli.main()


class _Log:
    """A line for each event, written at once and past every limit of the run's own files."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def add(self, **facts: Any) -> None:
        """Write an event."""
        os.write(self._file, (json.dumps(facts) + "\n").encode())


def _logged_open(before: Callable[..., Any], log: _Log, allocation: int | None) -> Callable[..., Any]:
    """`Loader.open` whose model logs its windows, and from whose first call on memory is counted."""
    shortage = None if allocation is None else _Shortage(allocation, log)

    def opened(*args: Any, **options: Any) -> Any:
        if shortage is not None:
            shortage.watch()
        model = before(*args, **options)
        if "predict" not in vars(model):
            log.add(event="open")
            model.predict = _logged(type(model).__name__, model.predict, log)
        return model

    return opened


def _logged(stage: str, predict: Callable[..., Any], log: _Log) -> Callable[..., Any]:
    def logged(*args: Any, **options: Any) -> Any:
        log.add(event="begin", stage=stage, first=options["first_frame"])
        began = time.thread_time()
        result = predict(*args, **options)
        log.add(event="end", stage=stage, first=options["first_frame"], seconds=time.thread_time() - began)
        return result

    return logged


class _Shortage:
    """Fails the n-th call by which Python code takes memory for an array, in any thread."""

    def __init__(self, number: int, log: _Log) -> None:
        self.number, self.count, self._log = number, 0, log
        self._counting = threading.Lock()

    def watch(self) -> None:
        """Begin; beginning twice changes nothing."""
        threading.setprofile(self._hear)
        sys.setprofile(self._hear)

    def _hear(self, _frame: Any, event: str, called: Any) -> None:
        if event != "c_call" or (kind := _kind_of(called)) is None:
            return
        with self._counting:
            self.count += 1
            count = self.count
        if self.number == 0 and count % 50 == 0:
            self._log.add(event="memory", count=count)
        if count == self.number:
            self._log.add(event="shortage", call=f"{kind} {called.__name__}", thread=threading.get_ident())
            raise MemoryError if kind == "numpy" else RuntimeError(NO_MEMORY)


def _kind_of(called: Any) -> str | None:
    """Whose array a built-in function takes memory for: "numpy" or "torch", or neither."""
    name, owner = called.__name__, getattr(called, "__self__", None)
    home = str(getattr(called, "__module__", None) or type(owner).__module__)
    if name in NUMPY_CALLS and home.startswith("numpy"):
        return "numpy"
    return "torch" if name in TORCH_CALLS and home.startswith("torch") else None


if __name__ == "__main__":
    work(Path(sys.argv[1]), Wish(sys.argv[2]))
