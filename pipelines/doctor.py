"""Looks over the machine and says what works here, what does not, and what to do about it."""

import importlib
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from alaya.device import free_bytes_on
from alaya.errors import AlayaError

OK, WARNING, FAILURE = "ok", "warning", "failure"
PACKAGES = ("torch", "numpy", "av", "einops", "safetensors", "OpenEXR", "pillow", "click", "rich")
MODULES = {"pillow": "PIL"}
LEAST_DISK, LEAST_MEMORY = 2e9, 2e9


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    what: str
    state: str
    text: str


def examine() -> list[Finding]:
    """All findings. A failure is something the main job needs."""
    checks: tuple[Callable[[], list[Finding]], ...] = (
        _machine,
        _packages,
        _device,
        _video,
        _renderer,
        _weights,
        _disk,
    )
    return [finding for check in checks for finding in check()]


def _machine() -> list[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    text = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {cores} cores"
    free = free_bytes_on("cpu")
    if free is None:
        return [Finding("machine", OK, text)]
    state = OK if free >= LEAST_MEMORY else WARNING
    hint = (
        "" if state == OK else "; a job of 832x480 takes up to 1.5 GB: close something, or lower --num-frames"
    )
    return [Finding("machine", OK, text), Finding("memory", state, f"{free / 1e9:.1f} GB available{hint}")]


def _packages() -> list[Finding]:
    found = []
    for name in PACKAGES:
        try:
            importlib.import_module(MODULES.get(name, name))
            found.append(Finding(name, OK, metadata.version(name)))
        except Exception as error:  # a broken wheel raises anything: that is what is looked for
            found.append(Finding(name, FAILURE, f"cannot be imported ({error}); run `make setup`"))
    return found


def _device() -> list[Finding]:
    try:
        import torch

        if not torch.cuda.is_available():
            return [Finding("device", OK, f"CPU, {torch.get_num_threads()} threads (no CUDA here)")]
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        return [Finding("device", OK, f"CUDA: {names}")]
    except Exception as error:
        return [Finding("device", FAILURE, f"torch does not work: {error}")]


def _video() -> list[Finding]:
    try:
        import av

        missing = [name for name in ("libx264", "png") if name not in av.codecs_available]
    except Exception as error:
        return [Finding("video", FAILURE, f"PyAV does not work: {error}")]
    if missing:
        return [
            Finding("video", FAILURE, f"PyAV lacks {', '.join(missing)}; install the wheel of `av` from PyPI")
        ]
    return [Finding("video", OK, "H.264 and 16-bit PNG can be written")]


def _renderer() -> list[Finding]:
    try:
        moderngl = importlib.import_module("moderngl")
        context = moderngl.create_context(standalone=True, backend="egl")
        name = context.info["GL_RENDERER"]
        context.release()
        return [Finding("worlds", OK, f"off-screen renderer: {name}")]
    except Exception as error:
        hint = (
            "only `alaya worlds make` needs it: pip install moderngl, apt-get install libegl1 libgl1-mesa-dri"
        )
        return [Finding("worlds", WARNING, f"no EGL renderer ({error}); {hint}")]


def _weights() -> list[Finding]:
    try:
        weights = importlib.import_module("alaya.weights").list_weights()
    except (AlayaError, OSError, ImportError) as error:
        return [Finding("weights", FAILURE, str(error))]
    if not weights:
        return [Finding("weights", FAILURE, "no checkpoint was found; see `alaya weights list`")]
    return [Finding("weights", OK, f"{len(weights)} found; `alaya weights list` shows them")]


def _disk() -> list[Finding]:
    free = shutil.disk_usage(Path.cwd()).free
    state = OK if free >= LEAST_DISK else WARNING
    hint = "" if state == OK else "; 81 frames of 832x480 take about 0.5 GB"
    return [Finding("disk", state, f"{free / 1e9:.1f} GB free in {Path.cwd()}{hint}")]
