"""Batches from worker processes train the same weights, over a change of phase and after a resume too."""

import pytest
import torch
from world_samples import make_dataset

from alaya.errors import RequestError
from training.loop import Run
from training.recipe import Phase, Recipe, read_recipe
from training.tasks import make_task

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on a machine of one core

PHASES = (
    Phase("stills", 2, 32, 16, num_frames=1, batch=2, noisy_share=0.5, whole_share=0.0),
    Phase("clips", 2, 16, 16, num_frames=2, batch=1, noisy_share=0.5, whole_share=1.0),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(make_dataset(tmp_path_factory.mktemp("worlds") / "set"))


def make_run(data, folder, workers, **others):
    recipe = Recipe(
        "inverse", "tiny", "tiny", 3, (data,), data, PHASES, save_every=1, workers=workers, **others
    )
    return Run(recipe, make_task(recipe), folder, before=5)


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_workers_train_the_same_weights_and_resume(data, tmp_path):
    plain = make_run(data, tmp_path / "plain", 0)
    assert plain.train()
    many = make_run(data, tmp_path / "many", 2)
    assert many.train(stop_after=0.0) is False  # after the first step, the next ones are under way
    again = make_run(data, tmp_path / "many", 2)
    assert again.resume()
    assert again.progress.step == 1
    assert again.train()
    assert equal(again.plain_net.state_dict(), plain.plain_net.state_dict())
    assert equal(again.averaged(), plain.averaged())


def test_accumulated_batches_are_numbered_alike(data, tmp_path):
    numbers = [make_run(data, tmp_path, workers, accumulate=3)._asked() for workers in (0, 2)]
    first, second = (list(asked) for asked in numbers)
    assert first == second
    assert [number for number, _ in first] == list(range(15, 27))
    assert [phase.name for _, phase in first] == ["stills"] * 6 + ["clips"] * 6


def test_published_models_take_no_workers(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(
        'task = "wan"\nname = "x"\npreset = "lora"\nseed = 1\ndata = ["x"]\nheldout = "x"\nworkers = 2\n'
        '[[phases]]\nname = "a"\nsteps = 1\nwidth = 32\nheight = 16\n'
    )
    with pytest.raises(RequestError, match=r"workers must be at least 0, and 0 for cosmos, wan, got 2"):
        read_recipe(path)
