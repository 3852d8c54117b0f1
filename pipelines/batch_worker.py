"""What one worker of a batch does: one job after the other, with models that it loads once and keeps."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING

from alaya.errors import AlayaError, FolderBusyError, RequestError
from pipelines.cli import Stopped, stopping_on_signals

if TYPE_CHECKING:
    from pipelines.loading import Loader
    from pipelines.progress import Progress
    from pipelines.render import Rendered
    from pipelines.settings import RenderSettings

    OpenLoaders = Callable[[], tuple[Loader, Loader]]

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

# Nothing here may import numpy or torch before a worker has set its threads.


@dataclass(frozen=True)
class Outcome:
    """How a job ended: "done", "busy", "refused" (would be again), "failed", "stopped" or "lost" (its worker died)."""

    state: str
    text: str = ""
    videos: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Help:
    """What is asked of a worker that helps another: see `pipelines.helping`.

    Attributes:
        settings: of the job that the other one does.
        share: (number, of): the windows whose index is `number` modulo `of`.
        token: a file that is there as long as help is wanted.
    """

    settings: RenderSettings
    share: tuple[int, int]
    token: Path


def real_loaders() -> tuple[Loader, Loader]:
    """The loaders of the inverse and the editing models."""
    from pipelines import loading

    return loading.INVERSE, loading.EDITING


class Workplace:
    """Runs jobs one at a time; made in a local process or in a Ray actor.

    Args:
        open_loaders: gives the loaders of both stages; a function that can be found by its name.
        number: of the worker, from 0. Of several GPUs that it sees it takes that one.
    """

    def __init__(self, open_loaders: OpenLoaders, number: int) -> None:
        self._open_loaders, self._number = open_loaders, number
        self._keep()
        self.stopping = threading.Event()

    def _keep(self) -> None:
        self._kept = tuple(loader.once() for loader in self._open_loaders())

    def run(self, request: RenderSettings | Help) -> Outcome:
        """Run one job to its end, or help with one; no error leaves, `Stopped` does."""
        began, warnings = time.monotonic(), []
        progress, videos = _listening(warnings, self.stopping), ()
        try:
            if isinstance(request, Help):
                state, text = "done", f"{self._help(request, progress)} windows predicted by another worker"
            else:
                state, text = "done", ""
                videos = self._render(self._on_own_gpu(request), progress).videos
        except FolderBusyError as error:
            state, text = "busy", str(error)
        except Exception as error:  # a job must not end the worker
            state = "refused" if isinstance(error, RequestError) else "failed"
            text = str(error) if isinstance(error, AlayaError) else f"{type(error).__name__}: {error}"
        seconds = round(time.monotonic() - began, 2)
        return Outcome(state, " ".join(text.split()), videos, tuple(warnings), seconds)

    def _help(self, request: Help, progress: Progress) -> int:
        from pipelines.helping import help_render

        request = replace(request, settings=self._on_own_gpu(request.settings))
        wanted = lambda: request.token.exists() and not self.stopping.is_set()  # noqa: E731
        return help_render(request, self._kept[0], self._kept[1], progress, wanted)

    def _render(self, settings: RenderSettings, progress: Progress) -> Rendered:
        from pipelines.render import run_render

        held = any(loader.kept for loader in self._kept)
        try:
            return run_render(
                settings, load_inverse=self._kept[0], load_editor=self._kept[1], progress=progress
            )
        except (RequestError, MemoryError):
            if not held:
                raise
        self._keep()  # what lay in memory may be in the way: once more without it
        first, second = self._open_loaders()
        return run_render(settings, load_inverse=first, load_editor=second, progress=progress)

    def _on_own_gpu(self, settings: RenderSettings) -> RenderSettings:
        if settings.device != "auto":
            return settings
        import torch

        count = torch.cuda.device_count()
        return replace(settings, device=f"cuda:{self._number % count}") if count > 1 else settings


def _listening(warnings: list[str], stopping: threading.Event) -> Progress:
    """A progress that keeps the warnings, and stops the job at its next step when it is told to."""
    from pipelines.progress import Progress, Stage

    class Listening(Progress):
        def warn(self, text: str) -> None:
            warnings.append(text)

        @contextmanager
        def stage(self, name: str, work: float, frames: int) -> Iterator[Stage]:
            yield StoppingStage(name, work, frames)

    class StoppingStage(Stage):
        def show(self) -> None:
            if stopping.is_set():
                raise Stopped

    return Listening()


def work(connection: Connection, open_loaders: OpenLoaders, number: int, threads: int) -> None:
    """The life of a local worker process: jobs come and outcomes go through `connection`, None ends it."""
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    with stopping_on_signals():
        # Ctrl-C reaches a terminal's whole group: the batch decides, and tells us with SIGTERM.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        threading.Thread(target=leave_with_parent, daemon=True).start()
        try:
            place = Workplace(open_loaders, number)
            while (settings := connection.recv()) is not None:
                connection.send(place.run(settings))
        except (Stopped, EOFError, BrokenPipeError):
            return


def leave_with_parent() -> None:
    """Stop, as by SIGTERM, when the process that started this one is gone; for a thread of its own."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
