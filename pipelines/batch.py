"""Many clips as one batch: jobs are handed to workers, tried again when they fail, and set aside when it is no use."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from alaya.errors import RequestError
from alaya.files import STALE_AFTER_S, atomic_write
from pipelines.batch_door import find_complete
from pipelines.batch_jobs import SUMMARY, Job, read_jobs
from pipelines.batch_split import check_splittable, run_together
from pipelines.batch_worker import Outcome, real_loaders
from pipelines.progress import Progress, clock
from pipelines.settings import RenderSettings

if TYPE_CHECKING:
    from pipelines.batch_worker import Help, OpenLoaders

ENGINES = ("local", "ray")
WAIT_SECONDS = 1.0
BUSY_SECONDS = 5.0  # before a folder that another process holds is tried again
LOST_PATIENCE_S = STALE_AFTER_S + 60  # the lock of a lost machine stays until its heartbeat is stale
GOOD = ("done", "kept")
MOST_WORKERS = 4096


@dataclass(frozen=True)
class BatchSettings:
    """How a batch is run. `workers` and `threads` None: as the machine or the cluster has room.

    `tries` is how often a job may fail before it is set aside; `address` names a Ray cluster; with `split_windows`
    all workers work on one clip's windows, clip after clip.
    """

    output: Path
    workers: int | None = None
    threads: int | None = None
    engine: str = "local"
    address: str | None = None
    tries: int = 2
    split_windows: bool = False

    def __post_init__(self) -> None:
        for name in ("workers", "threads", "tries"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= MOST_WORKERS:
                raise RequestError(f"--{name} must be 1 to {MOST_WORKERS}, got {value}")
        if self.engine not in ENGINES:
            raise RequestError(f"--engine must be one of {', '.join(ENGINES)}, got {self.engine!r}")
        if self.address is not None and self.engine != "ray":
            raise RequestError("--address names a Ray cluster; add --engine ray")
        if self.output.exists() and not self.output.is_dir():
            raise RequestError(f"--output {self.output} is a file; give a folder")


class Crew(Protocol):
    """Workers, numbered from 0, that a batch gives jobs to; one that died is replaced when a job is given to it."""

    workers: int
    threads: int

    def idle(self) -> list[int]:
        """Workers that can take a job now."""
        ...

    def give(self, number: int, request: RenderSettings | Help) -> None:
        """Let an idle worker begin a job, or help with one."""
        ...

    def wait(self, timeout: float) -> list[tuple[int, Outcome]]:
        """What workers have ended, waiting up to `timeout` seconds for the first."""
        ...

    def close(self) -> None:
        """Send the workers home; none is at work."""
        ...

    def stop(self) -> None:
        """Have the workers stop at their next step, resumable."""
        ...


@dataclass
class Task:
    """A job on its way. States: "left" (not ended), "done", "kept" (was complete), "failed", "busy"."""

    job: Job
    state: str = "left"
    tries: int = 0
    seconds: float = 0.0
    text: str = ""
    videos: tuple[Path, ...] = ()
    not_before: float = 0.0
    patient_until: float | None = None

    def take(self, outcome: Outcome, tries: int, now: float) -> None:
        """Take note of how a try ended; the state stays "left" if there is to be another."""
        self.seconds = round(self.seconds + outcome.seconds, 2)
        self.text, self.videos = outcome.text, outcome.videos
        if outcome.state == "busy":
            self._put_off(now)
            return
        self.tries += 1
        if outcome.state == "lost":
            self.patient_until = now + LOST_PATIENCE_S
        if outcome.state == "done":
            self.state = "done"
        elif outcome.state == "refused" or self.tries >= tries:
            self.state = "failed"

    def _put_off(self, now: float) -> None:
        """Another process holds the folder: once more after a while, longer if it was a worker of ours."""
        if self.patient_until is None:
            self.patient_until = now
        elif now > self.patient_until:
            self.state = "busy"
        self.not_before = now + BUSY_SECONDS

    def as_dict(self) -> dict[str, Any]:
        """The task as JSON values."""
        return {
            "line": self.job.line,
            "name": self.job.name,
            "input": str(self.job.settings.input),
            "folder": str(self.job.settings.output),
            "state": self.state,
            "tries": self.tries,
            "seconds": self.seconds,
            "videos": [str(path) for path in self.videos],
            "error": self.text or None,
        }


@dataclass
class Batch:
    """All jobs of a batch and what became of them."""

    settings: BatchSettings
    tasks: list[Task] = field(default_factory=list)
    workers: int = 0
    threads: int = 0
    seconds: float = 0.0

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        return dict(Counter(task.state for task in self.tasks))

    @property
    def exit_code(self) -> int:
        """0 if all is there, 1 if a job failed, 75 if some are only in other hands."""
        states = {task.state for task in self.tasks} - set(GOOD)
        return 0 if not states else 75 if states == {"busy"} else 1

    def as_dict(self) -> dict[str, Any]:
        """The batch as JSON values."""
        return {
            "schema": "alaya-batch/1",
            "engine": self.settings.engine,
            "workers": self.workers,
            "threads": self.threads,
            "seconds": round(self.seconds, 2),
            "counts": self.counts,
            "jobs": [task.as_dict() for task in self.tasks],
        }

    def table(self) -> str:
        """The jobs as lines for a person, and the counts."""
        rows = [("line", "name", "state", "tries", "time", "")]
        rows += [
            (str(t.job.line), t.job.name, t.state, str(t.tries), clock(t.seconds), t.text) for t in self.tasks
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        lines = [
            "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]])
            for row in rows
        ]
        counts = ", ".join(f"{count} {state}" for state, count in sorted(self.counts.items()))
        return "\n".join([*(line.rstrip() for line in lines), f"{counts}, in {clock(self.seconds)}"])


def run_batch(
    jobs_file: Path,
    settings: BatchSettings,
    *,
    open_loaders: OpenLoaders = real_loaders,
    progress: Progress | None = None,
) -> Batch:
    """Run what is missing of a jobs file, show the table and write batch.json, also when stopped.

    Args:
        jobs_file: see `pipelines.batch_jobs`.
        settings: how.
        open_loaders: gives both stages' loaders, here and in every worker.
        progress: who is told.

    Raises:
        RequestError: a line that cannot work; then nothing was begun.
    """
    progress, began = progress or Progress(), time.monotonic()
    jobs = read_jobs(jobs_file, settings.output)
    if settings.split_windows:
        check_splittable(jobs)
    batch = Batch(settings, [Task(job) for job in jobs])
    complete = find_complete(jobs, *open_loaders())
    for task in batch.tasks:
        if task.job.name in complete:
            task.state, task.videos = "kept", complete[task.job.name]
    missing = [task for task in batch.tasks if task.state == "left"]
    progress.note(f"{len(jobs)} jobs, {len(jobs) - len(missing)} of them complete already")
    try:
        if missing:
            with_crew(batch, missing, open_loaders, progress)
    finally:
        batch.seconds = time.monotonic() - began
        print(batch.table(), file=sys.stderr, flush=True)
        atomic_write(settings.output / SUMMARY, json.dumps(batch.as_dict(), indent=1) + "\n")
    return batch


def with_crew(batch: Batch, missing: list[Task], open_loaders: OpenLoaders, progress: Progress) -> None:
    """Hire workers, run the missing jobs, and see the workers out."""
    settings = batch.settings
    crew = _hire(settings, MOST_WORKERS if settings.split_windows else len(missing), open_loaders)
    batch.workers, batch.threads = crew.workers, crew.threads
    progress.note(f"{settings.engine}: {crew.workers} workers of {crew.threads} threads each")
    try:
        (_work_off_together if settings.split_windows else _work_off)(batch, missing, crew, progress)
    except BaseException:
        crew.stop()
        raise
    crew.close()


def _hire(settings: BatchSettings, most: int, open_loaders: OpenLoaders) -> Crew:
    """So many workers at most."""
    if settings.engine == "ray":
        from pipelines.batch_ray import RayCrew

        return RayCrew(settings.workers, settings.threads, most, settings.address, open_loaders)
    from pipelines.batch_local import LocalCrew

    return LocalCrew(settings.workers, settings.threads, most, open_loaders)


def _work_off(batch: Batch, waiting: list[Task], crew: Crew, progress: Progress) -> None:
    """Hand out jobs until each has ended; what is tried again goes to the end of the line."""
    under_way: dict[int, Task] = {}
    while waiting or under_way:
        for number in crew.idle():
            task = _next(waiting)
            if task is None:
                break
            under_way[number] = task
            crew.give(number, task.job.settings)
        for number, outcome in crew.wait(WAIT_SECONDS):
            task = under_way.pop(number)
            task.take(outcome, batch.settings.tries, time.monotonic())
            if task.state == "left":
                waiting.append(task)
            _tell(batch, task, outcome, progress)


def _work_off_together(batch: Batch, waiting: list[Task], crew: Crew, progress: Progress) -> None:
    """As `_work_off`, one job at a time with all workers."""
    while waiting:
        task = _next(waiting)
        if task is None:
            time.sleep(WAIT_SECONDS)
            continue
        outcome = run_together(task, batch, crew, progress)
        task.take(outcome, batch.settings.tries, time.monotonic())
        if task.state == "left":
            waiting.append(task)
        _tell(batch, task, outcome, progress)


def _next(waiting: list[Task]) -> Task | None:
    """Take out the first task whose time has come."""
    now = time.monotonic()
    ready = next((task for task in waiting if task.not_before <= now), None)
    if ready is not None:
        waiting.remove(ready)
    return ready


def _tell(batch: Batch, task: Task, outcome: Outcome, progress: Progress) -> None:
    ended = sum(each.state != "left" for each in batch.tasks)
    for text in outcome.warnings:
        progress.warn(f"{task.job.name}: {text}")
    said = f"[{ended}/{len(batch.tasks)}] {task.job.name}: {outcome.state} in {clock(outcome.seconds)}"
    if outcome.state == "done":
        progress.note(said)
        return
    then = {"left": "it will be tried again", "failed": "it is set aside"}.get(task.state, "it is left")
    progress.warn(f"{said}; {then}: {outcome.text}")
