"""What a person or a machine sees of a job while it works: a bar on a terminal, plain lines, or JSON events.

stdout carries results only (paths, or with `--json` one event a line); everything else goes to stderr.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PLAIN_SECONDS = 5.0  # between two plain lines
JSON_SECONDS = 0.5  # between two progress events


class Progress:
    """Says nothing: what the Python API uses unless told otherwise, and the shape of all others.

    Work is counted in estimated seconds, so that the remaining time is right although a window's prediction
    and the writing of its frames cost differently; frames are what is shown.
    """

    def plan(self, plan: Any) -> None:
        """Show a `pipelines.plan.Plan` before the work."""

    def note(self, text: str) -> None:
        """Say something worth knowing."""

    def warn(self, text: str) -> None:
        """Say something that may not be what was wanted."""

    def result(self, path: Path) -> None:
        """Hand out one result."""

    @contextmanager
    def stage(self, name: str, work: float, frames: int) -> Iterator["Stage"]:
        """One stage of `work` estimated seconds over `frames` frames."""
        yield Stage(name, work, frames)


class Stage:
    """Counts the work of one stage; subclasses show it."""

    def __init__(self, name: str, work: float, frames: int) -> None:
        self.name, self.work, self.frames = name, max(work, 1e-9), frames
        self.done_work, self.done_frames = 0.0, 0
        self.began = time.monotonic()

    def advance(self, work: float, frames: int = 0) -> None:
        """Count `work` estimated seconds and `frames` finished frames."""
        self.done_work = min(self.work, self.done_work + work)
        self.done_frames += frames
        self.show()

    def show(self) -> None:
        """Show the present state."""

    @property
    def elapsed(self) -> float:
        """Seconds since the stage began."""
        return time.monotonic() - self.began

    @property
    def eta(self) -> float | None:
        """Seconds that remain, from the pace so far; None before there is one."""
        if self.done_work <= 0:
            return None
        return self.elapsed * (self.work / self.done_work - 1)


def clock(seconds: float | None) -> str:
    """Seconds as m:ss or h:mm:ss; `?:??` for None."""
    if seconds is None:
        return "?:??"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class PlainStage(Stage):
    """A line every few seconds, for logs."""

    said = 0.0

    def show(self) -> None:
        """Say the state if the last line is old, or the work is done."""
        now = time.monotonic()
        if now - self.said >= PLAIN_SECONDS and self.done_frames < self.frames:
            self.said = now
            _say(f"{self.name}: {self.done_frames}/{self.frames} frames, {clock(self.eta)} left")


class PlainProgress(Progress):
    """Lines on stderr, results on stdout."""

    stage_class: type[Stage] = PlainStage

    def plan(self, plan: Any) -> None:
        """Show the plan's lines."""
        for line in plan.lines():
            _say(line)

    def note(self, text: str) -> None:
        """Say it."""
        _say(text)

    def warn(self, text: str) -> None:
        """Say it with a mark."""
        _say(f"warning: {text}")

    def result(self, path: Path) -> None:
        """Print the path."""
        print(path, flush=True)

    @contextmanager
    def stage(self, name: str, work: float, frames: int) -> Iterator[Stage]:
        """Show a stage and, at its end, what it took."""
        stage = self.stage_class(name, work, frames)
        yield stage
        _say(f"{name}: {stage.done_frames} frames in {clock(stage.elapsed)}")


class RichProgress(PlainProgress):
    """A bar with the remaining time on a terminal."""

    @contextmanager
    def stage(self, name: str, work: float, frames: int) -> Iterator[Stage]:
        """Show a bar while the stage works."""
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"))
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(name, total=work, state="...")

            class BarStage(Stage):
                def show(self) -> None:
                    state = f"{self.done_frames}/{self.frames} frames, {clock(self.eta)} left"
                    bar.update(task, completed=self.done_work, total=self.work, state=state)

            stage = BarStage(name, work, frames)
            yield stage
        _say(f"{name}: {stage.done_frames} frames in {clock(stage.elapsed)}")


class JsonProgress(Progress):
    """One JSON object a line on stdout: plan, progress, note, warning, result."""

    def event(self, kind: str, **values: Any) -> None:
        """Write one event."""
        print(json.dumps({"event": kind, **values}, default=str), flush=True)

    def plan(self, plan: Any) -> None:
        """Write the plan."""
        self.event("plan", **plan.as_dict())

    def note(self, text: str) -> None:
        """Write a note."""
        self.event("note", text=text)

    def warn(self, text: str) -> None:
        """Write a warning, and say it on stderr too."""
        self.event("warning", text=text)
        _say(f"warning: {text}")

    def result(self, path: Path) -> None:
        """Write a result's path."""
        self.event("result", path=str(path))

    @contextmanager
    def stage(self, name: str, work: float, frames: int) -> Iterator[Stage]:
        """Write progress events, not more than a few a second, and the last one always."""
        event = self.event

        class JsonStage(Stage):
            said = 0.0

            def show(self) -> None:
                now = time.monotonic()
                if now - self.said < JSON_SECONDS and self.done_frames < self.frames:
                    return
                self.said = now
                left = None if self.eta is None else round(self.eta, 1)
                event("progress", stage=name, frames=self.done_frames, of=self.frames, seconds_left=left)

        stage = JsonStage(name, work, frames)
        yield stage
        event("stage", stage=name, frames=stage.done_frames, seconds=round(stage.elapsed, 2))


def open_progress(as_json: bool = False) -> Progress:
    """The progress that suits where stderr leads to."""
    if as_json:
        return JsonProgress()
    return RichProgress() if sys.stderr.isatty() else PlainProgress()
