"""Decoding ahead and encoding behind on a thread, so that two cores are busy (codecs let go of the GIL)."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")
_END = object()
POLL_SECONDS = 0.1  # how soon a thread notices that the other side has stopped


@contextlib.contextmanager
def read_ahead(stream: Iterator[Item], depth: int = 2) -> Iterator[Iterator[Item]]:
    """An iterator over `stream` that keeps `depth` items ready; an error comes in its place."""
    ready: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def put(kind: str, value: object) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                ready.put((kind, value), timeout=POLL_SECONDS)
                return

    def pump() -> None:
        try:
            for item in stream:
                put("item", item)
                if stopped.is_set():
                    return
            put("end", None)
        except BaseException as error:  # handed to the reader, who raises it
            put("error", error)

    thread = threading.Thread(target=pump, daemon=True)
    thread.start()
    try:
        yield _taken(ready)
    finally:
        stopped.set()
        thread.join()


def _taken(ready: "queue.Queue[tuple[str, Any]]") -> Iterator[Any]:
    """The items of a queue until it says that there are no more."""
    while True:
        kind, value = ready.get()
        if kind == "error":
            raise value
        if kind == "end":
            return
        yield value


@contextlib.contextmanager
def write_behind(write: Callable[[Item], None], depth: int = 2) -> Iterator[Callable[[Item], None]]:
    """A `write` that returns at once; its error is raised by the next call or at the end, never lost."""
    waiting: queue.Queue[Any] = queue.Queue(maxsize=depth)
    failed: list[BaseException] = []

    def drain() -> None:
        while (item := waiting.get()) is not _END:
            if not failed:
                try:
                    write(item)
                except BaseException as error:  # handed to the caller, who raises it
                    failed.append(error)

    def put(item: Item) -> None:
        if failed:
            raise failed[0]
        waiting.put(item)

    thread = threading.Thread(target=drain, daemon=True)
    thread.start()
    try:
        yield put
    finally:
        waiting.put(_END)
        thread.join()
    if failed:
        raise failed[0]
