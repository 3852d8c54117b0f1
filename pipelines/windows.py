"""Runs a job's windows in order: take the input, predict, check, align, blend, hand out finished frames, seal.

Out of memory, the rest of the clip is cut into smaller windows; the finished ones are kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from alaya.frames import Window
from pipelines.ahead import foreseen
from pipelines.align import Scale
from pipelines.malloc import give_back, large_bytes, mapped_one_by_one, window_bytes
from pipelines.plan import Plan
from pipelines.progress import Progress, Stage
from pipelines.resume import Ledger
from pipelines.soundness import Checked, free_memory, is_out_of_memory, predict_soundly
from pipelines.stitch import Carry, Lookback, blend, next_start

Item = TypeVar("Item")
Clip = TypeVar("Clip")


class Task(Protocol, Generic[Item, Clip]):
    """What the windows need of a job."""

    checked: Checked
    model: Any

    def stream(self, first: int) -> Iterator[Item]:
        """The input's frames at the working size, from `first` on."""
        ...

    def join(self, items: list[Item]) -> Clip:
        """A window's input."""
        ...

    def split(self, clip: Clip, count: int) -> list[Item]:
        """The first `count` frames of a window's input again."""
        ...

    def digest(self, clip: Clip) -> str:
        """A hash of the content."""
        ...

    def is_flat(self, clip: Clip) -> bool:
        """True if a constant result is to be expected."""
        ...

    def predict(self, clip: Clip, window: Window) -> np.ndarray:
        """The window's real frames, (stop - start, h, w, c) float32, the caller's to write over."""
        ...

    def align(self, values: np.ndarray, carry: Carry | None, noted: Scale | None) -> Scale:
        """Bring a window's values, in place, to the scale of the windows before it.

        Args:
            values: of `predict`.
            carry: what those windows gave to its first frames.
            noted: the scale that an interrupted run found for this window, which is used again.

        Returns:
            The scale that was used.
        """
        ...


@dataclass(frozen=True)
class Sealed:
    """All frames of a window have been handed out.

    It is to be on the disk before the next one begins: a crash then never costs two windows, and what waits to be
    written does not lie in memory beside what the next one needs.
    """

    window: Window
    key: str
    carry: Carry | None
    scale: Scale


def run_windows(
    task: Task[Item, Clip], ledger: Ledger, plan: Plan, step: int, stage: Stage, progress: Progress
) -> Iterator[np.ndarray | Sealed]:
    """Yield the frames that are not on the disk yet, (n <= step, h, w, c) in order, and each window's end."""
    index = max(0, ledger.to_compare)
    carry = ledger.carry
    if ledger.first == len(ledger.windows):
        return
    recent = Lookback(task.stream(ledger.windows[index].start), ledger.windows[index].start)
    while index < len(ledger.windows):
        window = ledger.windows[index]
        after = next_start(ledger.windows, window)
        clip = task.join(recent.take(window, window.stop))  # nothing beside it waits for the next window
        key = ledger.key(task.digest(clip))
        if index == ledger.to_compare and index < ledger.first:
            ledger.compare(key)
            recent.give_back(after, shared(task, clip, window, after))
            index += 1
            continue
        if ledger.bring_tiles(index, task.model):
            progress.note(f"from frame {window.start} on the autoencoder works in tiles, as it did before")
        values = foreseen(ledger, window, key, task.model, stage.show)
        if values is None:
            values = _predict(task, clip, window, plan, progress)
        ledger.note_tiles(index, task.model)
        if isinstance(values, Exception):
            ledger.shrink(index, values)
            progress.warn(
                f"out of memory; from frame {window.start} on windows have"
                f" {ledger.windows[index].num_frames} frames instead of {window.num_frames}"
            )
            recent.give_back(window.start, task.split(clip, window.num_real))
            continue
        recent.give_back(after, shared(task, clip, window, after))
        del clip
        stage.advance(plan.predict_work(window, ledger.windows))
        scale = task.align(values, carry, ledger.scale(index))
        finished, carry = blend(ledger.windows, index, values, carry)
        del values
        if index >= ledger.done:
            for first in range(0, len(finished), step):
                yield finished[first : first + step].copy()
            yield Sealed(window, key, carry, scale)
        del finished
        index += 1


def shared(task: Task[Item, Clip], clip: Clip, window: Window, after: int) -> list[Item]:
    """Copies of a window's frames from `after` on, where the next one starts: `clip` can go."""
    frames = task.split(clip, window.num_real)[after - window.start :]
    return task.split(task.join(frames), len(frames)) if frames else []


def _predict(
    task: Task[Item, Clip], clip: Clip, window: Window, plan: Plan, progress: Progress
) -> np.ndarray | Exception:
    """The window's values, or the error that says that there is too little memory for it."""
    give_back()
    working = window_bytes(plan.working_height, plan.working_width)
    try:
        with mapped_one_by_one(working, large_bytes(plan.height, plan.width)):
            return predict_soundly(
                lambda: task.predict(clip, window),
                task.checked,
                window,
                lambda: task.is_flat(clip),
                task.model,
                progress.warn,
            )
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        shortage = error.with_traceback(None)  # the frames it holds are what has to go
    free_memory()
    return shortage
