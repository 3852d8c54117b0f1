"""What every test gets: an empty folder, no network, one thread, honest skips for EGL and CUDA."""

import functools
import ipaddress
import os
import socket

# Before anything loads torch: one thread gives the same sums on every machine and leaves cores to others.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """Run in a folder of the test's own, so that default outputs never land in the repository."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Refuse connections that leave the machine; local sockets stay, process pools need them."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address[0]):
            raise RuntimeError(f"a test tried to reach {address[0]}:{address[1]}; tests run without network")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def _is_local(host):
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
