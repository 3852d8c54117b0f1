"""Workers of a batch as Ray actors, on this machine or all over a cluster; one whose machine is lost is replaced."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from alaya.errors import AlayaError, RequestError
from pipelines.batch_local import CORES_A_WORKER, GRACE_SECONDS, core_count, count_gpus
from pipelines.batch_worker import Outcome, Workplace
from pipelines.cli import Stopped

if TYPE_CHECKING:
    from pipelines.batch_worker import OpenLoaders
    from pipelines.settings import RenderSettings

MAX_FALSE_STARTS = 3  # in a row, then something is wrong with the cluster
STORE_BYTES = 100_000_000  # no clip goes through Ray's object store
AT_ONCE = 2  # a job, and the call that stops it


class Actor:
    """What runs inside Ray: a workplace in the batch's own folder."""

    def __init__(self, open_loaders: OpenLoaders, number: int, folder: str) -> None:
        try:
            os.chdir(folder)  # paths mean the same everywhere
        except OSError as error:
            raise AlayaError(
                f"this node does not have the folder {folder}; a cluster needs the clips' folders on a shared disk"
            ) from error
        self._place = Workplace(open_loaders, number)

    def ready(self) -> None:
        """Answers once the actor is there."""

    def run(self, settings: RenderSettings) -> Outcome:
        """As `Workplace.run`, with "stopped" where it was told to stop."""
        try:
            return self._place.run(settings)
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
        self._ray = _import_ray()
        self._open_loaders = open_loaders
        self._mine = not self._ray.is_initialized()
        if self._mine:
            workers = self._connect(workers, threads, address)
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

    def give(self, number: int, settings: RenderSettings) -> None:
        """As `Crew.give`."""
        self._crew[number].answer = self._crew[number].actor.run.remote(settings)

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
        if self._mine:
            self._ray.shutdown()

    def stop(self) -> None:
        """As `Crew.stop`; a worker that takes too long to its next step is killed, which costs it a window."""
        running = [hired for hired in self._crew.values() if hired.answer is not None and not hired.starting]
        for hired in running:
            hired.actor.stop.remote()
        if running:
            answers = [hired.answer for hired in running]
            self._ray.wait(answers, num_returns=len(answers), timeout=GRACE_SECONDS)
        self.close()

    def _connect(self, workers: int | None, threads: int | None, address: str | None) -> int | None:
        """Start Ray here, or join a cluster; how many workers were asked, or are meant here."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if address is None:
            gpus = count_gpus()
            workers = workers or gpus or max(1, core_count() // CORES_A_WORKER)
            room: dict[str, Any] = {
                "num_cpus": workers * (threads or max(1, core_count() // workers)),
                "num_gpus": gpus,
                "include_dashboard": False,
                "object_store_memory": STORE_BYTES,
                "_node_ip_address": "127.0.0.1",
            }
        else:
            room = {"address": address}
        try:
            with _own_signals():
                self._ray.init(log_to_driver=False, logging_level="error", **room)
        except (ConnectionError, ValueError) as error:
            what = (
                f"--address {address}: no Ray cluster answers there" if address else "Ray cannot start here"
            )
            raise RequestError(f"{what} ({error})") from error
        except Exception as error:  # it has no class of its own for a node that does not come up
            raise AlayaError(f"Ray could not be started here: {error}") from error
        return workers

    def _hire(self, number: int) -> _Hired:
        room = {"num_cpus": self.threads, "num_gpus": self._gpus, "max_restarts": 0}
        actor = (
            self._ray.remote(Actor)
            .options(max_concurrency=AT_ONCE, **room)
            .remote(self._open_loaders, number, os.getcwd())
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
