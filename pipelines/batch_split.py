"""Few long clips as one batch: one worker writes a clip, all others predict windows of it ahead; clip after clip."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from alaya.errors import RequestError
from pipelines.batch_jobs import Job
from pipelines.batch_worker import Help, Outcome
from pipelines.journal import HIDDEN
from pipelines.progress import Progress

if TYPE_CHECKING:
    from pipelines.batch import Batch, Crew, Task

PAUSE_SECONDS = 0.2


def check_splittable(jobs: tuple[Job, ...]) -> None:
    """Refuse, by its line, a job whose stages run where nobody can help them."""
    for job in jobs:
        for column in ("inverse_env", "editing_env"):
            if getattr(job.settings, column) is not None:
                raise RequestError(
                    f"{job.where}, column {column}: windows cannot be split over workers in another environment;"
                    " leave --split-windows out"
                )


def run_together(task: Task, batch: Batch, crew: Crew, progress: Progress) -> Outcome:
    """Run one job with the whole crew; how it ended for the worker that writes it."""
    from pipelines.ahead import TOKEN

    token = task.job.settings.inverse.folder / HIDDEN / TOKEN
    team = _Team(task, batch, crew, progress, token)
    token.parent.mkdir(parents=True, exist_ok=True)
    try:
        token.touch()
        return team.work()
    finally:
        token.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty: work was done
            token.parent.rmdir()
            token.parent.parent.rmdir()


class _Team:
    """The writer and its helpers.

    The writer's share of the windows is the first. One who helps and is lost is replaced, as often as a job is tried.
    """

    def __init__(self, task: Task, batch: Batch, crew: Crew, progress: Progress, token: Path) -> None:
        self._task, self._crew, self._progress, self._token = task, crew, progress, token
        self._writer: int | None = None
        self._free = [share for share in range(1, crew.workers) for _ in range(batch.settings.tries)]
        self._helping: dict[int, int] = {}  # worker -> share

    def work(self) -> Outcome:
        """Until the job has ended and all have laid down what they had in hand."""
        ended: Outcome | None = None
        while ended is None or self._helping:
            if ended is None:
                self._give()
            for number, outcome in self._crew.wait(PAUSE_SECONDS):
                if number == self._writer:
                    self._writer, ended = None, outcome
                    self._token.unlink(missing_ok=True)
                else:
                    self._hear(self._helping.pop(number), outcome)
        return ended

    def _give(self) -> None:
        """Everybody who has nothing to do gets something."""
        settings, of = self._task.job.settings, self._crew.workers
        for number in self._crew.idle():
            share = next((share for share in self._free if share not in self._helping.values()), None)
            if self._writer is None:
                self._writer = number
                self._crew.give(number, settings)
            elif share is not None:
                self._free.remove(share)
                self._helping[number] = share
                self._crew.give(number, Help(settings, (share, of), self._token))

    def _hear(self, share: int, outcome: Outcome) -> None:
        for text in outcome.warnings:
            self._progress.warn(f"{self._task.job.name}: {text}")
        if outcome.state == "done":
            self._free = [other for other in self._free if other != share]
            self._progress.note(f"{self._task.job.name}: {outcome.text}")
        else:
            self._progress.warn(
                f"{self._task.job.name}: a helper ended ({outcome.text}); its windows are done without it"
            )
