"""Workers of a batch as Ray actors, on this machine or all over a cluster; one whose machine is lost is replaced."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alaya.errors import AlayaError, RequestError
from pipelines.batch_local import CORES_A_WORKER, GRACE_SECONDS, core_count, count_gpus
from pipelines.batch_worker import THREAD_VARIABLES, Outcome, Workplace
from pipelines.cli import Stopped
from pipelines.ray_cluster import Cluster

if TYPE_CHECKING:
    from pipelines.batch_worker import Help, OpenLoaders
    from pipelines.settings import RenderSettings

MAX_FALSE_STARTS = 3  # in a row, then something is wrong with the cluster
KNOCK_SECONDS = 10.0
AT_ONCE = 2  # a job, and the call that stops it


class Actor:
    """What runs inside Ray: a workplace in the batch's own folder."""

    def __init__(self, open_loaders: OpenLoaders, number: int, threads: int, folder: str) -> None:
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
        try:
            os.chdir(folder)  # paths mean the same everywhere
        except OSError as error:
            raise AlayaError(
                f"this node does not have the folder {folder}; a cluster needs the clips' folders on a shared disk"
            ) from error
        self._place = Workplace(open_loaders, number)

    def ready(self) -> None:
        """Answers once the actor is there."""

    def run(self, request: RenderSettings | Help) -> Outcome:
        """As `Workplace.run`, with "stopped" where it was told to stop."""
        try:
            return self._place.run(request)
        except Stopped:
            return Outcome("stopped")

    def stop(self) -> None:
        """Have the job under way stop at its next step."""
        self._place.stopping.set()


@dataclass
class _Hired:
    actor: Any
    answer: Any = None  # what it was asked last, None if it is idle
    starting: bool = True


class RayCrew:
    """As `pipelines.batch.Crew`: so many actors, each with a GPU of its own where there are any."""

    def __init__(
        self,
        workers: int | None,
        threads: int | None,
        most: int,
        address: str | None,
        open_loaders: OpenLoaders,
    ) -> None:
        self._open_loaders = open_loaders
        self._crew: dict[int, _Hired] = {}
        self._cluster = Cluster() if address is None else None
        self._mine = True
        try:
            self._ray = _import_ray()
            self._mine = not self._ray.is_initialized()
            if self._mine:
                workers = self._connect(workers, threads, address)
            self._hire_all(workers, threads, most)
        except BaseException:
            self._leave()
            raise

    def _hire_all(self, workers: int | None, threads: int | None, most: int) -> None:
        """Share the cluster out."""
        has = self._ray.cluster_resources()
        cpus, gpus = int(has.get("CPU", 0)), int(has.get("GPU", 0))
        self.workers = min(most, workers or gpus or max(1, cpus // CORES_A_WORKER))
        self.threads = threads or max(1, cpus // self.workers)
        self._gpus = min(1.0, gpus / self.workers) if gpus else 0
        self._false_starts = 0
        self._crew = {number: self._hire(number) for number in range(self.workers)}

    def idle(self) -> list[int]:
        """As `Crew.idle`: an actor that still waits for a place in the cluster is not."""
        return [number for number, hired in self._crew.items() if hired.answer is None]

    def give(self, number: int, request: RenderSettings | Help) -> None:
        """As `Crew.give`."""
        self._crew[number].answer = self._crew[number].actor.run.remote(request)

    def wait(self, timeout: float) -> list[tuple[int, Outcome]]:
        """As `Crew.wait`."""
        asked = {hired.answer: number for number, hired in self._crew.items() if hired.answer is not None}
        if not asked:
            time.sleep(timeout)
            return []
        answered, _ = self._ray.wait(list(asked), num_returns=1, timeout=timeout)
        heard = [(asked[answer], self._hear(asked[answer])) for answer in answered]
        return [(number, outcome) for number, outcome in heard if outcome is not None]

    def close(self) -> None:
        """As `Crew.close`."""
        for hired in self._crew.values():
            self._ray.kill(hired.actor)
        self._leave()

    def stop(self) -> None:
        """As `Crew.stop`; a worker that takes too long to its next step is killed, which costs it a window."""
        running = [hired for hired in self._crew.values() if hired.answer is not None and not hired.starting]
        for hired in running:
            hired.actor.stop.remote()
        if running:
            answers = [hired.answer for hired in running]
            self._ray.wait(answers, num_returns=len(answers), timeout=GRACE_SECONDS)
        self.close()

    def _leave(self) -> None:
        """Leave the cluster, and end it if it was started here."""
        ray = sys.modules.get("ray")
        if self._mine and ray is not None:
            ray.shutdown()
        if self._cluster is not None:
            self._cluster.close()

    def _connect(self, workers: int | None, threads: int | None, address: str | None) -> int | None:
        """Start a cluster here, or join one; how many workers were asked, or are meant here."""
        if self._cluster is None:
            try:
                _knock(str(address))
                self._join(str(address))
            except (OSError, ValueError) as error:  # ConnectionError is one
                raise RequestError(f"--address {address}: no Ray cluster answers there ({error})") from error
            return workers
        gpus = count_gpus()
        workers = workers or gpus or max(1, core_count() // CORES_A_WORKER)
        own = self._cluster.start(workers * (threads or max(1, core_count() // workers)), gpus)
        try:
            self._join(own)
        except Exception as error:  # it has no class of its own for a node that does not come up
            self._cluster.check()
            raise AlayaError(f"Ray could not be started here: {error}; try --engine local") from error
        return workers

    def _join(self, address: str) -> None:
        with _own_signals():
            self._ray.init(address, log_to_driver=False, logging_level="error")

    def _hire(self, number: int) -> _Hired:
        room = {"num_cpus": self.threads, "num_gpus": self._gpus, "max_restarts": 0}
        actor = (
            self._ray.remote(Actor)
            .options(max_concurrency=AT_ONCE, **room)
            .remote(self._open_loaders, number, self.threads, os.getcwd())
        )
        return _Hired(actor, actor.ready.remote())

    def _hear(self, number: int) -> Outcome | None:
        """An answer of an actor; a dead one is replaced. None: it said only that it is there, or never came."""
        hired = self._crew[number]
        starting, answer = hired.starting, hired.answer
        hired.starting, hired.answer = False, None
        try:
            outcome = self._ray.get(answer)
        except self._ray.exceptions.RayError as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            self._false_starts += starting
            if self._false_starts >= MAX_FALSE_STARTS:
                raise AlayaError(f"Ray could not start worker {number}: {error}") from error
            self._ray.kill(hired.actor)
            self._crew[number] = self._hire(number)
            return None if starting else Outcome("lost", f"worker {number} was lost: {reason}")
        self._false_starts = 0
        return outcome


def _knock(address: str) -> None:
    """Raise OSError if nobody listens at host:port, or ValueError; Ray would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_SECONDS).close()


def _import_ray() -> Any:
    try:
        import ray  # pyright: ignore[reportMissingImports]
        import ray.exceptions  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise RequestError(
            f"--engine ray needs Ray ({error}); run pip install 'alaya-renderer[ray]', or leave --engine out"
        ) from error
    return ray


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep our way with SIGTERM and SIGINT, which `ray.init` replaces."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            with contextlib.suppress(ValueError):  # not in the main thread
                signal.signal(number, handler)
