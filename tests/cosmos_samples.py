"""The small published-layout checkpoint of the inverse renderer, and ways to write it differently."""

import shutil
from pathlib import Path

import torch

from alaya.torch_files import read_pt_tensors

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
