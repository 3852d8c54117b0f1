"""The scripts' own logic: what the benchmark measures and how the README's tables are written."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from training.card import with_metrics

ROOT = Path(__file__).parent.parent


def load(name, monkeypatch):
    """Load a script as a module, registered under its name as dataclasses need it."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def benchmark(monkeypatch):
    return load("benchmark", monkeypatch)


@pytest.fixture
def tables(monkeypatch):
    return load("readme_tables", monkeypatch)


@pytest.mark.parametrize(
    ("length", "num_frames", "expected"),
    [(4, 8, [0, 1, 2, 3, 2, 1, 0, 1]), (1, 3, [0, 0, 0]), (2, 5, [0, 1, 0, 1, 0]), (9, 3, [0, 1, 2])],
)
def test_ping_pong_has_no_jump(benchmark, length, num_frames, expected):
    assert benchmark.ping_pong(length, num_frames) == expected


def test_measure_sees_time_and_memory():
    # In a fresh interpreter: a child starts at the peak of the process that started it, and pytest is large.
    program = """
import json, runpy, sys
measure = runpy.run_path(sys.argv[1], run_name="benchmark")["measure"]
idle = measure([sys.executable, "-c", "pass"])
busy = measure([sys.executable, "-c", "import time; held = b'x' * (200 << 20); time.sleep(0.3)"])
print(json.dumps([busy.wall_s, busy.peak_rss_mib - idle.peak_rss_mib]))
"""
    command = [sys.executable, "-c", program, str(ROOT / "scripts" / "benchmark.py")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    wall, more_memory = json.loads(result.stdout)
    assert 0.3 <= wall < 30
    assert 180 < more_memory < 230


def test_measure_stops_at_a_failure_with_its_last_words(benchmark):
    with pytest.raises(SystemExit, match=r"ended with 3:\nno such clip"):
        benchmark.measure([sys.executable, "-c", "import sys; print('no such clip'); sys.exit(3)"])


def test_machine_is_described(benchmark):
    machine = benchmark.describe_machine("cpu")
    assert machine["cores_used"] >= 1
    assert machine["memory_gib"] > 0
    assert machine["torch"]
    assert json.dumps(machine)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (17.4567, "17.5"), (0.26512, "0.265"), (81, "81"), (1432.7, "1433"), ("a", "a")],
)
def test_figures_have_three_digits(tables, value, text):
    assert tables.figure(value) == text


def test_accuracy_table_sets_baselines_beside_the_metric(tables):
    result = {
        "set": "held-out",
        "clips": 100,
        "model": "small",
        "metrics": {
            "depth_absrel": {"mean": 0.2651, "median": 0.21},
            "albedo_psnr": {"mean": 17.0, "median": 16.0},
            "sky_iou": 0.87,
        },
        "baselines": {
            "constant": {"depth_absrel": 0.41, "albedo_psnr": 14.0},
            "mean per row": {"depth_absrel": 0.32, "albedo_psnr": 15.1},
        },
    }
    lines = tables.accuracy(result).splitlines()
    assert lines[0] == "| metric | mean | median | best trivial baseline |"
    assert lines[2] == "| depth_absrel | 0.265 | 0.21 | 0.32 (mean per row) |"
    assert lines[3] == "| albedo_psnr | 17 | 16 | 15.1 (mean per row) |"
    assert lines[4] == "| sky_iou | 0.87 | - | - |"


def test_missing_results_are_said_and_filling_twice_changes_nothing(tables, tmp_path):
    text = "".join(f"<!-- table: {name} -->\nold\n<!-- end of table -->\n" for name in tables.TABLES)
    once = tables.fill(text, tmp_path)
    assert once.count(tables.MISSING) == len(tables.TABLES)
    assert "old" not in once
    assert tables.fill(once, tmp_path) == once


def test_a_table_that_waits_for_its_result_needs_no_place(tables, tmp_path):
    others = [name for name in tables.TABLES if name not in tables.NOT_YET]
    text = "".join(f"<!-- table: {name} -->\nold\n<!-- end of table -->\n" for name in others)
    assert tables.fill(text, tmp_path).count(tables.MISSING) == len(others)
    (tmp_path / "published.json").write_text('{"runs": {}}')
    with pytest.raises(SystemExit, match="markers of the table published once"):
        tables.fill(text, tmp_path)


def test_a_table_without_markers_is_refused(tables, tmp_path):
    with pytest.raises(SystemExit, match="markers of the table main-job once"):
        tables.fill("no markers here", tmp_path)


def test_the_cards_of_the_bundled_weights_tell_their_own_figures(monkeypatch):
    cards = load("card_metrics", monkeypatch)
    for folder, names in cards.CARDS.items():
        for path, text in cards.fresh(folder, names).items():
            assert path.read_text() == text, f"{path} is out of date; run scripts/card_metrics.py"
        metrics = json.loads((folder / "card.json").read_text())["metrics"]
        assert metrics["heldout"]["clips"] >= 100
        assert len(metrics) == len(names)


def test_figures_of_other_weights_do_not_get_into_a_card():
    card = {"name": "a", "sha256": "1", "metrics": {"old": {}}}
    own = {"set": "heldout", "sha256": "1", "clips": 3, "metrics": {"psnr": {"mean": 2.0, "median": 1.0}}}
    other = {"set": "foreign", "sha256": "2", "clips": 3, "metrics": {"psnr": {"mean": 9.0}}}
    assert with_metrics(card, [own, other])["metrics"] == {"heldout": {"clips": 3, "psnr": 2.0}}
    assert with_metrics(card, [other])["metrics"] == {}
