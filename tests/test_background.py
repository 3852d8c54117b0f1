"""Writing behind: what a stopped job still writes, and waiting until all is written."""

import sys
import threading
import time
import types

import pytest
import torch

from pipelines import background
from pipelines.background import read_ahead, run_behind, settle, side_by_side, write_behind


class Stopped(BaseException):
    """Stands for a signal."""


def stop_while_writing(written, wait):
    """Hand over three items, the first of which is under way until `wait` is over, and be stopped."""
    begun = threading.Event()

    def write(number):
        begun.set()
        wait()
        written.append(number)

    with write_behind(write) as later:
        for number in range(3):
            later(number)
        begun.wait()
        raise Stopped


def test_what_waits_is_written_before_a_stopped_job_ends():
    written = []
    with pytest.raises(Stopped):
        stop_while_writing(written, lambda: None)
    assert written == [0, 1, 2]


def test_a_stopped_job_does_not_write_longer_than_it_may(monkeypatch):
    monkeypatch.setattr(background, "GRACE_SECONDS", 0.05)
    written = []
    with pytest.raises(Stopped):
        stop_while_writing(written, lambda: time.sleep(0.2))
    assert written == [0]


def test_settling_waits_for_everything_that_was_handed_over():
    written = []

    def slow(number):
        time.sleep(0.05)
        written.append(number)

    with run_behind() as later:
        for number in range(3):
            later(lambda number=number: slow(number))
        settle(later)
        assert written == [0, 1, 2]


def test_settling_raises_what_went_wrong_instead_of_waiting_for_ever():
    def settle_after_failing():
        with run_behind() as later:
            later(lambda: 1 // 0)
            settle(later)

    with pytest.raises(ZeroDivisionError):
        settle_after_failing()


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_side_by_side_hands_errors_over_and_drops_what_waits():
    done, go = [], threading.Event()
    with side_by_side(workers=1) as begin:
        with pytest.raises(ZeroDivisionError):
            begin(lambda: 1 / 0).result()
        begin(go.wait)
        waiting = begin(done.append, 1)
        threading.Timer(0.1, go.set).start()
    assert waiting.cancelled()
    assert done == []


def test_a_reader_left_behind_may_end_on_its_own_thread():
    kept: list[object] = []

    def frames():
        yield 1
        kept.clear()  # the last hold on the reader, as when memory is cleared away on this thread
        yield 2

    def reader():
        with read_ahead(frames(), depth=1) as ahead:
            yield from ahead

    def begin():
        reading = reader()
        kept.append(reading)
        return next(reading)

    assert begin() == 1
    deadline = time.monotonic() + 5
    while kept and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not kept


def test_threads_side_by_side_compute_alone_and_leave_all_others_as_they_were(two_threads):
    met, later = threading.Barrier(2, timeout=10), []

    def number() -> int:
        met.wait()
        torch.rand(1 << 16) + 1  # large enough to be divided
        return torch.get_num_threads()

    with side_by_side() as begin:
        frames = [begin(number) for _ in range(2)]
        assert [frame.result() for frame in frames] == [1, 1]
        beside = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        beside.start()
        beside.join()
        assert torch.get_num_threads() == 2
    assert later == [2]


def test_threads_begin_while_torch_is_still_being_loaded(monkeypatch):
    monkeypatch.setitem(
        sys.modules, "torch", types.ModuleType("torch")
    )  # as another thread's import leaves it so far
    with side_by_side() as begin:
        assert begin(lambda: 3).result() == 3
