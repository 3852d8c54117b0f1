"""Clips with known truth to judge models on: another renderer's .npz files, or a worlds dataset."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from alaya.errors import ClipError, RequestError
from alaya.gbuffer import GBuffer
from worlds.dataset import INFO_NAME, DatasetReader

NEEDED = ("rgb", "albedo", "normal", "depth", "roughness", "metallic", "family", "seed")
"""Keys of a foreign clip; `motion` (T, H, W, 2) float and others are optional."""


@dataclass(frozen=True)
class EvalClip:
    """One clip and its truth.

    Attributes:
        rgb: (T, H, W, 3) uint8 sRGB, the input.
        truth: the exact G-buffer, in the contract's units.
        motion: (T, H, W, 2) float32 pixels to the frame before (dx right, dy down), or None.
        name: what to call it in tables.
        family: the kind of scene.
        looks: (T, H, W, 3) uint8 pictures of the same frames by look; empty for foreign clips.
    """

    rgb: np.ndarray
    truth: GBuffer
    motion: np.ndarray | None
    name: str
    family: str
    looks: dict[str, np.ndarray] = field(default_factory=dict)


def read_eval_clips(folder: Path | str) -> Iterator[EvalClip]:
    """Give the clips of a folder one by one, in order: a worlds dataset, or foreign .npz files."""
    folder = Path(folder)
    if (folder / INFO_NAME).is_file():
        yield from _own_clips(DatasetReader(folder))
        return
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise RequestError(f"{folder} holds neither {INFO_NAME} nor .npz clips; name a folder of clips")
    for path in paths:
        yield read_foreign_clip(path)


def read_foreign_clip(path: Path | str) -> EvalClip:
    """Read one .npz clip.

    rgb uint8 (T, H, W, 3) sRGB; albedo float (T, H, W, 3) linear; normal float (T, H, W, 3) camera space,
    +x right, +y up, +z to the viewer; depth float (T, H, W) planar metres, +inf sky; roughness and metallic
    uint8 (T, H, W), value * 255; family and seed.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            if missing := [key for key in NEEDED if key not in stored]:
                raise ClipError(f"{path}: lacks {', '.join(missing)}; a clip needs {', '.join(NEEDED)}")
            keys = (*NEEDED, "motion") if "motion" in stored else NEEDED
            arrays = {key: stored[key] for key in keys}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise ClipError(f"{path}: cannot be read as .npz ({error}); fetch it again") from error
    depth = arrays["depth"].astype(np.float32)
    sky = ~np.isfinite(depth)[..., None]
    truth = GBuffer(
        albedo=np.where(sky, 0, arrays["albedo"]).astype(np.float32),
        normal=np.where(sky, 0, _unit(arrays["normal"])),
        depth=np.where(sky, np.float32(np.inf), depth[..., None]),
        roughness=np.where(sky, 0, arrays["roughness"][..., None] / np.float32(255)).astype(np.float32),
        metallic=np.where(sky, 0, arrays["metallic"][..., None] / np.float32(255)).astype(np.float32),
    )
    truth.check(str(path))
    motion = arrays["motion"].astype(np.float32) if "motion" in arrays else None
    return EvalClip(arrays["rgb"], truth, motion, Path(path).stem, str(arrays["family"]))


def _own_clips(reader: DatasetReader) -> Iterator[EvalClip]:
    """Clips of a worlds dataset under their first free lighting."""
    for index in reader.clips:
        rgb = np.array(reader.shards.clip(index, "inverse_rgb")[0])
        pictures = reader.shards.clip(index, "look_rgb")
        looks = {name: np.array(pictures[slot]) for name, slot in reader.looks(index).items()}
        family = reader.family(index)
        name = f"{family}_{int(reader.shards.clip(index, 'seed'))}"
        yield EvalClip(rgb, reader.gbuffer(index), reader.motion(index), name, family, looks)


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors.astype(np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32(1e-6))
