"""The published editing model against the reference's numbers, from its files as they are published."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from alaya.errors import WeightsError, WeightsNotFoundError
from alaya.golden import compare, compare_levels
from editing.wan_verify import verify_golden

pytestmark = pytest.mark.timeout(900)  # about fifteen seconds of one free core; others may be at work
GOLDEN = Path(__file__).parent / "data" / "golden" / "editing"


@pytest.fixture(scope="module")
def groups():
    return {group.name: group for group in verify_golden(GOLDEN)}


@pytest.mark.parametrize(
    ("name", "error"),
    [
        *[(f"net{n} {way}", 1e-6) for n in range(3) for way in ("forward", "sampling")],
        ("y untiled", 1e-6),
        ("y tiled", 1e-6),
        ("text positive", 3e-6),
        ("text negative", 3e-6),
        ("sigmas", 1e-6),
        ("timesteps", 0),
        ("latents", 1e-5),
    ],
)
def test_numbers_are_the_reference_s(groups, name, error):
    assert groups[name].good
    assert groups[name].error <= error


@pytest.mark.parametrize("name", ["frames tiled", "frames untiled"])
def test_frames_are_the_reference_s(groups, name):
    assert groups[name].good
    assert groups[name].error <= 1e-3
    assert groups[name].levels <= 1


def test_nothing_else_was_compared(groups):
    assert len(groups) == 15


def test_a_wrong_number_is_seen(tmp_path):
    folder = tmp_path / "golden"
    shutil.copytree(GOLDEN, folder, ignore=shutil.ignore_patterns("io.safetensors"))
    vectors = load_file(GOLDEN / "io.safetensors")
    only = {key: value for key, value in vectors.items() if key.startswith("net1.")}
    only["net1.out"] = only["net1.out"] * (1 + 1e-4)
    save_file(only, folder / "io.safetensors")
    groups = verify_golden(folder)
    assert [group.name for group in groups] == ["net1 forward", "net1 sampling"]
    assert not any(group.good for group in groups)
    assert "WRONG" in groups[0].line()
    (folder / "meta.json").write_text(json.dumps({"cfg": {}}))
    with pytest.raises(WeightsError, match="misstate something"):
        verify_golden(folder)
    (folder / "models_t5.pth").unlink()
    (folder / "meta.json").write_text("{")
    with pytest.raises(WeightsError, match="not JSON"):
        verify_golden(folder)
    with pytest.raises(WeightsNotFoundError, match=r"meta\.json"):
        verify_golden(tmp_path / "nowhere")


def test_comparisons_are_strict():
    ones = torch.ones(10)
    assert compare("same", ones, ones, 0.0).good
    assert compare("off", ones * 1.001, ones, 1e-2).error == pytest.approx(1e-3, rel=1e-4)
    assert not compare("shape", ones[:5], ones, 1.0).good
    assert not compare("nan", ones * float("nan"), ones, 1.0).good
    levels = torch.full((10_000,), 7, dtype=torch.uint8)
    one_off = levels.clone()
    one_off[:5] += 1
    assert compare_levels("few", one_off, levels).good
    far_off = levels.clone()
    far_off[0] += 2
    assert not compare_levels("far", far_off, levels).good
    assert not compare_levels("many", levels + 1, levels).good
