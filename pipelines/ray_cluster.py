"""A Ray cluster for one batch, on this machine alone: started in a process of its own, gone when the batch is."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from alaya.errors import AlayaError
from pipelines.batch_local import GRACE_SECONDS, start_quietly
from pipelines.batch_worker import leave_with_parent

START_SECONDS = 300.0
POLL_SECONDS = 0.2
SAID = "said.txt"  # what Ray says as it starts and ends
STORE_BYTES = 80 << 20  # near the least that Ray takes; no clip goes through its object store
MAX_ROOM = 20
"""Characters of the temporary folder's path: Ray's sockets lie 86 deeper, and a socket's path has 107 at most."""
PORTS = {  # an option of `ray start`: the file in which the node looks for the port of that helper of its
    "port": None,
    "dashboard-agent-grpc-port": "metrics_agent_port",
    "dashboard-agent-listen-port": "dashboard_agent_listen_port",
    "metrics-export-port": "metrics_export_port",
    "runtime-env-agent-port": "runtime_env_agent_port",
}
VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # its name for: on the loopback alone, on every system
    "RAY_agent_register_timeout_ms": str(round(START_SECONDS * 1000)),
    "RAY_worker_niceness": "0",  # else 15: on a busy machine the actors would wait for everybody else
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",  # the actors have gone before
}


class Cluster:
    """A cluster to be: made before Ray is imported, which reads variables of the environment as it is."""

    def __init__(self) -> None:
        self._changed = _secure()
        self._room: Path | None = None
        self._process: BaseProcess | None = None

    def start(self, num_cpus: int, num_gpus: int) -> str:
        """Start it and return its address, host:port, for `ray.init`; AlayaError if it does not come up."""
        ports = _free_ports(len(PORTS))
        self._room = _make_room()
        words = [f"--{name}={port}" for name, port in zip(PORTS, ports, strict=True)]
        words += [f"--num-cpus={num_cpus}", f"--num-gpus={num_gpus}", f"--object-store-memory={STORE_BYTES}"]
        words += [
            f"--temp-dir={self._room / 'r'}",
            "--node-ip-address=127.0.0.1",
            "--include-dashboard=false",
        ]
        words += ["--no-monitor", "--include-log-monitor=false"]
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(
            target=_keep, args=(words, ports, self._room / SAID), name="ray", daemon=True
        )
        start_quietly(self._process)
        self._wait(ports[0])
        return f"127.0.0.1:{ports[0]}"

    def close(self) -> None:
        """End the cluster, if it was started, and remove what it left."""
        if self._process is not None:
            self._process.terminate()
            self._process.join(GRACE_SECONDS)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
        for name in self._changed:
            os.environ.pop(name, None)
        if self._room is not None:
            shutil.rmtree(self._room, ignore_errors=True)

    def check(self) -> None:
        """Raise AlayaError, with its last words, if the cluster has ended."""
        if self._process is None or self._room is None or self._process.is_alive():
            return
        said = self._room / SAID
        lines = said.read_text(errors="replace").split("\n") if said.is_file() else []
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        raise AlayaError(f"Ray ended with code {self._process.exitcode} here ({last}); try --engine local")

    def _wait(self, port: int) -> None:
        """Until somebody listens at the cluster's door."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError as error:
                self.check()
                if time.monotonic() > deadline:
                    raise AlayaError(
                        f"Ray did not start here within {START_SECONDS:.0f} s; try --engine local"
                    ) from error
                time.sleep(POLL_SECONDS)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody uses at this moment."""
    doors = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [door.getsockname()[1] for door in doors]
    for door in doors:
        door.close()
    return ports


def _make_room() -> Path:
    """A new folder that only we can enter: the one that Ray makes in it is open to all.

    It lies in /tmp where the system's own temporary folder lies too deep.
    """
    place = tempfile.gettempdir()
    short = len(place) <= MAX_ROOM or not Path("/tmp").is_dir()
    return Path(tempfile.mkdtemp(prefix="alaya-ray-", dir=place if short else "/tmp"))


def _secure() -> list[str]:
    """Set what Ray reads from the environment, here and in all it starts; the names that were set.

    A token keeps other users of the machine out. Who has chosen a way to authenticate keeps it.
    """
    wanted = dict(VARIABLES)
    if "ray" in sys.modules:  # it has read this one already, and both ends have to agree
        del wanted["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"]
    if "RAY_AUTH_MODE" not in os.environ:
        wanted |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    changed = [name for name in wanted if name not in os.environ]
    os.environ.update({name: wanted[name] for name in changed})
    return changed


def _keep(words: list[str], ports: list[int], said: Path) -> None:
    """The life of the process that keeps the cluster: it is `ray start --block`, and ends with its parent."""
    os.setsid()  # Ctrl-C is for the batch, which stops the actors first
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    threading.Thread(target=leave_with_parent, daemon=True).start()
    import ray.scripts.scripts as scripts  # pyright: ignore[reportMissingImports]

    _hurry(ports)
    try:
        scripts.cli(["start", "--head", "--block", *words])
    finally:
        parent = multiprocessing.parent_process()
        if parent is None or not parent.is_alive():  # nobody else will
            shutil.rmtree(said.parent, ignore_errors=True)


def _hurry(ports: list[int]) -> None:
    """Change what keeps Ray's node from starting on a busy machine; of no effect where Ray has no such thing.

    The node waits 15 s for the files in which its helpers tell their ports, and then dies, although the ports were
    given: a busy machine takes longer to import them. And a web server runs even where it is not wanted, which asks
    the network what cloud this may be.
    """
    from ray._private.node import Node  # pyright: ignore[reportMissingImports]

    start = Node.start_raylet

    def start_raylet(node: Any, *args: Any, **options: Any) -> Any:
        for name, port in zip(PORTS.values(), ports, strict=True):
            if name is not None:
                Path(node._session_dir, f"{name}_{node._node_id}").write_text(str(port))
        return start(node, *args, **options)

    Node.start_raylet = start_raylet
    Node.start_api_server = lambda *_, **__: None
