"""Pictures that may lie beside a G-buffer clip's five channels: what they show, where they lie, and writing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from alaya.codes import encode_unit
from alaya.files import atomic_write
from alaya.png16 import encode_png16

BLENDED_NORMAL = "blended_normal"
EXTRA_CHANNELS = ("diffuse_albedo", "specular_albedo", BLENDED_NORMAL)
"""Names of their folders. The albedos are reflectance, sRGB-coded; the normals are as n*0.5 + 0.5, shorter than one
where the network was not sure. Readers of the clip pass all of them over."""
BYTES_PER_PIXEL = 6.0
"""Of one picture on the disk, at most."""


def extra_paths(folder: Path, names: Sequence[str], index: int) -> list[Path]:
    """The files that hold frame `index`: 16-bit PNG, whatever the format of the clip."""
    return [folder / name / f"frame_{index:06d}.png" for name in names]


def write_extras(folder: Path, first: int, pictures: Mapping[str, np.ndarray]) -> None:
    """Write frames from number `first` on, each file whole or not at all.

    Args:
        folder: of the clip.
        first: number of the first frame.
        pictures: name -> (T, H, W, 3) float32 in [0, 1].
    """
    for name, frames in pictures.items():
        (folder / name).mkdir(exist_ok=True)
        for index, frame in enumerate(frames, first):
            (path,) = extra_paths(folder, (name,), index)
            atomic_write(path, encode_png16(encode_unit(frame)))
