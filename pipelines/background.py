"""Decoding ahead and encoding behind on a thread, so that two cores are busy (codecs let go of the GIL)."""

import contextlib
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
_END = object()
GRACE_SECONDS = 1.0  # what is left of two, in which a job must have stopped, to end the process itself
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
        if thread is not threading.current_thread():  # a reader left behind may be cleared away on any thread
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
def map_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int = 2, depth: int = 3
) -> Iterator[Iterator[Result]]:
    """The results of `function` over `items`, in order, up to `depth` of them under way on threads."""

    def results(submit: Callable[..., Future[Result]]) -> Iterator[Result]:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(submit(function, item))
            if len(waiting) >= depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    with side_by_side(workers) as submit:
        yield results(submit)


@contextlib.contextmanager
def side_by_side(workers: int = 2) -> Iterator[Callable[..., Future[Any]]]:
    """A `submit` to threads that compute alone, as `Executor.submit`; what waits at the end is dropped.

    A frame on each core is faster than every frame on all cores: small steps are not worth dividing, and torch's
    threads keep a core busy while they wait for the next one.
    """
    pool = ThreadPoolExecutor(workers, initializer=_compute_alone)
    try:
        yield pool.submit
    finally:
        pool.shutdown(cancel_futures=True)


def _compute_alone() -> None:
    """Have torch use this thread alone for what this thread asks of it.

    Not by `torch.set_num_threads`: what it sets on one thread is what others begin with, and what predicts shall have
    all cores. OpenMP's own number belongs to the thread that sets it.
    """
    torch: Any = sys.modules.get("torch")
    if not hasattr(torch, "get_num_threads"):  # not loaded, or just being loaded by another thread
        return
    from threadpoolctl import threadpool_limits

    torch.get_num_threads()  # a thread's first question sets its number, which must not come after ours
    threadpool_limits(1, user_api="openmp")


@contextlib.contextmanager
def write_behind(write: Callable[[Item], None], depth: int = 2) -> Iterator[Callable[[Item], None]]:
    """A `write` that returns at once; its error is raised by the next call or at the end, never lost.

    Where the block is left by an error or by being stopped, what waits is written for a second and no longer.
    """
    waiting: queue.Queue[Any] = queue.Queue(maxsize=depth)
    failed: list[BaseException] = []
    until = float("inf")

    def drain() -> None:
        while (item := waiting.get()) is not _END:
            if not failed and time.monotonic() < until:
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
    except BaseException:
        until = time.monotonic() + GRACE_SECONDS
        raise
    finally:
        waiting.put(_END)
        thread.join()
    if failed:
        raise failed[0]


@contextlib.contextmanager
def run_behind(depth: int = 2) -> Iterator[Callable[[Callable[[], Any]], None]]:
    """As `write_behind`, for actions: each is called in its turn."""

    def call(action: Callable[[], Any]) -> None:
        action()

    with write_behind(call, depth) as later:
        yield later


def settle(later: Callable[[Callable[[], Any]], None]) -> None:
    """Wait until all that `run_behind` was given is done; raises its error."""
    done = threading.Event()
    later(done.set)
    while not done.wait(POLL_SECONDS):
        later(lambda: None)
