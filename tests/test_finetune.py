"""What fine-tuning the published models is taught: samples, losses, recipes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from finetune_samples import Bench
from gbuffer_samples import make_gbuffer

from alaya.errors import RequestError
from inverse.cosmos_pictures import PASSES, to_gbuffer, to_pictures
from inverse.cosmos_sampler import make_scheduler
from training.finetune_cosmos import draw_sigmas
from training.finetune_wan import level_weights
from training.latents import LatentCache
from training.recipe import read_recipe
from training.tasks import make_task

RECIPES = Path(__file__).parent.parent / "training" / "recipes"
BOTH = pytest.mark.parametrize("task", ["wan", "cosmos"])
ALL = pytest.mark.parametrize(
    ("task", "preset"), [("wan", "full"), ("wan", "lora"), ("cosmos", "full"), ("cosmos", "lora")]
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("bench"))


@BOTH
def test_samples_are_decided_by_their_number(bench, task):
    recipe = bench.recipe(task, "full")
    chosen = make_task(recipe)
    many = chosen.batch(0, replace(recipe.phases[0], batch=8))
    four = {key: value[:4] for key, value in many.items()}
    two = chosen.batch(1, replace(recipe.phases[0], batch=2))
    assert two["index"].tolist() == [2, 3]
    assert all(torch.equal(four[key][2:], value) for key, value in two.items())
    assert len(torch.unique(many["videos"], dim=0)) > 1
    like = torch.zeros(2, 16, 1, 2, 4)
    first, noise = chosen.draw(two["index"], like)
    assert torch.equal(chosen.draw(four["index"], torch.zeros(4, 16, 1, 2, 4))[1][2:], noise)
    assert not torch.equal(first[:1], first[1:])


class Told(torch.nn.Module):
    """A network that answers what it is told."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.seen = answer, []

    def forward(self, *inputs, **options):
        self.seen.append(inputs)
        return (self.answer,)


def test_the_velocity_s_loss(bench):
    recipe = bench.recipe("wan", "full")
    task = make_task(recipe)
    batch = task.batch(0, recipe.phases[0])
    latents = task.latents(batch["videos"])
    clean = latents[:, 0]
    first, noise = task.draw(batch["index"], clean)
    net = Told(noise - clean)
    loss, _ = task.loss(net, batch, 0, recipe.phases[0])
    assert float(loss) == 0
    planes, times, text = net.seen[0]
    assert planes.shape == (2, 96, 1, 2, 4)
    assert text.shape == (2, 512, 16)
    assert torch.equal(planes[:, 16:], latents[:, 1:].flatten(1, 2))
    level = (torch.distributions.Normal(0, 1).cdf(first) * 1000).long()
    line = 1 - level / 1000
    sigma = (5 * line / (1 + 4 * line)).view(-1, 1, 1, 1, 1)
    assert torch.allclose(planes[:, :16], (1 - sigma) * clean + sigma * noise, atol=1e-5)
    assert torch.equal(times, (1000 * sigma.flatten()).bfloat16().float())
    loss, parts = task.loss(Told(noise - clean + 2), batch, 0, recipe.phases[0])
    assert float(loss) == pytest.approx(float(4 * task.weights[level].mean()), rel=1e-5)
    assert parts["velocity"] == pytest.approx(4, rel=1e-5)


def test_levels_are_weighted():
    weights = level_weights(torch.linspace(1000, 1, 1000))
    assert float(weights.mean()) == pytest.approx(1, abs=1e-6)
    assert float(weights[0]) == 0
    assert 490 < int(weights.argmax()) < 510


def test_the_denoiser_s_loss(bench):
    recipe = bench.recipe("cosmos", "full")
    task = make_task(recipe)
    batch = task.batch(0, recipe.phases[0])
    target, clip = task.latents(batch["videos"]).unbind(1)
    first, noise = task.draw(batch["index"], target)
    sigma = draw_sigmas(first, 1).view(-1, 1, 1, 1, 1)
    noisy = target + sigma * noise
    scheduler = make_scheduler()
    net = Told(torch.randn(target.shape, generator=torch.Generator().manual_seed(1)))
    loss, parts = task.loss(net, batch, 0, recipe.phases[0])
    planes, times, rows = net.seen[0]
    assert torch.allclose(planes[:, :16], scheduler.precondition_inputs(noisy, sigma), atol=1e-6)
    assert torch.equal(planes[:, 16:], clip)
    assert torch.allclose(times, scheduler.precondition_noise(sigma).flatten(), atol=1e-6)
    assert torch.equal(rows, batch["row"])
    clean = scheduler.precondition_outputs(noisy, net.answer, sigma)
    error = (clean - target).square()
    weight = (sigma**2 + 0.25) / (sigma * 0.5) ** 2
    assert float(loss) == pytest.approx(float((weight * error).mean()), rel=1e-5)
    assert parts["error"] == pytest.approx(float(error.mean()), rel=1e-5)
    assert set(task.batch(0, replace(recipe.phases[0], batch=40))["row"].tolist()) == set(PASSES.values())


def test_noise_levels_of_clips_are_wider():
    normal = torch.tensor([-1.0, 0.0, 1.0])
    assert torch.allclose(draw_sigmas(normal, 1), normal.exp())
    assert torch.allclose(draw_sigmas(normal, 9), 3 * normal.exp())


def test_pictures_and_channels_are_each_other_s_way_back():
    gbuffer = make_gbuffer(2, 16, 16, seed=1)
    gbuffer.depth[np.isinf(gbuffer.depth)] = 1000.0
    gbuffer.normal[...] = [0, 0, 1]
    back = to_gbuffer(to_pictures(gbuffer))
    for name, values in gbuffer.channels().items():
        expected = np.clip(values, 1, 1000) if name == "depth" else values
        np.testing.assert_allclose(getattr(back, name), expected, rtol=2e-3, atol=1e-5)
    assert all(picture.shape == (2, 16, 16, 3) for picture in to_pictures(gbuffer).values())


def test_videos_are_encoded_once_and_the_oldest_go():
    calls = []

    def encode(video):
        calls.append(float(video.mean()))
        return video * 2

    videos = torch.arange(3.0).view(3, 1, 1, 1, 1, 1).expand(3, 1, 3, 1, 4, 4).contiguous()
    cache = LatentCache(encode, limit=2 * 3 * 16 * 4)
    assert torch.equal(cache(videos), videos * 2)
    assert torch.equal(cache(videos[2:]), videos[2:] * 2)
    assert calls == [0, 1, 2]
    cache(videos[:1])
    assert calls == [0, 1, 2, 0]
    assert cache.bytes == sum(value.nbytes for value in cache.kept.values()) <= cache.limit


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"preset": "half"}, "no preset 'half'; a published model is tuned full or lora"),
        ({"rank": 0}, "rank is 0; it must be above 0 for a lora"),
        ({"preset": "full"}, "rank is 2"),
        ({"targets": ("to_x",)}, "no layer of the network is called to_x"),
        ({"model": "nowhere"}, "is no published"),
    ],
)
@BOTH
def test_recipes_that_cannot_work(bench, task, change, said):
    with pytest.raises(RequestError, match=said):
        make_task(replace(bench.recipe(task, "lora"), **change))


@BOTH
def test_shapes_that_a_model_does_not_take(bench, task):
    for wrong in ({"width": 24}, {"num_frames": 2}):
        with pytest.raises(RequestError, match=r"n\+1 of multiples of 16"):
            make_task(bench.recipe(task, "lora", **wrong))


@ALL
def test_the_bundled_recipes(task, preset):
    recipe = read_recipe(RECIPES / f"{task}-{preset}.toml")
    assert (recipe.task, recipe.preset) == (task, preset)
    assert (recipe.rank > 0) == (preset == "lora")
    assert recipe.ema == 0 or preset == "lora"


def test_the_launch_file_is_accelerate_s():
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(RECIPES / "fsdp.yaml"))
    assert config.distributed_type == "FSDP"
    assert config.fsdp_config["fsdp_version"] == 2
