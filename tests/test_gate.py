"""The gate is one gate: pre-commit, make check and CI agree, and tests cannot reach out or litter."""

import re
import socket
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()


def recipe(target):
    """Return the command lines of a make target, with the tools' folder taken off."""
    body = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, flags=re.MULTILINE)[1]
    return [line.strip().replace("$(BIN)/", "") for line in body.splitlines()]


def test_pre_commit_runs_what_make_check_runs():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (repo,) = config["repos"]
    assert repo["repo"] == "local"
    assert {hook["language"] for hook in repo["hooks"]} == {"system"}
    entries = [hook["entry"].replace(".venv/bin/", "") for hook in repo["hooks"]]
    assert [entry.removesuffix(' -m "not slow"') for entry in entries] == recipe("check")


@pytest.mark.parametrize("target", ["demo", "test", "check", "format"])
def test_each_target_sets_up_first(target):
    assert re.search(rf"^{target}: setup$", MAKEFILE, flags=re.MULTILINE)


def test_ci_calls_make_test():
    script = ROOT / ".ci" / "run"
    assert re.search(r"^make test\b", script.read_text(), flags=re.MULTILINE)
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0


def test_a_test_cannot_reach_the_network():
    with socket.socket() as outside, pytest.raises(RuntimeError, match=r"192\.0\.2\.1:80"):
        outside.connect(("192.0.2.1", 80))


def test_a_test_can_reach_its_own_machine():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_a_test_stands_in_an_empty_folder(tmp_path):
    assert Path.cwd() == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_a_renderer_that_cannot_be_made_is_a_reason_not_an_error(monkeypatch):
    moderngl = pytest.importorskip("moderngl")
    import conftest

    def refuse(**_):
        raise OSError("libEGL.so.1 is not there")

    monkeypatch.setattr(moderngl, "create_context", refuse)
    assert "libEGL.so.1 is not there" in conftest._egl_problem.__wrapped__()
