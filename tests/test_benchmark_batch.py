"""The batch's benchmark: every case is timed, results that differ are refused, and the README's table is made."""

import json
import sys
from pathlib import Path

import pytest
from test_scripts import load

from pipelines.journal import HIDDEN

SECONDS = {(1, 1): 100.0, (2, 2): 50.0, (1, None): 75.0}


@pytest.fixture
def benchmark(monkeypatch):
    script = load("benchmark_batch", monkeypatch)
    monkeypatch.setattr(script.os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(script, "measure", lambda jobs, *case: (SECONDS[case], {"a.mp4": "same"}))
    monkeypatch.setattr(
        sys, "argv", ["benchmark_batch", "--clips", "2", "--frames", "1", "--output", "batch.json"]
    )
    return script


def test_figures_and_their_table(benchmark, monkeypatch):
    benchmark.main()
    result = json.loads(Path("batch.json").read_text())
    assert result["speed_up"] == 2
    assert result["speed_up_over_all_cores"] == 1.5
    assert result["clips_per_minute"] == {"one": 1.2, "two": 2.4, "one, all cores": 1.6}
    tables = load("readme_tables", monkeypatch)
    text = tables.batch(result)
    assert "| 2 workers, 2 cores | 50 | 2.4 |" in text
    assert "2.00 times" in text
    assert "1.50 times" in text


def test_the_table_waits_for_its_figures(monkeypatch, tmp_path):
    tables = load("readme_tables", monkeypatch)
    monkeypatch.setattr(tables, "TABLES", {"batch": tables.batch})
    assert tables.fill("nothing", tmp_path) == "nothing"


def test_batches_that_differ_are_refused(benchmark, monkeypatch):
    monkeypatch.setattr(benchmark, "measure", lambda jobs, *case: (1.0, {"a.mp4": str(case)}))
    with pytest.raises(SystemExit, match="did not make the same files"):
        benchmark.main()
    assert not Path("batch.json").exists()


def test_one_core_is_too_few(benchmark, monkeypatch):
    monkeypatch.setattr(benchmark.os, "sched_getaffinity", lambda _: {0})
    with pytest.raises(SystemExit, match="two processor cores"):
        benchmark.main()


def test_what_holds_times_is_no_result(benchmark):
    for name in ("batch.json", "a/clip.json", f"a/{HIDDEN}/journal.jsonl"):
        Path("out", name).parent.mkdir(parents=True, exist_ok=True)
        Path("out", name).write_text(name)
    assert list(benchmark.results_of(Path("out"))) == ["a/clip.json"]
