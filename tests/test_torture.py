"""A seeded sample of the trials of `scripts/torture.py`, and the judges of those trials themselves."""

import importlib
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"


@pytest.fixture
def torture(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("torture")


@pytest.fixture
def trials(torture):
    return importlib.import_module("torture_trials")


@pytest.mark.slow
@pytest.mark.timeout(1200)  # half a minute of one core, but that core may have to be shared with many
def test_a_sample_of_every_kind_is_good(tmp_path):
    counts = tmp_path / "counts.json"
    command = [sys.executable, str(SCRIPTS / "torture.py"), "--sample", "--work", str(tmp_path / "work")]
    result = subprocess.run([*command, "--output", str(counts)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    rows = json.loads(counts.read_text())["torture"]["trials"]
    assert {kind: row["of"] for kind, row in rows.items()} == {
        "kill": 1,
        "stop": 1,
        "disk": 1,
        "memory": 1,
        "flip": 10,
        "busy": 1,
    }
    assert all(row["good"] == row["of"] for row in rows.values())


def test_all_kinds_go_forward_together(torture):
    planned = torture.planned(torture.FULL)
    assert len(planned) == len(set(planned)) == sum(torture.FULL.values())
    first = {kind for kind, _ in planned[: len(planned) // 5]}
    assert first == set(torture.FULL)


def test_trials_are_made_once_and_another_source_begins_anew(torture, tmp_path):
    good = torture.Outcome("kill", 3, True, "", "inverse", {"windows_done_twice": 1})
    bad = torture.Outcome("kill", 4, False, "2 files differ")
    ledger = torture.Ledger(tmp_path / "w", "one")
    ledger.add(good)
    ledger.add(bad)
    again = torture.Ledger(tmp_path / "w", "one")
    assert again.outcomes == [good, bad]
    assert again.has("kill", 3)
    assert not again.has("stop", 3)
    row = again.rows()["kill"]
    assert (row["good"], row["of"], row["largest_windows_done_twice"]) == (1, 2, 1)
    assert row["not_good"] == ["4: 2 files differ"]
    assert torture.Ledger(tmp_path / "w", "two").outcomes == []


def test_counts_are_put_beside_those_of_others(torture, tmp_path):
    path = tmp_path / "r.json"
    path.write_text(
        json.dumps({"names": {"tried": 9}, "torture": {"trials": {"busy": {"good": 1, "of": 1}}}})
    )
    ledger = torture.Ledger(tmp_path / "w", "one")
    ledger.add(torture.Outcome("kill", 0, True))
    place = type("Place", (), {"windows": 6})
    torture.write_results(path, place, ledger, seed=0)
    kept = json.loads(path.read_text())
    assert kept["names"] == {"tried": 9}
    assert list(kept["torture"]["trials"]) == ["kill", "busy"]


class Broken:
    """A place whose resumed runs come out otherwise."""

    def __init__(self, trials, folder, found):
        self.trials, self.folder, self.seed, self.found = trials, folder, 0, found
        self.whole = {"a.png": "0"}

    def remove(self, name):
        pass

    def resume(self, name):
        raise self.trials.NotGood(f"{self.found} files differ")


def test_a_trial_that_is_not_good_says_why(trials, tmp_path, monkeypatch):
    def differing(place, name, trial, chance):
        place.resume(name)

    monkeypatch.setitem(trials.KINDS, "kill", differing)
    outcome = trials.Place.run(Broken(trials, tmp_path, 2), "kill", 0)
    assert (outcome.good, outcome.detail) == (False, "2 files differ")


def test_a_flipped_bit_that_verify_does_not_see_is_told(trials, tmp_path, monkeypatch):
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "a.png").write_bytes(bytes(9))
    blind = type("Verified", (), {"findings": ()})
    monkeypatch.setattr(trials, "verify_folder", lambda folder: blind)
    place = Broken(trials, tmp_path, 0)
    with pytest.raises(trials.NotGood, match=r"a\.png changed at"):
        trials.flip(place, "flip0", 0, random.Random(0))
    assert (tmp_path / "whole" / "a.png").read_bytes() == bytes(9)


@pytest.mark.parametrize(
    ("events", "where"),
    [
        ([{"event": "start"}], "before the first window"),
        ([{"event": "begin", "stage": "SmallInverse"}], "inverse"),
        ([{"event": "end", "stage": "SmallInverse"}, {"event": "begin", "stage": "SmallEditor"}], "editing"),
        (
            [{"event": "begin", "stage": "x"}, *[{"event": "end", "stage": "SmallEditor"}] * 6],
            "after the last window",
        ),
    ],
)
def test_where_a_run_was_struck(trials, events, where):
    assert trials.stage_of(events, 6) == where


def test_only_calls_that_take_memory_for_arrays_count(torture):
    import torch

    kind_of = importlib.import_module("torture_run")._kind_of
    assert kind_of(np.zeros) == "numpy"
    assert kind_of(np.ones(2).copy) == "numpy"
    assert kind_of(torch.cat) == "torch"
    assert kind_of(torch.ones(2).contiguous) == "torch"
    assert kind_of({}.copy) is None
    assert kind_of(len) is None
