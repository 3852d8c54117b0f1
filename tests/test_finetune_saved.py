"""What fine-tuning leaves behind: a LoRA as diffusers has it, a tuned model that loads as any other."""

import json

import numpy as np
import pytest
import torch
from finetune_samples import Bench
from gbuffer_samples import make_gbuffer

from alaya.lora import merge_loras
from alaya.weights import read_card
from editing.models import load_editor
from editing.wan_files import find_wan
from editing.wan_load import load_transformer
from inverse.cosmos_files import find_cosmos
from inverse.cosmos_load import load_parts
from inverse.models import load_inverse
from training.loop import Run
from training.run import train

BOTH = pytest.mark.parametrize("task", ["wan", "cosmos"])


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("bench"))


def recipe_file(recipe, path):
    values = {key: value for key, value in vars(recipe).items() if key != "phases"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    phase = [f"{key} = {json.dumps(value)}" for key, value in vars(recipe.phases[0]).items()]
    path.write_text("\n".join([*lines, "[[phases]]", *phase]))
    return path


@BOTH
def test_a_lora_is_saved_as_diffusers_has_it(bench, tmp_path, task, monkeypatch):
    runs = []
    monkeypatch.setattr(
        "training.run.Run", lambda *args, **kwargs: runs.append(Run(*args, **kwargs)) or runs[-1]
    )
    path = recipe_file(bench.recipe(task, "lora", steps=3, ema=0.0), tmp_path / "recipe.toml")
    folder = train(path, tmp_path / "run")
    card = read_card(folder, "editing" if task == "wan" else "inverse")
    assert card["network"]["rank"] == 2
    assert card["legs"][0]["steps"] == 3
    assert "a LoRA of rank 2" in (folder / "README.md").read_text()
    if task == "wan":
        files = find_wan(str(bench.models[task]))
        merged, base = (load_transformer(files.transformer, torch.float32, "cpu") for _ in range(2))
        inputs = torch.randn(1, 96, 1, 2, 4), torch.tensor([500.0]), torch.randn(1, 4, 16)
    else:
        files = find_cosmos(str(bench.models[task]))
        merged, base = (load_parts(files, torch.float32, torch.float32)[0] for _ in range(2))
        inputs = torch.randn(1, 32, 1, 2, 4), torch.tensor([0.3]), torch.tensor([2])
    assert card["base"] == files.identity()
    merge_loras(merged, [(folder, 1.0)])
    net = runs[0].plain_net.eval()
    with torch.no_grad():
        tuned, plain, wanted = (each(*inputs, return_dict=False)[0] for each in (merged, base, net))
    assert float((tuned - wanted).norm() / wanted.norm()) < 1e-5
    assert float((tuned - plain).norm() / plain.norm()) > 1e-4


@BOTH
def test_a_tuned_model_is_a_model(bench, tmp_path, task):
    path = recipe_file(bench.recipe(task, "full", steps=2), tmp_path / "recipe.toml")
    folder = train(path, tmp_path / "run")
    card = read_card(folder)
    load = load_editor if task == "wan" else load_inverse
    loaded, start = load(folder, device="cpu"), load(bench.models[task], device="cpu")
    assert loaded.info.sha256 == card["sha256"] != start.info.sha256
    if task == "wan":
        gbuffer = make_gbuffer(1, 16, 32, seed=4)
        pictures = [each.predict(gbuffer, each.encode_text("snow"), num_steps=1) for each in (loaded, start)]
    else:
        rgb = np.random.default_rng(0).random((1, 16, 32, 3), dtype=np.float32)
        pictures = [each.predict(rgb, num_steps=1).albedo for each in (loaded, start)]
    assert np.isfinite(pictures[0]).all()
    assert not np.array_equal(*pictures)
    later = read_card(train(path, tmp_path / "later", init=folder))
    assert [leg["started_from"] for leg in later["legs"]] == [None, card["sha256"]]
    assert later["base"] == card["sha256"]
