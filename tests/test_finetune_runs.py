"""Fine-tuning tiny published models: it learns, resumes to the same bits, and accumulates."""

import pytest
import torch
from finetune_samples import Bench
from safetensors import safe_open

from training.loop import Run
from training.tasks import make_task

BOTH = pytest.mark.parametrize("task", ["wan", "cosmos"])
ALL = pytest.mark.parametrize(
    ("task", "preset"), [("wan", "full"), ("wan", "lora"), ("cosmos", "full"), ("cosmos", "lora")]
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("bench"))


def trained(run):
    return {key: value for key, value in run.plain_net.named_parameters() if value.requires_grad}


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@ALL
def test_the_loss_goes_down_on_a_fixed_batch(bench, tmp_path, task, preset):
    recipe = bench.recipe(task, preset, steps=30, lr=1e-2)
    chosen = make_task(recipe)
    batch, loss, losses = chosen.batch(0, recipe.phases[0]), chosen.loss, []
    chosen.batch = lambda step, phase: batch

    def kept(*inputs):
        losses.append(loss(*inputs))
        return losses[-1]

    chosen.loss = kept
    before = {key: value.clone() for key, value in chosen.net.state_dict().items()}
    run = Run(recipe, chosen, tmp_path)
    assert run.train()
    first, last = (float(losses[place][0].detach()) for place in (0, -1))
    assert last < 0.9 * first
    changed = {
        key for key, value in run.plain_net.state_dict().items() if not torch.equal(value, before[key])
    }
    assert changed == set(trained(run))
    assert all("lora_" in key for key in changed) == (preset == "lora")
    assert list((tmp_path / "sheets").glob("*.png"))


@ALL
def test_a_resumed_run_is_the_same_run(bench, tmp_path, task, preset):
    recipe = bench.recipe(task, preset, steps=4, save_every=2, accumulate=2, batch=1, ema=0.9)
    whole = Run(recipe, make_task(recipe), tmp_path / "whole")
    assert whole.train()
    cut = make_task(recipe)
    draw = cut.batch
    cut.batch = lambda step, phase: draw(step, phase) if step < 7 else pytest.fail("killed")
    broken = Run(recipe, cut, tmp_path / "cut")
    with pytest.raises(pytest.fail.Exception):
        broken.train()  # three steps and a half are taken, two are saved
    second = Run(recipe, make_task(recipe), tmp_path / "cut")
    assert second.resume()
    assert second.progress.step == 2
    assert second.train()
    assert equal(dict(second.plain_net.state_dict()), dict(whole.plain_net.state_dict()))
    assert equal(second.averaged(), whole.averaged())
    states = [run.optimizer.state_dict()["state"] for run in (second, whole)]
    assert len(states[0]) == len(trained(whole)) > 0
    assert all(equal(states[0][key], states[1][key]) for key in states[1])
    with safe_open(tmp_path / "cut" / "state" / "model.safetensors", "pt") as file:
        assert set(file.keys()) == (set(trained(whole)) if preset == "lora" else set(file.keys()))


@BOTH
def test_two_batches_of_one_are_one_batch_of_two(bench, tmp_path, task):
    gradients = []
    for parts in (1, 2):
        recipe = bench.recipe(task, "full", steps=1, accumulate=parts, batch=2 // parts)
        run = Run(recipe, make_task(recipe), tmp_path / str(parts))
        clip = run.accelerator.clip_grad_norm_

        def seen(weights, norm, clip=clip):
            weights = list(weights)
            gradients.append([weight.grad.clone() for weight in weights if weight.grad is not None])
            return clip(weights, norm)

        run.accelerator.clip_grad_norm_ = seen
        run._step(run._batches())
    one, two = gradients
    assert len(one) == len(two) > 10
    error = sum(float((a - b).square().sum()) for a, b in zip(one, two, strict=True)) ** 0.5
    length = sum(float(a.square().sum()) for a in one) ** 0.5
    assert error < 1e-6 * length
    assert length > 0
