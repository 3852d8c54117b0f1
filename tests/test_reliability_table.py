"""The README's table of what is withstood: every count as it stands in the result file, and what is missing said."""

import json
from pathlib import Path

from scripts.reliability_table import CORPORA, MISSING, TRIALS, reliability

RESULT = Path(__file__).parent.parent / "benchmarks" / "results" / "reliability.json"
KINDS = Path(__file__).parent.parent / "scripts" / "torture_trials.py"


def row_of(text, start):
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {start}")]
    return line.split(" | ")[-1].removesuffix(" |")


def test_what_was_not_measured_is_said():
    assert reliability({}).count(MISSING) == len(TRIALS) + len(CORPORA) + 3


def test_failures_show():
    kill = {"good": 98, "of": 100}
    stop = {"good": 20, "of": 20, "largest_seconds": 1.44}
    corpus = {"tried": 500, "right": 480, "undetectable": 10, "slowest_s": 0.08, "largest_mb": 3.4}
    text = reliability(
        {
            "torture": {"clip": "a clip", "trials": {"kill": kill, "stop": stop}},
            "media_mutants": corpus,
            "memory": [
                {
                    "frames": [81, 2000],
                    "size": [72, 128],
                    "working_size": None,
                    "growth": {"inverse": 0.0312},
                },
                {"frames": [81, 99], "size": [48, 64], "working_size": [32, 40], "growth": {"edit": -0.01}},
            ],
            "network": {"attempts": 2, "tests": 9},
        }
    )
    assert row_of(text, "killed (-9)") == "98 of 100"
    assert row_of(text, "SIGINT") == "20 of 20; slowest 1.4 s"
    assert row_of(text, "damaged media").startswith("480 of 500 (the other 10 are lawful")
    assert row_of(text, "peak memory") == (
        "inverse +3.1 % (81 against 2000 frames of 128x72);"
        " edit -1.0 % (81 against 99 frames of 64x48 worked at 40x32)"
    )
    assert row_of(text, "the tests") == "2 attempts in 9 tests"


def test_every_kind_that_is_counted_has_a_row():
    result = json.loads(RESULT.read_text())
    assert set(result["torture"]["trials"]) <= set(TRIALS)
    assert set(result) - {"torture", "memory", "network"} <= set(CORPORA)
    assert all(f"def {kind}(" in KINDS.read_text() for kind in TRIALS)
