"""Batches: only what is missing is done, poison is set aside, dead workers lose nothing, a stop is resumable."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import batch_fakes
import pytest
from batch_fakes import DEADLY, ONCE, PROGRAM, UNLUCKY, noted, open_fakes
from test_jobs import make_clip
from test_resume import tree

from alaya.errors import RequestError
from alaya.files import lock_folder
from pipelines import batch
from pipelines.batch import BatchSettings, Task, run_batch
from pipelines.batch_jobs import read_jobs
from pipelines.batch_ray import _knock
from pipelines.batch_worker import Outcome, Workplace
from pipelines.journal import INVERSE_JOB, Journal
from pipelines.progress import Progress

ROOT = Path(__file__).parent.parent
OUT = Path("out")
JOBS = Path("jobs.csv")


@pytest.fixture(autouse=True)
def log(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setenv(batch_fakes.LOG, str(tmp_path / "models.log"))
    monkeypatch.setenv(batch_fakes.LIGHT, "1")


@pytest.fixture
def clips(tmp_path):
    return [make_clip(tmp_path / f"{name}.mp4", 20, 16, 32) for name in "abc"]


class InlineCrew:
    """One worker in this very process, which keeps its place from batch to batch of a test."""

    workers, threads = 1, 1
    place = None

    def __init__(self):
        type(self).place = type(self).place or Workplace(open_fakes, 0)
        self.outcome = None

    def idle(self):
        return [] if self.outcome else [0]

    def give(self, number, settings):
        self.outcome = self.place.run(settings)

    def wait(self, timeout):
        outcome, self.outcome = self.outcome, None
        return [(0, outcome)] if outcome else []

    def close(self):
        pass

    stop = close


@pytest.fixture
def inline(monkeypatch):
    InlineCrew.place = None
    monkeypatch.setattr(batch, "_hire", lambda *_: InlineCrew())


def write_jobs(*rows):
    """Rows are (name of the clip, seed) or (clip, seed, name)."""
    lines = [
        ",".join(map(str, (f"{row[0]}.mp4", row[1], row[2] if len(row) > 2 else row[0]))) for row in rows
    ]
    header = "input,seed,name,styles,device"
    JOBS.write_text("\n".join([header, *(f"{line},night,cpu" for line in lines)]) + "\n")


def run(**options):
    return run_batch(JOBS, BatchSettings(OUT, **options), open_loaders=open_fakes)


def states(done):
    return [(task.job.name, task.state, task.tries) for task in done.tasks]


def loads():
    return [" ".join(what.split()[:2]) for _, what in noted() if what.startswith("load")]


def predictions():
    return [" ".join(what.split()[:2]) for _, what in noted() if what.startswith("predict")]


def test_only_what_is_missing_is_done(clips, inline, capsys):
    write_jobs(("a", 1), ("b", 2))
    first = run()
    assert states(first) == [("a", "done", 1), ("b", "done", 1)]
    assert loads() == ["load inverse", "load editor"]  # once a worker
    assert sorted(path.name for path in OUT.iterdir()) == ["a", "b", "batch.json"]
    before, calls = tree(OUT), len(noted())
    write_jobs(("a", 1), ("b", 2), ("c", 3))
    second = run()
    assert states(second) == [("a", "kept", 0), ("b", "kept", 0), ("c", "done", 1)]
    assert second.tasks[0].videos == first.tasks[0].videos
    assert {what for _, what in noted()[calls:]} == {"predict 3 0", "predict 3 8", "edit 3 0", "edit 3 8"}
    after = tree(OUT)
    assert {path: after[path] for path in before if path != "batch.json"} == {
        path: digest for path, digest in before.items() if path != "batch.json"
    }
    next((OUT / "a" / "edits").glob("*.mp4")).unlink()
    (OUT / "b" / "depth" / "frame_000003.png").unlink()
    assert [state for _, state, _ in states(run())] == ["done", "done", "kept"]
    assert tree(OUT).keys() == after.keys()
    assert {**tree(OUT), "batch.json": 0} == {**after, "batch.json": 0}
    summary = json.loads((OUT / "batch.json").read_text())
    assert summary["counts"] == {"done": 2, "kept": 1}
    assert [job["line"] for job in summary["jobs"]] == [2, 3, 4]
    assert all(Path(video).is_file() for job in summary["jobs"] for video in job["videos"])
    assert "2 done, 1 kept, in" in capsys.readouterr().err


def test_poison_is_set_aside_and_bad_luck_is_not(clips, inline, capsys):
    write_jobs(("a", UNLUCKY), ("b", ONCE), ("c", 3))
    done = run(tries=3)
    assert states(done) == [("a", "failed", 3), ("b", "done", 2), ("c", "done", 1)]
    assert done.exit_code == 1
    assert predictions().count(f"predict {UNLUCKY}") == 3
    assert "RuntimeError: no luck today" in capsys.readouterr().err
    assert json.loads((OUT / "batch.json").read_text())["jobs"][0]["error"] == "RuntimeError: no luck today"


def test_damaged_input_fails_alone(clips, inline):
    Path("b.mp4").write_bytes(b"no video at all")
    write_jobs(("a", 1), ("b", 2))
    done = run()
    assert states(done) == [("a", "done", 1), ("b", "failed", 2)]
    assert "b.mp4" in done.tasks[1].text


def test_all_is_checked_at_the_door(clips, inline):
    write_jobs(("a", 1))
    run()
    write_jobs(("b", 2), ("a", 9))
    with pytest.raises(
        RequestError, match=r"jobs\.csv line 3: out/a holds another run: seed was 1, asked 9; give"
    ):
        run()
    (OUT / "c").mkdir()
    (OUT / "c" / "mine.txt").touch()
    write_jobs(("b", 2), ("c", 9))
    with pytest.raises(RequestError, match=r"jobs\.csv line 3: out/c holds something else \(mine\.txt\)"):
        run()
    assert not (OUT / "b").exists()
    assert len(loads()) == 2


def test_a_job_in_other_hands_is_left_to_them(clips, inline, monkeypatch):
    monkeypatch.setattr(batch, "BUSY_SECONDS", 0.01)
    write_jobs(("a", 1), ("b", 2))
    with lock_folder(OUT / "a"):
        done = run()
    assert states(done) == [("a", "busy", 0), ("b", "done", 1)]
    assert done.exit_code == 75
    assert "is in use by process" in done.tasks[0].text
    assert [state for _, state, _ in states(run())] == ["done", "kept"]


def test_the_lock_of_a_lost_machine_is_waited_for(clips):
    write_jobs(("a", 1))
    task = Task(read_jobs(JOBS, OUT)[0])
    task.take(Outcome("lost"), 3, now=0)
    for now in (10, 600):
        task.take(Outcome("busy"), 3, now)
        assert (task.state, task.tries, task.not_before) == ("left", 1, now + batch.BUSY_SECONDS)
    task.take(Outcome("busy"), 3, now=700)
    assert task.state == "busy"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"workers": 0}, "--workers must be 1 to 4096"),
        ({"tries": 0}, "--tries must be"),
        ({"engine": "slurm"}, "--engine must be one of local, ray"),
        ({"address": "auto"}, "--address names a Ray cluster; add --engine ray"),
    ],
)
def test_bad_settings_are_refused(options, expected):
    with pytest.raises(RequestError, match=expected):
        BatchSettings(OUT, **options)


class Killer(Progress):
    """Kills the worker of a job as soon as its first window is in the journal."""

    def __init__(self, folder):
        self.folder, self.killed = folder, []

    def note(self, text):
        if "workers of" in text:
            threading.Thread(target=self._kill).start()

    def _kill(self):
        wait_for(lambda: Journal(self.folder).run(INVERSE_JOB).windows)
        self.killed.append(json.loads((self.folder / ".alaya" / "lock").read_text())["pid"])
        os.kill(self.killed[0], signal.SIGKILL)


def wait_for(happened, seconds=600):
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def undisturbed(folder):
    """The tree that one worker makes in a folder of its own, without a batch around it."""
    place = Workplace(open_fakes, 0)
    for job in read_jobs(JOBS, folder):
        place.run(job.settings)
    return {path: digest for path, digest in tree(folder).items() if not path.endswith("batch.json")}


def clip_tree():
    return {path: digest for path, digest in tree(OUT).items() if path != "batch.json"}


def test_killed_workers_lose_nothing(clips, monkeypatch):
    write_jobs(("a", 1), ("b", 2), ("c", DEADLY))
    with monkeypatch.context() as patch:
        patch.setattr(batch_fakes, "DEADLY", -1)
        whole = undisturbed(Path("whole"))
    Path(os.environ[batch_fakes.LOG]).unlink()
    monkeypatch.setenv(batch_fakes.SECONDS, "0.5")
    killer = Killer(OUT / "a")
    done = run_batch(JOBS, BatchSettings(OUT, workers=2, threads=1), open_loaders=open_fakes, progress=killer)
    assert states(done) == [("a", "done", 2), ("b", "done", 1), ("c", "failed", 2)]
    assert "was killed by SIGKILL" in done.tasks[2].text
    assert killer.killed
    assert {path: digest for path, digest in whole.items() if not path.startswith("c/")} == {
        path: digest for path, digest in clip_tree().items() if not path.startswith("c/")
    }
    loaded = [entry for entry in noted() if entry[1].startswith("load")]
    assert len(loaded) == len(set(loaded))  # each worker loaded each model once
    assert predictions().count("predict 1") <= 3  # two windows, and what was under way


def alaya(*words):
    command = [sys.executable, "-c", PROGRAM, "batch", str(JOBS), "--output", str(OUT), *words]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_batch_goes_on(clips, monkeypatch, number, code):
    write_jobs(("a", 1))
    whole = undisturbed(Path("whole"))
    monkeypatch.setenv(batch_fakes.SECONDS, "0.5")
    process = alaya("--workers", "1")
    wait_for(lambda: Journal(OUT / "a").run(INVERSE_JOB).windows)
    worker = json.loads((OUT / "a" / ".alaya" / "lock").read_text())["pid"]
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    _, talk = process.communicate(timeout=600)
    assert process.returncode == code, talk
    assert "Traceback" not in talk
    assert not Path(f"/proc/{worker}").exists()
    assert not (OUT / "a" / ".alaya" / "lock").exists()  # put away, and not left by a killed process
    assert json.loads((OUT / "batch.json").read_text())["counts"] == {"left": 1}
    process = alaya("--json")
    results, talk = process.communicate(timeout=600)
    assert process.returncode == 0, talk
    assert clip_tree() == whole
    summary = json.loads(results.splitlines()[-1])
    assert (summary["event"], summary["counts"]) == ("batch", {"done": 1})


@pytest.mark.timeout(900)  # half a minute on a machine that is not busy
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed (extra: ray)")
def test_ray_replaces_a_lost_worker(clips, monkeypatch):
    """A real cluster of two actors, each with a GPU that is only said to be there; one is killed in the middle."""
    write_jobs(("a", 1), ("b", 2), ("c", UNLUCKY))
    whole = undisturbed(Path("whole"))
    Path(os.environ[batch_fakes.LOG]).unlink()
    monkeypatch.setenv(batch_fakes.SECONDS, "0.5")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    process = alaya("--engine", "ray", "--workers", "2", "--threads", "1", "--json")
    wait_for(lambda: process.poll() is not None or Journal(OUT / "a").run(INVERSE_JOB).windows)
    if process.poll() is None:  # else its last words are shown below
        os.kill(json.loads((OUT / "a" / ".alaya" / "lock").read_text())["pid"], signal.SIGKILL)
    results, talk = process.communicate(timeout=600)
    assert process.returncode == 1, talk
    summary = json.loads(results.splitlines()[-1])
    assert summary["event"] == "batch", talk
    assert [(job["state"], job["tries"]) for job in summary["jobs"]] == [
        ("done", 2),
        ("done", 1),
        ("failed", 2),
    ]
    assert {path: digest for path, digest in whole.items() if not path.startswith("c/")} == {
        path: digest for path, digest in clip_tree().items() if not path.startswith("c/")
    }
    loaded = [entry for entry in noted() if entry[1].startswith("load inverse")]
    assert {what for _, what in loaded} == {"load inverse on 0", "load inverse on 1"}
    assert len({who.split("/")[0] for who, _ in loaded}) == len(loaded)  # once each


def test_without_ray_the_extra_is_named(clips, monkeypatch):
    write_jobs(("a", 1))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RequestError, match=r"--engine ray needs Ray .*alaya-renderer\[ray\]"):
        run(engine="ray")


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed (extra: ray)")
def test_an_address_where_nobody_answers_is_refused_at_once(clips):
    write_jobs(("a", 1))
    process = alaya("--engine", "ray", "--address", "127.0.0.1:9")
    _, talk = process.communicate(timeout=600)
    assert process.returncode == 2, talk
    assert "--address 127.0.0.1:9: no Ray cluster answers there" in talk


@pytest.mark.parametrize(
    ("address", "error"),
    [("127.0.0.1:9", OSError), ("ray://127.0.0.1:9", OSError), ("127.0.0.1:port", ValueError)],
)
def test_ray_is_not_called_where_nobody_answers(address, error):
    with pytest.raises(error):
        _knock(address)
    _knock("auto")  # which only Ray can look up
