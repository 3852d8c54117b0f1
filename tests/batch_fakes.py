"""Fake models for the workers of a batch: they are found by name in another process, and fail as the seed says."""

import os
import signal
import sys
import threading
import time
import types
from pathlib import Path

import numpy as np
from fakes import FakeEditor, FakeInverse

from pipelines.loading import Loader

LOG, SECONDS, LIGHT = "BATCH_FAKES_LOG", "BATCH_FAKES_SECONDS", "BATCH_FAKES_LIGHT"
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


def same_size(frame, height, width):
    """What `alaya.resize.resize_frame` does with a frame that has the size already; all frames here have."""
    assert frame.shape[:2] == (height, width)
    return frame.astype(np.float32) * np.float32(1 / np.iinfo(frame.dtype).max)


if os.environ.get(LIGHT) and "torch" not in sys.modules:  # importing it takes a worker longer than its jobs
    light = types.ModuleType("alaya.resize")
    light.resize_frame, light.resize_gbuffer = same_size, lambda clip, height, width: clip
    sys.modules["alaya.resize"] = light


def note(text):
    if LOG in os.environ:
        with open(os.environ[LOG], "a") as file:
            file.write(f"{os.getpid()}/{threading.get_ident()} {text}\n")


def noted():
    """What the models of all workers noted, in order: (process and thread, what)."""
    path = Path(os.environ[LOG])
    return [tuple(line.split(" ", 1)) for line in path.read_text().splitlines()] if path.exists() else []


class BatchInverse(FakeInverse):
    """Slow if told to; its G-buffers depend on the window, so that another cut would show."""

    def working_size(self, height, width):
        return height, width

    def predict(self, rgb, *, seed=0, **options):
        what = f"predict {seed} {options['first_frame']}"
        seen = LOG in os.environ and f"predict {seed} 0" in [text for _, text in noted()]
        note(what)
        if seed == UNLUCKY or (seed == ONCE and not seen):
            raise RuntimeError("no luck\ntoday")
        if seed == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(float(os.environ.get(SECONDS, 0)))
        result = super().predict(rgb, seed=seed, **options)
        result.albedo[:] *= 1 - 0.01 * (options["first_frame"] % 24)
        return result


class BatchEditor(FakeEditor):
    """Its pictures depend on the window too."""

    def working_size(self, height, width):
        return height, width

    def predict(self, gbuffer, words, **options):
        note(f"edit {options['seed']} {options['first_frame']}")
        time.sleep(float(os.environ.get(SECONDS, 0)))
        return super().predict(gbuffer, words, **options) * np.float32(
            1 - 0.01 * (options["first_frame"] % 24)
        )

    def restore(self, coarse, gbuffer, words, **options):
        return coarse


def _load_inverse(name, device):
    note(f"load inverse on {os.environ.get('CUDA_VISIBLE_DEVICES', 'all')}")
    return BatchInverse()


def _load_editor(name, device):
    note("load editor")
    return BatchEditor()


def _identify(name):
    return "0" * 64


def open_fakes():
    return Loader(_identify, _load_inverse), Loader(_identify, _load_editor)
