"""Writing behind: what a stopped job still writes, and waiting until all is written."""

import threading
import time

import pytest

from pipelines import background
from pipelines.background import run_behind, settle, write_behind


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
