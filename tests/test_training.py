"""The training loop: it learns, it resumes to the same bits, it accumulates, and its checkpoints load."""

import json

import numpy as np
import pytest
import torch
from torch import nn
from world_samples import make_dataset

from alaya.errors import AlayaError, RequestError
from alaya.weights import read_card
from editing.models import load_editor
from inverse.models import load_inverse
from training.loop import Run
from training.recipe import Phase, Recipe, read_recipe
from training.run import train
from training.schedule import rates
from training.tasks import disturb, draw_noisy, make_task, pack_batch

HEIGHT, WIDTH = 16, 32


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("worlds") / "set", height=HEIGHT, width=WIDTH)


def make_recipe(data, task="inverse", steps=4, **others):
    phase = {"width": WIDTH, "height": HEIGHT, "num_frames": 2, "batch": 2, "warmup": 2, "noisy_share": 0.5}
    own = {key: others.pop(key) for key in list(others) if key in vars(Phase("x", 1, 8, 8))}
    phases = (Phase("only", steps, **{**phase, **own}),)
    return Recipe(task, "tiny", "tiny", 3, (str(data),), str(data), phases, **others)


def weights_of(run):
    return run.plain_net.state_dict()


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("task", ["inverse", "editing"])
def test_the_loss_goes_down(data, tmp_path, task):
    recipe = make_recipe(data, task, steps=40, num_frames=1, noisy_share=0.0, lr=3e-3, whole_share=1.0)
    events = []
    run = Run(recipe, make_task(recipe), tmp_path / "run")
    assert run.train(events.append)
    losses = [event["loss"] for event in events]
    assert len(losses) == 2
    assert losses[-1] < 0.85 * losses[0]
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == events
    assert list((tmp_path / "run" / "sheets").glob("*.png"))
    assert not equal(run.averaged(), weights_of(run))


@pytest.mark.parametrize("task", ["inverse", "editing"])
def test_a_resumed_run_is_the_same_run(data, tmp_path, task):
    recipe = make_recipe(data, task, steps=5, save_every=2)
    whole = Run(recipe, make_task(recipe), tmp_path / "whole")
    assert whole.train()

    cut = make_task(recipe)
    draw = cut.batch
    cut.batch = lambda step, phase: draw(step, phase) if step < 3 else pytest.fail("killed")
    broken = Run(recipe, cut, tmp_path / "cut")
    with pytest.raises(pytest.fail.Exception):
        broken.train()  # steps 1 to 3 are taken, 2 are saved
    assert broken.progress.step == 3

    second = Run(recipe, make_task(recipe), tmp_path / "cut")
    assert second.resume()
    assert second.progress.step == 2
    assert second.train()
    assert equal(weights_of(second), weights_of(whole))
    assert equal(second.averaged(), whole.averaged())
    assert second.ema.count == whole.ema.count == 5


def test_a_stop_between_two_renames_is_mended(data, tmp_path):
    recipe = make_recipe(data, steps=2)
    run = Run(recipe, make_task(recipe), tmp_path)
    run.train()
    (tmp_path / "state").rename(tmp_path / "state.old")
    (tmp_path / "log.jsonl").write_text('{"step": 2}\n{"step": 40}\n{"st')
    again = Run(recipe, make_task(recipe), tmp_path)
    assert again.resume()
    assert again.progress.step == 2
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 2}\n'  # what the kill left behind is gone
    (tmp_path / "state.old").mkdir()
    (tmp_path / "state.old" / "rest").touch()
    again.save()
    assert sorted(path.name for path in tmp_path.glob("state*")) == ["state"]


class LineTask:
    """A line through given points: the smallest thing that the loop can train."""

    def __init__(self, parts, bad=False):
        torch.manual_seed(0)
        self.net, self.parts, self.bad = nn.Linear(4, 3), parts, bad

    def batch(self, step, phase):
        torch.manual_seed(step // self.parts)
        rows = torch.randn(8, 7).chunk(self.parts)[step % self.parts]
        return {"x": rows[:, :4], "y": rows[:, 4:]}

    def loss(self, net, batch, step, phase):
        loss = (net(batch["x"]) - batch["y"]).square().mean()
        return (loss * float("nan") if self.bad else loss), {}

    def sheet(self, net):
        return np.zeros((2, 2, 3), np.uint8)


def test_two_small_batches_are_one_large(data, tmp_path):
    runs = []
    for parts in (1, 2):
        run = Run(make_recipe(data, steps=6, accumulate=parts), LineTask(parts), tmp_path / str(parts))
        run.train()
        runs.append(run)
    for one, two in zip(*(weights_of(run).values() for run in runs), strict=True):
        assert torch.allclose(one, two, atol=1e-5)
    assert not torch.allclose(weights_of(runs[0])["weight"], LineTask(1).net.weight, atol=1e-2)
    assert runs[0].ema.count == runs[1].ema.count == 6


def test_a_loss_that_is_no_number_stops(data, tmp_path):
    run = Run(make_recipe(data), LineTask(1, bad=True), tmp_path)
    with pytest.raises(AlayaError, match="the loss is nan at step 0; lower lr"):
        run.train()
    assert torch.isfinite(run.plain_net.weight).all()


def test_rates():
    phase = Phase("x", 100, 8, 8, lr=1.0, muon_lr=10.0, decay_from=0.5, end=0.1, warmup=10)
    assert rates(phase, 0) == pytest.approx((0.1, 1.0))
    assert rates(phase, 9) == rates(phase, 50) == pytest.approx((1, 10))
    assert rates(phase, 75)[0] == pytest.approx(0.55)
    assert rates(phase, 99)[0] == pytest.approx(0.118)


RECIPE = """
task = "{task}"
name = "tiny"
preset = "tiny"
seed = 1
data = ["{data}"]
heldout = "{data}"
[[phases]]
name = "a"
steps = 2
width = 32
height = 16
batch = 1
[[phases]]
name = "b"
steps = 1
width = 16
height = 16
"""


@pytest.mark.parametrize("task", ["inverse", "editing"])
def test_a_recipe_becomes_a_checkpoint(data, tmp_path, task):
    path, out = tmp_path / "recipe.toml", tmp_path / "run"
    path.write_text(RECIPE.format(task=task, data=data))
    folder = train(path, out, phases=("a",))
    card = read_card(folder, task)
    assert card["legs"][0]["command"] == f"alaya train {path} --out {out} --phase a"
    assert card["legs"][0]["steps"] == 2
    assert f"`alaya train {path}" in (folder / "README.md").read_text()
    loaded = (load_inverse if task == "inverse" else load_editor)(folder)
    assert loaded.info.sha256 == card["sha256"]

    (folder / "card.json").write_text(json.dumps({**card, "mixed": "with its start"}))
    later = read_card(train(path, tmp_path / "later", phases=("b",), init=folder))
    assert [leg.get("mixed") for leg in later["legs"]] == ["with its start", None]
    assert [leg["started_from"] for leg in later["legs"]] == [None, card["sha256"]]
    with pytest.raises(RequestError, match="holds a run already"):
        train(path, out)
    with pytest.raises(RequestError, match="no saved state"):
        train(path, tmp_path / "new", resume=True)
    with pytest.raises(RequestError, match="no phase 'c'; its phases are a, b"):
        train(path, tmp_path / "new", phases=("c",))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "tiny"', 'nme = "tiny"', "unknown key 'nme'"),
        ("seed = 1\n", "", "needs the key 'seed'"),
        ("seed = 1", "seed = 1.5", "seed must be int, got 1.5"),
        ("seed = 1", "seed = true", "seed must be int, got True"),
        ("seed = 1", "seed = 1\nprecision = 'half'", "precision must be one of no, bf16"),
        ("seed = 1", "seed = 1\naccumulate = 0", "accumulate must be at least 1"),
        ("seed = 1", "seed = 1\nema = 2.0", "ema must lie in"),
        ("seed = 1", "seed = ", "not TOML"),
        ('task = "inverse"', 'task = "both"', "task must be one of inverse, editing"),
        ("width = 32", "width = 30", "multiples of 8, got 30x16"),
        ("batch = 1", "batch = 0", "batch must be at least 1, got 0"),
        ("batch = 1", "lr = nan", "lr must be at least 0"),
        ("batch = 1", "end = -1.0", "end must lie in"),
        ("steps = 1\n", "", "phase 2: needs the key 'steps'"),
        ('name = "b"', 'name = "a"', "two phases have the same name"),
        ('data = ["', 'data = [3, "', "data must be"),
    ],
)
def test_recipes_that_are_refused(tmp_path, old, new, said):
    path = tmp_path / "recipe.toml"
    text = RECIPE.format(task="inverse", data="nowhere")
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(RequestError) as caught:
        read_recipe(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_seed_may_stand_in_the_command(data, tmp_path):
    path, other = tmp_path / "recipe.toml", tmp_path / "other.toml"
    text = RECIPE.format(task="inverse", data=data)
    path.write_text(text)
    other.write_text(text.replace("seed = 1", "seed = 7"))
    runs = [(path, None), (path, 7), (other, None)]
    cards = [
        read_card(train(recipe, tmp_path / str(index), phases=("a",), seed=seed))
        for index, (recipe, seed) in enumerate(runs)
    ]
    assert [card["legs"][0]["seed"] for card in cards] == [1, 7, 7]
    assert cards[1]["legs"][0]["command"].endswith("--phase a --seed 7")
    assert cards[1]["sha256"] == cards[2]["sha256"] != cards[0]["sha256"]


def test_what_a_recipe_names_must_exist(data, tmp_path):
    with pytest.raises(RequestError, match="no recipe at"):
        read_recipe(tmp_path / "none.toml")
    path = tmp_path / "recipe.toml"
    path.write_text("phases = [1]")
    with pytest.raises(RequestError, match="phase 1: must be a table"):
        read_recipe(path)
    recipe = make_recipe(data)
    with pytest.raises(RequestError, match="no preset 'huge'; there are small"):
        make_task(Recipe(**{**vars(recipe), "preset": "huge"}))
    with pytest.raises(RequestError, match="alaya worlds make"):
        make_task(make_recipe(tmp_path / "nothing"))


def test_noisy_targets(data):
    target = torch.randn(2, 1, 3, 8, 8)
    t, noisy = draw_noisy(target, 1, 2, 0.0)
    assert noisy is None
    assert t.tolist() == [1, 1]
    t, noisy = draw_noisy(target, 1, 2, 1.0)
    assert ((t > 0) & (t < 1)).all()
    again = draw_noisy(target, 1, 2, 1.0)
    assert torch.equal(t, again[0])
    assert torch.equal(noisy, again[1])
    kinds = [draw_noisy(target, 1, step, 0.25)[1] is None for step in range(400)]
    assert 0.68 < np.mean(kinds) < 0.82


def test_disturbed_planes_stay_planes(data):
    recipe = make_recipe(data, "editing", batch=8)
    batch = make_task(recipe).batch(0, recipe.phases[0])
    planes = pack_batch(batch)
    changed = disturb(planes, np.random.default_rng(0), chance=1.0)
    sky = planes[:, :, 9] > 0
    assert sky.any()
    assert torch.equal(changed.movedim(2, -1)[sky], planes.movedim(2, -1)[sky])
    assert float(changed.abs().max()) <= 1
    moved = (changed - planes).abs().flatten(1).amax(1)
    assert (moved > 0.01).all()
    untouched = disturb(planes, np.random.default_rng(0), chance=0.0)
    assert torch.equal(untouched, planes)
