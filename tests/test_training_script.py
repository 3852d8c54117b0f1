"""The script that trains the larger pair on a CUDA machine goes its whole way, small and on a CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alaya.weights import read_card
from training.recipe import read_recipe

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "scripts" / "train_on_gpu.sh"


def run(step, folder, minutes="0.05", script=SCRIPT):
    own = {
        "SMOKE": "1",
        "MINUTES": minutes,
        "WORKERS": "1",
        "OUT": str(folder / "out"),
        "PYTHON": sys.executable,
    }
    result = subprocess.run(
        ["bash", str(script), step], cwd=folder, env={**os.environ, **own}, capture_output=True, text=True
    )
    return result.returncode, result.stdout + result.stderr


@pytest.mark.parametrize("stage", ["inverse", "editing"])
def test_the_recipes_are_read_and_run_by_the_clock(stage):
    recipe = read_recipe(ROOT / "training" / "recipes" / f"{stage}-medium.toml")
    assert (recipe.task, recipe.preset, recipe.precision) == (stage, "medium", "bf16")
    assert recipe.by_time
    assert recipe.workers > 0
    assert [(phase.width, phase.num_frames) for phase in recipe.phases] == [(128, 1), (256, 1), (256, 3)]
    assert recipe.phases[-1].end < 0.1


def test_wrong_use_is_refused(tmp_path):
    code, said = run("everything", tmp_path)
    assert code == 2
    assert "doctor|data|inverse|editing|eval|benchmark" in said


def test_large_files_are_handed_out_in_parts(tmp_path):
    large = tmp_path / "model.safetensors"
    large.write_bytes(os.urandom(1 << 20) * 16)
    (tmp_path / "card.json").write_text("{}")
    cut = (
        f"source <(sed '/^case/,$d' {SCRIPT}); hand_out inverse {large} {tmp_path}/card.json {tmp_path}/none"
    )
    env = {**os.environ, "OUT": str(tmp_path / "out")}
    subprocess.run(["bash", "-c", cut], env=env, check=True, capture_output=True)
    found = sorted((tmp_path / "out" / "inverse").iterdir())
    names = ["card.json", "model.safetensors.part-aa", "model.safetensors.part-ab"]
    assert [path.name for path in found] == names
    assert b"".join(path.read_bytes() for path in found[1:]) == large.read_bytes()


@pytest.mark.egl
@pytest.mark.slow
def test_worlds_become_a_measured_pair(tmp_path):
    code, said = run("data", tmp_path, minutes="40")
    assert code == 0, said
    for name in ("heldout", "train-gpu-stills", "train-gpu-clips"):
        assert f"2 clips in data/{name}" in said
    for stage in ("inverse", "editing"):
        code, said = run(stage, tmp_path)
        assert code == 0, said
        leg = read_card(tmp_path / "runs" / "gpu" / stage / "checkpoint", stage)["legs"][0]
        assert leg["steps"] == sum(phase["steps"] for phase in leg["phases"]) > 0
        handed = {path.name for path in (tmp_path / "out" / stage).iterdir()}
        assert handed >= {"card.json", "model.safetensors", "README.md"}
    code, said = run("inverse", tmp_path)
    assert code == 0
    assert "is there; remove" in said
    code, said = run("eval", tmp_path)
    assert code == 0, said
    figures = json.loads((tmp_path / "out" / "figures" / "inverse-medium.json").read_text())
    assert figures["clips"] == 2
    assert (tmp_path / "out" / "figures" / "editing-medium.json").is_file()
