"""One job's way through its windows on the disk: what is kept of an interrupted run, and how a window is sealed."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from alaya.errors import AlayaError
from alaya.files import atomic_path, file_sha256
from alaya.frames import Window
from pipelines.align import Scale
from pipelines.journal import Journal, Run
from pipelines.plan import Plan
from pipelines.progress import Progress
from pipelines.stitch import Carry, first_sharing, next_start, recut, smaller


class Ledger:
    """The windows of a job under way.

    Attributes:
        windows: the clip's cut, as often as memory made it smaller.
        done: windows that are whole on the disk.
        first: the window to run first: `done`, or earlier ones whose sums are needed and were lost.
        carry: what windows before `first` left.
        tiled: the window from which on a full memory led the model to tiles, which change the pictures.
    """

    def __init__(
        self,
        journal: Journal,
        job: str,
        identity: dict[str, Any],
        windows: tuple[Window, ...],
        overlap: int | None,
    ) -> None:
        self.journal, self.job, self.identity = journal, job, identity
        self.windows, self.done, self.first = windows, 0, 0
        self.carry: Carry | None = None
        self.tiled: int | None = None
        self.room = journal.room(job)
        self._overlap = overlap
        self._past: list[dict[str, Any]] = []

    @property
    def frames_done(self) -> int:
        """Frames that are whole on the disk."""
        return self._start(self.done)

    @property
    def frames(self) -> int:
        """Frames of the whole clip."""
        return self.windows[-1].stop

    def _start(self, index: int) -> int:
        return self.windows[index].start if index < len(self.windows) else self.windows[-1].stop

    def begin(self, clear: Callable[[], None], **facts: Any) -> None:
        """Start anew: clear what is there and say so in the journal."""
        clear()
        shutil.rmtree(self.room, ignore_errors=True)
        self.journal.start(self.job, self.identity, **facts)

    def resume(self, run: Run) -> None:
        """Keep the windows whose files are as the journal says, up to the first that is not."""
        for entry in run.shrunk:
            if entry["window"] < len(self.windows):
                self.windows = recut(self.windows, entry["window"], entry["num_frames"], self._overlap)
        self.tiled = run.tiled
        self.done = next(
            (i for i, entry in enumerate(run.windows) if not self._is_whole(i, entry, run)), len(run.windows)
        )
        self._past = run.windows[: self.done]
        self.first = self.done
        if 0 < self.done < len(self.windows):
            self.carry = self._load_carry(self._past[-1])
            if self.carry is None and self.windows[self.done - 1].stop > self.windows[self.done].start:
                self.first = first_sharing(self.windows, self.done)
        self.journal.note(self.job, "resumed", windows=self.done)

    def _is_whole(self, index: int, entry: dict[str, Any], run: Run) -> bool:
        if index >= len(self.windows):
            return False
        frames = [self.windows[index].start, next_start(self.windows, self.windows[index])]
        files = run.files_of(index)
        return entry.get("frames") == frames and all(self.journal.trouble(file) is None for file in files)

    def key(self, content: str) -> str:
        """What a window's result follows from: its input's hash and all that makes the run itself."""
        text = json.dumps([content, self.identity], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def to_compare(self) -> int:
        """The last finished window, whose input must be what it was; -1 if there is none."""
        return self.first - 1 if self.first < len(self.windows) else -1

    def compare(self, key: str) -> None:
        """Refuse to go on if the input of a finished window is not what it was."""
        if self._past[self.to_compare].get("key") != key:
            window = self.windows[self.to_compare]
            raise AlayaError(
                f"{self.journal.folder}: frames {window.start} to {window.stop - 1} of the input are not what"
                " they were when this run began; add --overwrite to begin again"
            )

    def shrink(self, index: int, error: BaseException) -> None:
        """Cut the clip smaller from window `index` on, and note it; AlayaError if it cannot be."""
        window = self.windows[index]
        num_frames = smaller(window.num_frames)
        shared = self.windows[index - 1].stop - window.start if index else 0
        if num_frames >= window.num_frames or num_frames < shared:
            raise AlayaError(
                f"out of memory with a window of {window.num_frames} frames, which cannot be cut smaller;"
                " try a smaller --height and --width, then run again"
            ) from error
        self.windows = recut(self.windows, index, num_frames, self._overlap)
        self.journal.note(self.job, "shrunk", window=index, num_frames=num_frames)

    def scale(self, index: int) -> Scale | None:
        """The scale that a finished window was brought to; None of a window that is still to be done."""
        return tuple(self._past[index].get("scale", ())) if index < self.done else None

    def bring_tiles(self, index: int, model: Any) -> bool:
        """Have the model work in tiles where the interrupted run did; True if it did not do so already."""
        if self.tiled is None or index < self.tiled or model.eased_into_tiles:
            return False
        model.use_tiles()
        return True

    def note_tiles(self, index: int, model: Any) -> None:
        """Note the first window that was drawn in tiles for want of memory."""
        if getattr(model, "eased_into_tiles", False) and (self.tiled is None or index < self.tiled):
            self.tiled = index
            self.journal.note(self.job, "tiled", window=index)

    def seal(
        self,
        window: Window,
        key: str,
        carry: Carry | None,
        outputs: Iterable[Path],
        parts: Iterable[Path],
        scale: Scale = (),
        **facts: Any,
    ) -> None:
        """Note that the window is done; its files are on the disk. What it leaves to the next is stored first."""
        if scale:
            facts["scale"] = scale
        if carry is not None:
            facts |= {"weights": carry.weights, "tail": self._save(self._tail(window.index), carry.sums)}
        frames = [window.start, next_start(self.windows, window)]
        self.journal.window(self.job, window.index, outputs, parts, key=key, frames=frames, **facts)
        if window.index:
            self._tail(window.index - 1).unlink(missing_ok=True)  # if ever needed again it is computed again

    def total(self, fact: str) -> int:
        """The sum of a number that the kept windows noted."""
        return sum(int(entry.get(fact, 0)) for entry in self._past)

    def end(self) -> None:
        """Remove the working files."""
        shutil.rmtree(self.room, ignore_errors=True)
        with contextlib.suppress(OSError):  # another job's files lie there too
            self.room.parent.rmdir()

    def _tail(self, index: int) -> Path:
        return self.room / f"tail-{index:06d}.npy"

    @staticmethod
    def _save(path: Path, sums: np.ndarray) -> str:
        """Write the sums and return the file's sha256."""
        with atomic_path(path, sums.nbytes) as temporary, open(temporary, "wb") as file:
            header = np.lib.format.header_data_from_array_1_0(sums)
            np.lib.format.write_array_header_1_0(file, header)
            file.write(sums.data.cast("B"))  # np.save's error of a full disk has no errno
        return file_sha256(path)

    def _load_carry(self, entry: dict[str, Any]) -> Carry | None:
        """The sums that a finished window left, None if it left none or they are lost."""
        tail = self._tail(entry["index"])
        if "tail" not in entry or not tail.is_file() or file_sha256(tail) != entry["tail"]:
            return None
        return Carry(np.load(tail, allow_pickle=False), tuple(entry["weights"]))


def begin_or_resume(
    ledger: Ledger, overwrite: bool, clear: Callable[[], None], progress: Progress, **facts: Any
) -> None:
    """Go on with what an interrupted run left, which is known to be the same run, or begin anew."""
    run = ledger.journal.run(ledger.job)
    if overwrite or not run.started:
        ledger.begin(clear, **facts)
        return
    ledger.resume(run)
    if ledger.done:
        progress.note(
            f"{ledger.done} of {len(ledger.windows)} windows are there already"
            f" ({ledger.frames_done} of {ledger.frames} frames); going on from there"
        )


def rest_of(plan: Plan, ledger: Ledger) -> tuple[float, int]:
    """Estimated seconds and frames that are still to be done."""
    frames = ledger.frames - ledger.frames_done
    return plan.seconds * frames / ledger.frames, frames
