"""One long clip cut by window over several workers: the same bytes as without, whoever is lost on the way."""

import itertools
import json
import os
import signal
import threading
from pathlib import Path

import batch_fakes
import numpy as np
import pytest
from batch_fakes import noted, open_fakes
from test_batch import Killer, undisturbed, wait_for
from test_jobs import make_clip
from test_resume import tree

from alaya.errors import FolderBusyError, RequestError
from pipelines import ahead, batch, batch_worker, helping
from pipelines.ahead import TOKEN, Shelf, foreseen
from pipelines.batch import BatchSettings, run_batch
from pipelines.batch_worker import Outcome, Workplace
from pipelines.journal import INVERSE_JOB, Journal
from pipelines.progress import Progress
from pipelines.resume import Ledger

OUT, JOBS = Path("out"), Path("jobs.csv")
WINDOWS = 7
"""Of 17 frames, eight apart, in 65."""


@pytest.fixture(autouse=True)
def quick(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setenv(batch_fakes.LOG, str(tmp_path / "models.log"))
    monkeypatch.setenv(batch_fakes.LIGHT, "1")
    for module, name in ((ahead, "POLL_SECONDS"), (helping, "POLL_SECONDS")):
        monkeypatch.setattr(module, name, 0.01)


@pytest.fixture
def whole(tmp_path):
    """The tree that one worker makes, and a clean log."""
    make_clip(tmp_path / "long.mp4", 65, 16, 32)
    JOBS.write_text("input,styles,seed,device\nlong.mp4,night,1,cpu\n")
    made = undisturbed(Path("whole"))
    assert [what for _, what in noted() if what.startswith("predict")] == steps("predict")
    Path(os.environ[batch_fakes.LOG]).unlink()
    return made


def steps(what):
    return [f"{what} 1 {8 * index}" for index in range(WINDOWS)]


class Crew:
    """Workers as threads of this process."""

    threads = 1

    def __init__(self, workers):
        self.workers, self.heard = workers, threading.Condition()
        self.places = [self.place(number) for number in range(workers)]
        self.at_work, self.ended = set(), []

    def place(self, number):
        return Workplace(open_fakes, number)

    def idle(self):
        return [number for number in range(self.workers) if number not in self.at_work]

    def give(self, number, request):
        self.at_work.add(number)
        threading.Thread(target=self.run, args=(number, request)).start()

    def run(self, number, request):
        outcome = self.places[number].run(request)
        with self.heard:
            self.ended.append((number, outcome))
            self.heard.notify()

    def wait(self, timeout):
        with self.heard:
            self.heard.wait_for(lambda: self.ended, timeout)
            ended, self.ended = self.ended, []
        self.at_work -= {number for number, _ in ended}
        return ended

    def close(self):
        assert not self.at_work

    def stop(self):
        for place in self.places:
            place.stopping.set()


def split(monkeypatch, crew=None, workers=2, progress=None):
    if crew is not None:
        monkeypatch.setattr(batch, "_hire", lambda *_: crew)
    settings = BatchSettings(OUT, workers=workers, threads=1, split_windows=True)
    return run_batch(JOBS, settings, open_loaders=open_fakes, progress=progress)


def made_by(what):
    """Who made which windows, once each: {who: windows}."""
    found = {}
    for who, text in noted():
        if text.startswith(what):
            found.setdefault(who, []).append(text)
    return found


def own_tree():
    return {path: digest for path, digest in tree(OUT).items() if path != "batch.json"}


@pytest.mark.parametrize("workers", [2, 3])
def test_the_bytes_are_those_of_one_worker(whole, monkeypatch, workers):
    monkeypatch.setenv(batch_fakes.SECONDS, "0.1")
    done = split(monkeypatch, Crew(workers), workers)
    assert [(task.state, task.tries) for task in done.tasks] == [("done", 1)]
    assert own_tree() == whole
    for what in ("predict", "edit"):
        made = made_by(what)
        assert len(made) > 1
        assert sorted(itertools.chain(*made.values())) == sorted(steps(what))  # every window once
    loaded = [entry for entry in noted() if entry[1].startswith("load")]
    assert len(loaded) == 2 * workers  # each of them each model once
    assert not (OUT / "long" / ".alaya" / TOKEN).exists()
    assert not (OUT / "long" / ".alaya" / "work").exists()


class Lost(Crew):
    """The first help that is given ends in the middle of a window."""

    lost = False

    def run(self, number, request):
        if isinstance(request, batch_worker.Help) and not self.lost:
            self.lost = True
            outcome = Outcome("lost", "worker 1 was killed by SIGKILL")
            with self.heard:
                self.ended.append((number, outcome))
                self.heard.notify()
            return
        super().run(number, request)


def test_a_lost_helper_is_replaced(whole, monkeypatch):
    monkeypatch.setenv(batch_fakes.SECONDS, "0.1")
    crew = Lost(2)
    done = split(monkeypatch, crew)
    assert crew.lost
    assert done.tasks[0].state == "done"
    assert len(made_by("predict")) == 2
    assert own_tree() == whole


class KillerInside(Killer):
    """Kills a worker of a split job, which `victim` names as soon as there is one."""

    def __init__(self, victim):
        super().__init__(OUT / "long")
        self.victim, self.warnings = victim, []

    def warn(self, text):
        self.warnings.append(text)

    def _kill(self):
        wait_for(lambda: self.victim())
        self.killed.append(self.victim())
        os.kill(self.killed[0], signal.SIGKILL)


def writer():
    return json.loads((OUT / "long" / ".alaya" / "lock").read_text())["pid"]


def on_the_shelf(pattern):
    return list((Journal(OUT / "long").room(INVERSE_JOB) / "ahead").glob(pattern))


def helper_at_work():
    texts = [path.read_text() for path in on_the_shelf("*.lock")]
    return next((pid for pid in (json.loads(text)["pid"] for text in texts if text) if pid != writer()), None)


def writer_that_is_waited_for():
    return writer() if on_the_shelf("*.npy") and Journal(OUT / "long").run(INVERSE_JOB).windows else None


@pytest.mark.parametrize(
    ("victim", "tries"), [(helper_at_work, 1), (writer_that_is_waited_for, 2)], ids=["helper", "writer"]
)
def test_a_killed_process_costs_a_window_at_most(whole, monkeypatch, victim, tries):
    monkeypatch.setenv(batch_fakes.SECONDS, "0.3")
    killer = KillerInside(victim)
    done = split(monkeypatch, progress=killer)
    assert killer.killed
    assert [(task.state, task.tries) for task in done.tasks] == [("done", tries)]
    assert any("was killed by SIGKILL" in text for text in killer.warnings)
    assert own_tree() == whole
    again = [text for _, text in noted() if text.startswith("predict")]
    assert (
        len(again) <= WINDOWS + 2
    )  # what was in hand, and what was taken from the shelf and not yet written


@pytest.fixture
def shelf(tmp_path):
    from alaya.frames import plan_windows

    ledger = Ledger(Journal(tmp_path / "run"), INVERSE_JOB, {}, plan_windows(65, 17, 8), None)
    kept = Shelf(ledger)
    kept.reach(0)
    return ledger, kept


def take(ledger, index, model=None, wait=lambda: None):
    return foreseen(ledger, ledger.windows[index], "k" * 64, model, wait)


def test_only_the_very_window_is_taken_and_only_once(shelf):
    ledger, kept = shelf
    values = np.arange(17 * 6, dtype=np.float32).reshape(17, 1, 2, 3)
    assert take(ledger, 1) is None
    kept.put(ledger.windows[1], "k" * 64, values)
    assert kept.holds(ledger.windows[1])
    assert take(ledger, 2) is None
    assert foreseen(ledger, ledger.windows[1], "other", None, print) is None
    np.testing.assert_array_equal(take(ledger, 1), values)
    assert take(ledger, 1) is None
    assert kept.reached == 1


def test_a_damaged_or_odd_prediction_is_made_again(shelf):
    ledger, kept = shelf
    window, values = ledger.windows[1], np.ones((17, 2, 2, 3), np.float32)
    for damage in (
        lambda data: data[: len(data) // 2],
        lambda data: data[:300] + b"!" + data[301:],
        lambda data: b"",
    ):
        kept.put(window, "k" * 64, values)
        path = next(kept._folder.glob("*.npy"))
        path.write_bytes(damage(path.read_bytes()))
        assert take(ledger, 1) is None
        assert not path.exists()
    kept.put(window, "k" * 64, values.astype(np.float64))
    assert take(ledger, 1) is None
    kept.put(window, "k" * 64, values[:16])
    assert take(ledger, 1) is None


def test_a_window_in_hand_is_waited_for(shelf):
    ledger, kept = shelf
    window, values, waits = ledger.windows[1], np.ones((17, 1, 1, 3), np.float32), []
    with kept.lock(window):
        with pytest.raises(FolderBusyError), kept.lock(window):
            pass

        def wait():
            waits.append(1)
            if len(waits) == 3:
                kept.put(window, "k" * 64, values)

        np.testing.assert_array_equal(take(ledger, 1, wait=wait), values)
    assert len(waits) == 3


def test_who_works_in_tiles_takes_nothing_from_others(shelf):
    ledger, kept = shelf
    kept.put(ledger.windows[1], "k" * 64, np.ones((17, 1, 1, 3), np.float32))

    class Tiled:
        eased_into_tiles = True

    assert take(ledger, 1, Tiled()) is None
    assert kept.reached == 1


def test_stages_of_other_environments_cannot_be_split(tmp_path):
    (tmp_path / "a.mp4").touch()
    JOBS.write_text("input,styles,editing_env\na.mp4,night,there\n")
    with pytest.raises(RequestError, match=r"jobs\.csv line 2, column editing_env: .*--split-windows out"):
        run_batch(JOBS, BatchSettings(OUT, split_windows=True), open_loaders=open_fakes, progress=Progress())
