"""What every test gets: an empty folder, no network, one thread, honest skips for EGL and CUDA."""

import functools
import importlib.util
import json
import os
import socket
import tempfile
from pathlib import Path

# Before anything loads torch: one thread gives the same sums on every machine and leaves cores to others.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

WATCHED = Path(__file__).parent / "watched"
ATTEMPTS = pytest.StashKey[Path]()


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Run in a folder of the test's own, so that default outputs never land in the repository."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pytest_addoption(parser):
    """Add the option by which the number of attempts to reach another machine is kept."""
    parser.addoption("--attempts", metavar="FILE", help="a JSON file to write the attempts' count into")


def pytest_configure(config):
    """Have every attempt to reach another machine noted, in this process and in all Python it starts."""
    place = Path(tempfile.mkdtemp(prefix="alaya-attempts-")) / "attempts"
    place.touch()
    os.environ["ALAYA_ATTEMPTS"] = str(place)
    paths = (str(WATCHED), os.environ.get("PYTHONPATH"))
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    config.stash[ATTEMPTS] = place
    _watch()


def pytest_sessionfinish(session):
    """Fail if a test tried to reach another machine, and keep the count if that is wanted."""
    made = session.config.stash[ATTEMPTS].read_text().splitlines()
    if made:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    wanted = session.config.getoption("--attempts")
    if wanted:
        kept = json.loads(Path(wanted).read_text()) if Path(wanted).is_file() else {}
        counts = {"tests": session.testscollected, "failed": session.testsfailed, "attempts": len(made)}
        Path(wanted).write_text(json.dumps(kept | {"network": counts}, indent=2) + "\n")


def pytest_terminal_summary(terminalreporter, config):
    """Name the attempts to reach another machine."""
    for line in config.stash[ATTEMPTS].read_text().splitlines():
        terminalreporter.write_line(f"tried to leave this machine: {line}")


@functools.cache
def _watch():
    """Load what notes attempts into this process, which did not find it by its name; a hook cannot be taken back."""
    spec = importlib.util.spec_from_file_location("attempts", WATCHED / "sitecustomize.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Refuse connections that leave the machine; local sockets stay, process pools need them."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and _watch().leaves(address[0]):
            raise RuntimeError(f"a test tried to reach {address[0]}:{address[1]}; tests run without network")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@functools.cache
def _egl_problem():
    """Return why no off-screen renderer can be made here, or an empty string."""
    try:
        import moderngl

        context = moderngl.create_context(standalone=True, backend="egl")
        context.release()
    except Exception as error:  # whatever a driver or a missing library raises is the reason to show
        return f"no EGL context: {error} (apt-get install libegl1 libgl1-mesa-dri libgl1)"
    return ""


@functools.cache
def _cuda_problem():
    """Return why CUDA cannot be used here, or an empty string."""
    try:
        import torch
    except ImportError as error:
        return str(error)
    return "" if torch.cuda.is_available() else "CUDA is not available"


def pytest_runtest_setup(item):
    """Skip marked tests with the reason, looking for a device only when such a test is really asked for."""
    for mark, problem in (("egl", _egl_problem), ("gpu", _cuda_problem)):
        if item.get_closest_marker(mark) and problem():
            pytest.skip(problem())
