"""No test reaches another machine: what watches over that does see an attempt, here and in other processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PROGRAM = """
import socket
for act in ({acts}):
    try:
        act()
    except OSError:
        pass
"""


def attempts(tmp_path, acts):
    """What is noted of a Python process in which these are called."""
    place = tmp_path / "noted"
    place.touch()
    variables = {**os.environ, "ALAYA_ATTEMPTS": str(place), "PYTHONPATH": str(TESTS / "watched")}
    command = [sys.executable, "-c", PROGRAM.format(acts=f"{acts},")]
    subprocess.run(command, env=variables, check=True, timeout=60)
    return place.read_text().splitlines()


@pytest.mark.parametrize(
    "act",
    [
        "lambda: socket.create_connection(('192.0.2.1', 9), timeout=0.01)",
        "lambda: socket.getaddrinfo('nowhere.invalid', 80)",
        "lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))",
    ],
)
def test_an_attempt_in_another_process_is_noted(tmp_path, act):
    assert attempts(tmp_path, act)


def test_this_machine_may_be_reached(tmp_path):
    act = "lambda: socket.create_connection(('127.0.0.1', 9), timeout=0.01)"
    assert attempts(tmp_path, act) == []


def test_a_session_with_an_attempt_fails_and_counts_it(tmp_path):
    """A session of its own: its test swallows the refusal, and the session fails all the same."""
    (tmp_path / "conftest.py").write_text((TESTS / "conftest.py").read_text())
    (tmp_path / "watched").symlink_to(TESTS / "watched")
    (tmp_path / "test_one.py").write_text(
        "import socket\n\ndef test_one():\n    try:\n        socket.create_connection(('192.0.2.1', 9))\n"
        "    except RuntimeError as error:\n        assert 'without network' in str(error)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--attempts", "counts.json"]
    variables = {
        **os.environ,
        "ALAYA_ATTEMPTS": str(tmp_path / "noted"),
    }  # not those of the session around it
    result = subprocess.run(
        command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 1, result.stdout
    assert "1 passed" in result.stdout
    counts = json.loads((tmp_path / "counts.json").read_text())["network"]
    assert counts["attempts"] >= 1
    assert (counts["tests"], counts["failed"]) == (1, 0)
