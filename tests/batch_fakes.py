"""Fake models for the workers of a batch: they are found by name in another process, and fail as the seed says."""

import os
import signal
import time
from pathlib import Path

from fakes import FakeEditor, FakeInverse

from pipelines.loading import Loader

LOG, SECONDS = "BATCH_FAKES_LOG", "BATCH_FAKES_SECONDS"
UNLUCKY, DEADLY, ONCE = 13, 14, 15
"""Seeds with which a job always fails, kills its worker, and fails the first time."""

PROGRAM = """
import functools, sys
import pipelines.batch
from batch_fakes import open_fakes
from pipelines.cli import main
pipelines.batch.run_batch = functools.partial(pipelines.batch.run_batch, open_loaders=open_fakes)
main()
"""
"""The command `alaya`, with these models in `alaya batch`."""


def note(text):
    if LOG in os.environ:
        with open(os.environ[LOG], "a") as file:
            file.write(f"{text}\n")


def noted():
    """What the models of all workers noted, in order: (process, what)."""
    path = Path(os.environ[LOG])
    return [tuple(line.split(" ", 1)) for line in path.read_text().splitlines()] if path.exists() else []


class BatchInverse(FakeInverse):
    """Slow if told to; its G-buffers depend on the window, so that another cut would show."""

    def predict(self, rgb, *, seed=0, **options):
        seen = ("", f"predict {seed}") in [("", what) for _, what in noted()] if LOG in os.environ else False
        note(f"{os.getpid()} predict {seed}")
        if seed == UNLUCKY or (seed == ONCE and not seen):
            raise RuntimeError("no luck\ntoday")
        if seed == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(float(os.environ.get(SECONDS, 0)))
        result = super().predict(rgb, seed=seed, **options)
        result.albedo[:] *= 1 - 0.01 * (options["first_frame"] % 24)
        return result


def _load_inverse(name, device):
    note(f"{os.getpid()} load inverse")
    return BatchInverse()


def _load_editor(name, device):
    note(f"{os.getpid()} load editor")
    return FakeEditor()


def _identify(name):
    return "0" * 64


def open_fakes():
    return Loader(_identify, _load_inverse), Loader(_identify, _load_editor)
