"""Windows of one job that other processes predict ahead of the one that aligns, blends and writes them in order.

A window's prediction follows from its own input alone, so it may be made anywhere and in any order. It waits on a
shelf, a folder beside the job's other working files, under a name that says what it follows from. Who writes the clip
takes it from there, or predicts the window itself if nobody has it in hand; the result is the same to the byte.
"""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from alaya.errors import FolderBusyError
from alaya.files import atomic_path, content_sha256, lock_file
from alaya.frames import Window
from pipelines.ladder import Easing
from pipelines.resume import Ledger
from pipelines.soundness import predict_soundly
from pipelines.stitch import Lookback

TOKEN = "help-wanted"  # beside a run's journal as long as others may help with it
POLL_SECONDS = 0.1
REACH = 2
"""Windows that one helper may be ahead: each takes the space of its planes in float32 on the disk."""


class Shelf:
    """Predicted windows of one job; see this file's first lines."""

    def __init__(self, ledger: Ledger) -> None:
        self._folder = ledger.room / "ahead"
        self._reached = self._folder / "reached"
        self._token = ledger.journal.path.with_name(TOKEN)

    @property
    def is_open(self) -> bool:
        """True if somebody helps, or did, or may come to help."""
        return self._folder.is_dir() or self._token.exists()

    @property
    def reached(self) -> int:
        """The window that the writer is at; -1 if it has not said so."""
        try:
            return int(self._reached.read_text())
        except (OSError, ValueError):
            return -1

    def reach(self, index: int) -> None:
        """Say that the writer is at this window: nobody else begins with it any more."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._reached.write_text(str(index))

    def holds(self, window: Window) -> bool:
        """True if there is a prediction of it, of whatever input."""
        return any(self._folder.glob(f"{self._place(window)}-*.npy"))

    def put(self, window: Window, key: str, values: np.ndarray) -> None:
        """Lay a prediction down: (stop - start, h, w, c) float32."""
        values = np.ascontiguousarray(values)
        path = self._folder / f"{self._place(window)}-{key[:32]}-{content_sha256([values])[:32]}.npy"
        with atomic_path(path, values.nbytes) as temporary, open(temporary, "wb") as file:
            np.lib.format.write_array(file, values, allow_pickle=False)

    def take(self, window: Window, key: str) -> np.ndarray | None:
        """Take a prediction away; None if there is none, or a damaged one."""
        path = next(self._folder.glob(f"{self._place(window)}-{key[:32]}-*.npy"), None)
        if path is None:
            return None
        values = None
        with contextlib.suppress(OSError, ValueError, EOFError), open(path, "rb") as file:
            values = np.lib.format.read_array(file, allow_pickle=False)
        path.unlink(missing_ok=True)
        if values is None or values.dtype != np.float32 or len(values) != window.num_real:
            return None
        return values if path.stem.endswith(content_sha256([values])[:32]) else None

    def lock(self, window: Window) -> Any:
        """Hold a window while it is predicted; FolderBusyError if another process does."""
        path = self._folder / f"{self._place(window)}.lock"
        return lock_file(path, busy=f"window {window.index}")

    def is_in_hand(self, window: Window) -> bool:
        """True if a living process is predicting it."""
        try:
            with self.lock(window):
                return False
        except FolderBusyError:
            return True

    @staticmethod
    def _place(window: Window) -> str:
        return f"{window.start:08d}-{window.num_frames}"


def foreseen(
    ledger: Ledger, window: Window, key: str, model: Any, wait: Callable[[], None]
) -> np.ndarray | None:
    """A window's prediction by another process, waited for if it is under way; None if it is to be made here.

    Args:
        ledger: of the job.
        window: that the job is at.
        key: what the prediction follows from.
        model: of this process; what memory made it change, others do not know.
        wait: called again and again meanwhile; may raise to stop.
    """
    shelf = Shelf(ledger)
    if not shelf.is_open:
        return None
    shelf.reach(window.index)
    if getattr(model, "eased_into_tiles", False):
        return None
    values = shelf.take(window, key)
    while values is None and shelf.is_in_hand(window):
        wait()
        time.sleep(POLL_SECONDS)
        values = shelf.take(window, key)
    return shelf.take(window, key) if values is None else values  # laid down between the last two looks


def predict_ahead(
    task: Any, share: tuple[int, int], wanted: Callable[[], bool], warn: Callable[[str], None]
) -> int:
    """Predict this helper's windows of a job under way, never far ahead of its writer; how many it were.

    Args:
        task: a `pipelines.windows.Task` with the job's own ledger, which is only looked at.
        share: (number, of): the windows whose index is `number` modulo `of`.
        wanted: False when the job has ended.
        warn: is told what a person should know.
    """
    if isinstance(task.model, Easing):
        task.model = task.model.model  # where memory is short the writer decides what gives way
    ledger, shelf, made = task.ledger, Shelf(task.ledger), 0
    run = ledger.journal.run(ledger.job)
    if run.shrunk or run.tiled is not None:
        return 0
    while wanted() and shelf.reached < ledger.windows[-1].index:
        window = _next(ledger.windows, shelf.reached, share, shelf)
        if window is None:
            time.sleep(POLL_SECONDS)
        elif _predict(task, window, shelf, warn):
            made += 1
    return made


def _next(windows: tuple[Window, ...], here: int, share: tuple[int, int], shelf: Shelf) -> Window | None:
    """The first of the helper's windows that is near and not predicted yet; None before the writer has begun."""
    if here < 0:
        return None
    number, of = share
    near = windows[here + 1 : here + 1 + REACH * of]
    mine = (window for window in near if window.index % of == number)
    return next((window for window in mine if not shelf.holds(window)), None)


def _predict(task: Any, window: Window, shelf: Shelf, warn: Callable[[str], None]) -> bool:
    """Predict one window, unless the writer got there first."""
    try:
        with shelf.lock(window):
            if shelf.reached >= window.index:
                return False
            with contextlib.closing(task.stream(window.start)) as stream:
                clip = task.join(Lookback(stream, window.start).take(window, window.stop))
            values = predict_soundly(
                lambda: task.predict(clip, window),
                task.checked,
                window,
                lambda: task.is_flat(clip),
                task.model,
                warn,
            )
            shelf.put(window, task.ledger.key(task.digest(clip)), values)
            return True
    except FolderBusyError:
        time.sleep(POLL_SECONDS)
        return False
