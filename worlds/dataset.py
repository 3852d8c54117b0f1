"""A worlds dataset on disk: one settings file and fixed-size shards of memory-mapped arrays.

The contract, key by key, stands in docs/worlds-dataset.md.
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from alaya.errors import ClipError, RequestError
from alaya.files import atomic_write
from alaya.gbuffer import GBuffer
from worlds.codes import decode_albedo, decode_depth, decode_normal, decode_unit

SCHEMA = "alaya-worlds/2"
INFO_NAME = "dataset.json"
FIELDS: dict[str, tuple[str, str]] = {
    "inverse_rgb": ("uint8", "lightings frames height width 3"),
    "look_rgb": ("uint8", "targets frames height width 3"),
    "look": ("uint8", "targets"),
    "albedo": ("uint8", "frames height width 3"),
    "normal": ("int8", "frames height width 3"),
    "depth": ("uint16", "frames height width"),
    "roughness": ("uint8", "frames height width"),
    "metallic": ("uint8", "frames height width"),
    "emission": ("uint8", "frames height width"),
    "motion": ("float16", "frames height width 2"),
    "intrinsics": ("float32", "3 3"),
    "cam_to_world": ("float32", "frames 4 4"),
    "seed": ("int64", ""),
    "family": ("uint8", ""),
}
"""name -> (dtype, axes after the clip axis); an axis is a number or a name of `DatasetInfo.axis`."""
DONE = "done"
"""(clips,) uint8 beside the fields: 1 once every field of that clip is on disk."""


@dataclass(frozen=True)
class DatasetInfo:
    """What dataset.json states: every setting that decides the bytes, and whether all clips are there."""

    split: str
    seed: int
    clips: int
    num_frames: int
    height: int
    width: int
    stride: int
    lightings: int
    targets: int
    supersample: int
    shard_clips: int
    variety: str
    fps: float
    looks: tuple[str, ...]
    families: tuple[str, ...]
    versions: dict[str, str]
    schema: str = SCHEMA
    complete: bool = False

    def axis(self, name: str) -> int:
        """Length of a named axis of FIELDS, or the number itself."""
        lengths = {"frames": self.num_frames, "height": self.height, "width": self.width}
        lengths |= {"lightings": self.lightings, "targets": self.targets}
        return lengths[name] if name in lengths else int(name)

    def shape(self, field: str) -> tuple[int, ...]:
        """Shape of one clip's part of a field."""
        return tuple(self.axis(name) for name in FIELDS[field][1].split())

    def clip_bytes(self) -> int:
        """Bytes that one clip takes on disk."""
        return sum(
            int(np.prod(self.shape(name))) * np.dtype(dtype).itemsize for name, (dtype, _) in FIELDS.items()
        )

    def shard_sizes(self) -> list[int]:
        """Clips in each shard; only the last may hold fewer than shard_clips."""
        return [min(self.shard_clips, self.clips - start) for start in range(0, self.clips, self.shard_clips)]

    def to_json(self) -> str:
        """Write as JSON text, the same text for the same settings."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, name: str = INFO_NAME) -> "DatasetInfo":
        """Read strictly: unknown or missing keys and another schema are refused, `name` names the file."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ClipError(f"{name}: not JSON ({error}); make the dataset again") from error
        known = {field.name for field in fields(cls)}
        if not isinstance(values, dict) or set(values) != known:
            odd = sorted(set(values) ^ known) if isinstance(values, dict) else "no object"
            raise ClipError(f"{name}: keys differ from schema {SCHEMA}: {odd}; make the dataset again")
        if values["schema"] != SCHEMA:
            raise ClipError(f"{name}: schema {values['schema']!r}, this version reads {SCHEMA!r}")
        values |= {key: tuple(values[key]) for key in ("looks", "families")}
        return cls(**values)


def read_info(folder: Path | str) -> DatasetInfo:
    """Read a dataset folder's settings, or say that it is none."""
    path = Path(folder) / INFO_NAME
    if not path.is_file():
        raise ClipError(f"{path}: no such file; make a dataset with `alaya worlds make --out {folder}`")
    return DatasetInfo.from_json(path.read_text(), str(path))


class Shards:
    """The memory-mapped arrays of a dataset folder, addressed by clip."""

    def __init__(self, folder: Path | str, info: DatasetInfo, mode: str = "r") -> None:
        self.folder, self.info, self.mode = Path(folder), info, mode
        self._maps: dict[tuple[int, str], np.ndarray] = {}

    def array(self, shard: int, field: str) -> np.ndarray:
        """Whole array of one field in one shard, (clips in the shard, *shape)."""
        if (shard, field) not in self._maps:
            path = self.folder / f"shard_{shard:05d}" / f"{field}.npy"
            try:
                found = np.load(path, mmap_mode=self.mode)  # pyright: ignore[reportArgumentType]
            except (OSError, ValueError) as error:
                raise ClipError(f"{path}: cannot be read ({error}); make the dataset again") from error
            inner = () if field == DONE else self.info.shape(field)
            expected = (self.info.shard_sizes()[shard], *inner)
            if found.shape != expected:
                raise ClipError(f"{path}: shape {found.shape}, the settings say {expected}")
            self._maps[shard, field] = found
        return self._maps[shard, field]

    def clip(self, index: int, field: str) -> np.ndarray:
        """One clip's part of a field, as a view that is read from disk only where it is touched."""
        shard, slot = divmod(index, self.info.shard_clips)
        return self.array(shard, field)[slot]

    def done(self) -> np.ndarray:
        """(clips,) bool: which clips are whole on disk at this moment."""
        flags = [np.asarray(self.array(shard, DONE)) for shard in range(len(self.info.shard_sizes()))]
        return np.concatenate(flags) > 0


class DatasetWriter:
    """Fills the clips of a dataset in any order, from any number of processes."""

    def __init__(self, folder: Path | str, info: DatasetInfo) -> None:
        self.folder, self.info = Path(folder), info
        self.shards = Shards(self.folder, info, mode="r+")

    def prepare(self) -> None:
        """Create the folder, or find in it an unfinished dataset of the very same settings."""
        path = self.folder / INFO_NAME
        if path.is_file():
            _check_same(read_info(self.folder), self.info, self.folder)
        elif self.folder.exists() and any(self.folder.iterdir()):
            raise RequestError(f"{self.folder} holds something else than a dataset; choose another --out")
        self.folder.mkdir(parents=True, exist_ok=True)
        missing = [shard for shard in range(len(self.info.shard_sizes())) if not self._shard(shard).is_dir()]
        self._check_room(sum(self.info.shard_sizes()[shard] for shard in missing))
        if not path.is_file():
            atomic_write(path, self.info.to_json())
        for shard in missing:
            self._create(shard)

    def write(self, index: int, clip: dict[str, np.ndarray | int]) -> None:
        """Put one clip's coded arrays (all of FIELDS) in its place, then mark it done."""
        self.put(index, clip)
        self.seal(index)

    def put(self, index: int, clip: dict[str, np.ndarray | int]) -> None:
        """Put one clip's coded arrays in its place; until seal() nobody counts them as there."""
        shard, slot = divmod(index, self.info.shard_clips)
        for name in FIELDS:
            self.shards.array(shard, name)[slot] = clip[name]

    def seal(self, index: int) -> None:
        """Wait until a clip that this or another process has put is on disk, then mark it done."""
        shard, slot = divmod(index, self.info.shard_clips)
        try:
            for name in FIELDS:
                self.shards.array(shard, name).flush()  # pyright: ignore[reportAttributeAccessIssue]
            done = self.shards.array(shard, DONE)
            done[slot] = 1
            done.flush()  # pyright: ignore[reportAttributeAccessIssue]
        except OSError as error:
            raise ClipError(
                f"{self.folder}: clip {index} did not reach the disk ({error}); make room and run again"
            ) from error

    def missing(self) -> list[int]:
        """Clips that are not written yet."""
        return [int(index) for index in np.flatnonzero(~self.shards.done())]

    def finish(self) -> None:
        """Mark the dataset complete; every clip must be there."""
        if gaps := self.missing():
            raise ClipError(f"{self.folder}: {len(gaps)} of {self.info.clips} clips are missing; run again")
        atomic_write(self.folder / INFO_NAME, replace(self.info, complete=True).to_json())

    def _shard(self, shard: int) -> Path:
        return self.folder / f"shard_{shard:05d}"

    def _check_room(self, clips: int) -> None:
        needed, free = clips * self.info.clip_bytes(), shutil.disk_usage(self.folder).free
        if needed > free:  # a memory map that meets a full disk kills the process without a word
            raise RequestError(
                f"{clips} clips need {needed / 1e9:.1f} GB, {self.folder} has {free / 1e9:.1f} GB free;"
                " ask for fewer clips or a smaller size"
            )

    def _create(self, shard: int) -> None:
        folder = self._shard(shard)
        building = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        count = self.info.shard_sizes()[shard]
        for name, (dtype, _) in (FIELDS | {DONE: ("uint8", "")}).items():
            shape = (count, *(() if name == DONE else self.info.shape(name)))
            np.lib.format.open_memmap(building / f"{name}.npy", "w+", dtype=np.dtype(dtype), shape=shape)
        os.rename(building, folder)


class DatasetReader:
    """Clips of a dataset, decoded to world units; an unfinished one gives the clips done so far."""

    def __init__(self, folder: Path | str) -> None:
        self.folder, self.info = Path(folder), read_info(folder)
        self.shards = Shards(self.folder, self.info)

    @cached_property
    def clips(self) -> list[int]:
        """Indices of the clips that were whole when this was first asked."""
        return [int(index) for index in np.flatnonzero(self.shards.done())]

    def family(self, index: int) -> str:
        """Name of the family that the clip's scene is from."""
        return self.info.families[int(self.shards.clip(index, "family"))]

    def looks(self, index: int) -> dict[str, int]:
        """Look names of a clip's target pictures, each with its place in look_rgb."""
        return {self.info.looks[int(look)]: slot for slot, look in enumerate(self.shards.clip(index, "look"))}

    def gbuffer(self, index: int) -> GBuffer:
        """Decode the five channels of a clip: linear albedo, unit normals, metres (+inf sky), [0, 1]."""
        depth = decode_depth(self.shards.clip(index, "depth"))
        return GBuffer(
            albedo=decode_albedo(self.shards.clip(index, "albedo")),
            normal=decode_normal(self.shards.clip(index, "normal")),
            depth=depth[..., None],
            roughness=decode_unit(self.shards.clip(index, "roughness"))[..., None],
            metallic=decode_unit(self.shards.clip(index, "metallic"))[..., None],
        )

    def motion(self, index: int) -> np.ndarray:
        """(T, H, W, 2) float32 pixels from each pixel to its place one frame earlier (dx right, dy down)."""
        return self.shards.clip(index, "motion").astype(np.float32)


def _check_same(found: DatasetInfo, asked: DatasetInfo, folder: Path) -> None:
    """Refuse to continue a dataset whose settings are not the ones asked for."""
    old, new = asdict(replace(found, complete=False)), asdict(replace(asked, complete=False))
    if differing := [f"{key} {old[key]!r} (asked {new[key]!r})" for key in old if old[key] != new[key]]:
        raise RequestError(
            f"{folder} holds a dataset with {', '.join(differing)[:300]}; choose another --out or remove it"
        )
