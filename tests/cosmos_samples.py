"""The small published-layout checkpoint of the inverse renderer, ways to write it differently, and a clip for it."""

import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from alaya.torch_files import read_pt_tensors
from alaya.video import VideoWriter

GOLDEN = Path(__file__).parent / "data" / "golden" / "inverse"
KEYS = Path(__file__).parent / "data" / "golden" / "keys" / "inverse_7b.json"
PREFIX = "model.net."


def golden_state():
    """Return the network's tensors by published name without prefix."""
    tensors = read_pt_tensors(GOLDEN / "model.pt")
    return {name.removeprefix(PREFIX): tensors[name].clone() for name in tensors if name.startswith(PREFIX)}


def published_copy(folder, state=None):
    """Write all published files to a folder, with another network file if a value to save is given."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("encoder.jit", "decoder.jit", "mean_std.pt", "image_mean_std.pt", "model.pt"):
        shutil.copy(GOLDEN / name, folder / name)
    if state is not None:
        torch.save(state, folder / "model.pt")
    return folder


def write_noise(path, frames, height, width):
    """A video of random blocks of 2x2 pixels at 24 frames a second, `height` x `width` in all; returns `path`."""
    shape = (frames, height // 2, width // 2, 3)
    blocks = np.random.default_rng(0).random(shape, dtype=np.float32).repeat(2, 1).repeat(2, 2)
    with VideoWriter(path, height, width, Fraction(24)) as writer:
        for frame in blocks:
            writer.write(frame)
    return path
