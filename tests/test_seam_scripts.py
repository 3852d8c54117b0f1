"""The script that measures seams: bars that are missed are named, and the README's table shows the worst channel."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from alaya.clip import ClipInfo, ClipWriter
from alaya.clip_info import DepthInfo
from alaya.gbuffer import GBuffer
from alaya.video import VideoWriter

ROOT = Path(__file__).parent.parent
GOOD = {"ratio": 0.7, "stands_out": 1.01, "worst": 0.2, "interior": 0.1, "drift": 0.3}


@pytest.fixture(scope="module")
def scripts():
    sys.path.insert(0, str(ROOT))
    found = {}
    for name in ("measure_seams", "readme_tables"):
        spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
        found[name] = importlib.util.module_from_spec(spec)
        sys.modules[name] = found[name]
        spec.loader.exec_module(found[name])
    yield found
    sys.path.remove(str(ROOT))


def result(part, depth, lost=0.0):
    rows = {"albedo": GOOD, "depth": {**GOOD, **depth}}
    found = {"rows": rows, "source": GOOD}
    if part == "moving":
        found["psnr_lost"] = {"albedo": 0.0, "depth": lost}
    return {part: {"57": {"frames": 57, "windows": {"17": found}}}}


@pytest.mark.parametrize(
    ("given", "missed"),
    [
        (("moving", {}), []),
        (("moving", {"ratio": 1.06}), ["moving 57 in 17, depth: ratio 1.060"]),
        (("moving", {"ratio": None}), []),
        (("moving", {}, 0.21), ["moving 57 in 17, depth: 0.21 dB lost"]),
        (("still", {}), []),
        (("still", {"drift": 1.2}), ["still 57 in 17, depth: drift 1.20"]),
        (("still", {"worst": 1.3}), ["still 57 in 17, depth: border 1.30 above 1.00"]),
        (("still", {"worst": 1.3, "interior": 1.3}), []),
    ],
)
def test_a_bar_that_is_missed_is_named(scripts, given, missed):
    assert scripts["measure_seams"].bars(result(*given)) == missed


def test_the_table_shows_the_worst_channel(scripts):
    lines = scripts["readme_tables"].seams(result("moving", {"ratio": 0.9}, 0.05)).splitlines()
    assert lines[2] == "| moving, 57 frames | 17 frames | 0.9 (depth) | 1.01 (albedo) | 1.01 | - | - | 0.05 |"
    lines = scripts["readme_tables"].seams(result("still", {"worst": 0.4})).splitlines()
    assert lines[2] == "| still, 57 frames | 17 frames | - | - | 1.01 | 0.4 (depth) | 0.3 (albedo) | - |"


def test_accuracy_is_measured_against_the_truth_as_it_is_seen(scripts, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    ones = np.ones((2, 16, 16, 1), np.float32)
    normal = ones * np.array([0, 0, 1], np.float32)
    clip = GBuffer(0.25 * ones * np.ones(3, np.float32), normal, 4 * ones, 0.5 * ones, 0.5 * ones)
    with ClipWriter(tmp_path, ClipInfo(2, 16, 16, depth=DepthInfo("relative", 0.5, 100.0))) as writer:
        writer.write(clip)
    with VideoWriter(tmp_path / "edits" / "a.mp4", 16, 16, 24, crf=1) as writer:
        for _ in range(2):
            writer.write(np.full((16, 16, 3), 100, np.uint8))
    truth = GBuffer(clip.albedo, normal, 4 * ones, 0.6 * ones, 0.5 * ones)
    styled = np.full((2, 16, 16, 3), 151, np.uint8)  # a fifth of white away
    take = scripts["measure_seams"].Take(styled, truth, "night", styled, "street")
    found = scripts["measure_seams"].accuracy(tmp_path, take)
    assert found["roughness"] == pytest.approx(20, abs=0.01)
    assert found["edited"] == pytest.approx(14, abs=0.2)
    assert found["albedo"] > 60
