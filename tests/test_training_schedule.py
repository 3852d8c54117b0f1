"""A run by the clock: each phase gets its share of the time, the rates have fallen at its end, the card tells it."""

from dataclasses import replace

import pytest
from world_samples import make_dataset

from alaya.weights import read_card
from inverse.models import load_inverse
from training import loop
from training.recipe import Phase, Recipe
from training.run import train
from training.schedule import BySteps, ByTime, Progress

WIDE = Phase("wide", 10, 8, 8, lr=1.0, muon_lr=2.0, warmup=2, decay_from=0.5, end=0.1, share=1.0)
FINE = replace(WIDE, name="fine", lr=0.5, warmup=0, decay_from=0.0, end=0.2, share=3.0)
RECIPE = Recipe("inverse", "tiny", "tiny", 1, ("x",), "x", (WIDE, FINE))


def test_by_steps_is_the_recipe():
    progress = Progress()
    schedule = BySteps(RECIPE, progress)
    assert [schedule.phase(step) for step in (0, 9, 10, 19, 20)] == [WIDE, WIDE, FINE, FINE, None]
    assert schedule.rates(WIDE) == (0.5, 1.0)
    progress.step = 15
    assert schedule.rates(FINE) == pytest.approx((0.5 * 0.6, 2 * 0.6))
    assert not schedule.over()
    progress.step = 20
    assert schedule.over()


def test_by_time_shares_the_clock():
    progress = Progress()
    schedule = ByTime(RECIPE, progress, seconds=80)
    seen = []
    for step, seconds in enumerate([0, 5, 10, 15, 19.9, 20, 50, 79.9, 80]):
        progress.step, progress.seconds = step, seconds
        phase = schedule.phase(step + 7)  # whatever number it is asked for
        seen.append(phase.name if phase else None)
        assert schedule.over() == (phase is None)
        if phase:
            last = schedule.rates(phase)
            if seconds == 15:
                assert last == pytest.approx((1 - 0.9 / 2, 2 * (1 - 0.9 / 2)))
            if seconds == 50:
                assert last == pytest.approx((0.5 * 0.6, 2 * 0.6))
    assert seen == ["wide"] * 5 + ["fine"] * 3 + [None]
    assert last == pytest.approx((0.5 * 0.2, 2 * 0.2), rel=0.01)
    assert [(phase.name, phase.steps) for phase in schedule.phases()] == [("wide", 5), ("fine", 3)]
    assert schedule.rates(WIDE) == pytest.approx((0.1, 0.2))  # a batch asked for before its phase was over


def test_by_time_goes_on_where_it_stopped():
    progress = Progress(step=6, seconds=30.0, began={"wide": 0, "fine": 4})
    later = Progress()
    later.load_state_dict(progress.state_dict())
    assert later == progress
    assert ByTime(RECIPE, later, 80).phase(6) is FINE
    old = Progress()
    old.load_state_dict({"step": 3, "seconds": 2.0})  # of a state from before there were such runs
    assert old == Progress(3, 2.0)


TEXT = """
task = "inverse"
name = "tiny"
preset = "tiny"
seed = 1
data = ["{data}"]
heldout = "{data}"
by_time = true
[[phases]]
name = "a"
steps = 100000
width = 32
height = 16
batch = 1
share = 1.0
[[phases]]
name = "b"
steps = 100000
width = 16
height = 16
num_frames = 2
batch = 1
share = 2.0
end = 0.1
decay_from = 0.0
"""


def test_a_run_by_the_clock_ends_with_a_whole_checkpoint(tmp_path, monkeypatch):
    data = make_dataset(tmp_path / "set")
    path = tmp_path / "recipe.toml"
    path.write_text(TEXT.format(data=data))
    ticks = iter(range(10_000))
    monkeypatch.setattr(loop.time, "perf_counter", lambda: float(next(ticks)))  # a step takes a second or two
    folder = train(path, tmp_path / "run", minutes=0.5)
    assert folder == tmp_path / "run" / "checkpoint"
    leg = read_card(folder, "inverse")["legs"][0]
    assert leg["command"] == f"alaya train {path} --out {tmp_path / 'run'} --minutes 0.5"
    assert sum(phase["steps"] for phase in leg["phases"]) == leg["steps"] <= 30
    short, long = (phase["steps"] for phase in leg["phases"])
    assert short >= 4
    assert long == pytest.approx(2 * short, abs=2)
    assert 30 <= leg["seconds"] < 33
    assert load_inverse(folder).info.sha256 == read_card(folder)["sha256"]


def test_a_run_stopped_early_leaves_a_checkpoint_too(tmp_path):
    data = make_dataset(tmp_path / "set")
    path = tmp_path / "recipe.toml"
    path.write_text(TEXT.format(data=data).replace("by_time = true", "by_time = false"))
    assert train(path, tmp_path / "run", minutes=0) is None
    card = read_card(tmp_path / "run" / "checkpoint", "inverse")
    assert card["legs"][0]["steps"] == 1
    assert load_inverse(tmp_path / "run" / "checkpoint").info.sha256 == card["sha256"]
