"""Workers of a batch as processes of this machine, each started afresh and replaced when it dies."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.batch_worker import Outcome, work

if TYPE_CHECKING:
    from pipelines.batch_worker import Help, OpenLoaders
    from pipelines.settings import RenderSettings

GRACE_SECONDS = 30.0  # for a worker to stop between two steps; then it is killed, which costs a window
CORES_A_WORKER = 2  # one for the network, one for the threads that decode and encode


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    at_work: bool = False


class LocalCrew:
    """As `pipelines.batch.Crew`: so many processes, started when there is work for them."""

    def __init__(
        self, workers: int | None, threads: int | None, most: int, open_loaders: OpenLoaders
    ) -> None:
        cores = core_count()
        self.workers = min(most, workers or count_gpus() or max(1, cores // CORES_A_WORKER))
        asked = os.environ.get("OMP_NUM_THREADS", "")
        self.threads = threads or (int(asked) if asked.isdigit() and int(asked) else 0)
        self.threads = self.threads or max(1, cores // self.workers)
        self._open_loaders = open_loaders
        self._crew: dict[int, _Worker] = {}

    def idle(self) -> list[int]:
        """As `Crew.idle`."""
        return [n for n in range(self.workers) if n not in self._crew or not self._crew[n].at_work]

    def give(self, number: int, request: RenderSettings | Help) -> None:
        """As `Crew.give`."""
        worker = self._crew.get(number)
        if worker is not None and not worker.process.is_alive():
            worker.connection.close()
            worker = None
        if worker is None:
            worker = self._crew[number] = self._start(number)
        worker.at_work = True
        with contextlib.suppress(OSError):  # it died this moment, which `wait` will see
            worker.connection.send(request)

    def wait(self, timeout: float) -> list[tuple[int, Outcome]]:
        """As `Crew.wait`."""
        busy = {worker.connection: n for n, worker in self._crew.items() if worker.at_work}
        if not busy:
            time.sleep(timeout)
            return []
        return [(busy[ready], self._hear(busy[ready])) for ready in wait(list(busy), timeout)]  # type: ignore

    def close(self) -> None:
        """As `Crew.close`."""
        for worker in self._crew.values():
            with contextlib.suppress(OSError):
                worker.connection.send(None)
        self._end()

    def stop(self) -> None:
        """As `Crew.stop`."""
        for worker in self._crew.values():
            worker.process.terminate()
        self._end()

    def _start(self, number: int) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=work, args=(theirs, self._open_loaders, number, self.threads), name=f"worker {number}"
        )
        start_quietly(process)
        theirs.close()  # else its end would not be seen
        return _Worker(process, ours)

    def _hear(self, number: int) -> Outcome:
        worker = self._crew[number]
        try:
            outcome = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join(GRACE_SECONDS)
            code = worker.process.exitcode
            outcome = Outcome("lost", f"worker {number} {_ending(code)}")
            worker.connection.close()
            del self._crew[number]
        else:
            worker.at_work = False
        return outcome

    def _end(self) -> None:
        deadline = time.monotonic() + GRACE_SECONDS
        for worker in self._crew.values():
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.connection.close()
        self._crew.clear()


def start_quietly(process: BaseProcess) -> None:
    """Start it with Ctrl-C blocked until it has said what it does about that: no traceback of its start is shown."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"


def count_gpus() -> int:
    """NVIDIA GPUs that a process started here will see, without asking their driver."""
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if seen is not None:
        return len([name for name in seen.split(",") if name.strip() and not name.strip().startswith("-")])
    return len(list(Path("/proc/driver/nvidia/gpus").glob("*")))


def core_count() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
