"""Tensors of .pt, .pth, TorchScript and safetensors files, read one by one and never unpickling code."""

from __future__ import annotations

import mmap
import os
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from alaya.errors import WeightsError, WeightsNotFoundError
from alaya.safe_pickle import MAX_PICKLE, TensorRecord, read_pickle
from alaya.weights import MAX_TENSORS, read_header

if TYPE_CHECKING:
    from torch import Tensor

MAX_ENTRIES = 100_000
TORCH_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
Header = dict[str, tuple[str, tuple[int, ...]]]
"""name -> (dtype as safetensors writes it, shape)."""


class TorchArchive(Mapping[str, "Tensor"]):
    """The tensors of a torch zip archive by dotted name; each access maps only that tensor's bytes.

    A tensor is a private copy-on-write view of the file: memory is given back with the tensor.
    """

    def __init__(self, path: Path, records: dict[str, TensorRecord], places: dict[str, int]) -> None:
        self.path, self._records, self._places = path, records, places

    @property
    def header(self) -> Header:
        """Dtypes and shapes of all tensors, without reading one."""
        return {name: (record.dtype, record.shape) for name, record in self._records.items()}

    def __getitem__(self, name: str) -> Tensor:
        record = self._records[name]
        start = self._places[record.storage] + record.offset * record.itemsize
        return _map_tensor(self.path, record, start)

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


class SafetensorsFile(Mapping[str, "Tensor"]):
    """The tensors of a safetensors file by name; each access opens the file anew, so that no page stays mapped."""

    def __init__(self, path: Path) -> None:
        self.path, self.header = path, read_header(path)

    def __getitem__(self, name: str) -> Tensor:
        from safetensors import SafetensorError, safe_open

        if name not in self.header:
            raise KeyError(name)
        try:
            with safe_open(self.path, framework="pt") as file:
                return file.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{self.path}: {name} cannot be read ({error})") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self.header)

    def __len__(self) -> int:
        return len(self.header)


def open_tensors(path: Path) -> TorchArchive | SafetensorsFile:
    """The tensors of a weights file of either kind, by what the file is, not by its name.

    Raises:
        WeightsNotFoundError: no such file.
        WeightsError: it is neither kind, or damaged.
    """
    if not os.path.isfile(path):
        raise WeightsNotFoundError(f"no file at {path}")
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
    return read_pt_tensors(path) if zipped else SafetensorsFile(path)


def read_pt_tensors(path: Path) -> TorchArchive:
    """The tensors of a .pt or .pth file (nested tables are joined by dots), mapped one by one when asked for.

    Raises:
        WeightsNotFoundError: no such file.
        WeightsError: not such a file, damaged, or holding anything but data.
    """
    return _open_archive(path, scripted=False)


def read_jit_tensors(path: Path) -> TorchArchive:
    """The tensors of a TorchScript archive under the names of its modules; the archive is not executed.

    Raises:
        WeightsNotFoundError: no such file.
        WeightsError: not such a file, damaged, or holding what no archive needs.
    """
    return _open_archive(path, scripted=True)


def _open_archive(path: Path, scripted: bool) -> TorchArchive:
    if not os.path.isfile(path):
        raise WeightsNotFoundError(f"no file at {path}")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            root = _check_entries(path, entries)
            if f"{root}/byteorder" in entries and archive.read(f"{root}/byteorder") != b"little":
                raise WeightsError(f"{path}: its numbers are not little-endian; save it again")
            records = read_pickle(archive.read(f"{root}/data.pkl"), str(path), scripted=scripted)
        if len(records) > MAX_TENSORS:
            raise WeightsError(f"{path}: {len(records)} tensors, at most {MAX_TENSORS} are read")
        places = _find_places(path, _needs(records), entries, root)
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, EOFError, struct.error) as error:
        raise WeightsError(
            f"{path}: not an archive torch writes since 1.6 ({error}); get it again, or torch.save it anew"
        ) from error
    return TorchArchive(path, records, places)


def _check_entries(path: Path, entries: dict[str, zipfile.ZipInfo]) -> str:
    """The archive's one folder; refuses what could swell when it is read."""
    tables = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(tables) != 1 or len(entries) > MAX_ENTRIES:
        raise WeightsError(f"{path}: a zip of {len(entries)} entries with {len(tables)} tables; expected one")
    root = tables[0].partition("/")[0]
    for name in (tables[0], f"{root}/byteorder"):
        entry = entries.get(name)
        if entry and (entry.file_size > MAX_PICKLE or entry.compress_type != zipfile.ZIP_STORED):
            raise WeightsError(f"{path}: its table is compressed or of {entry.file_size} bytes")
    return root


def _needs(records: dict[str, TensorRecord]) -> dict[str, int]:
    """Bytes each storage must have for all its tensors."""
    needs: dict[str, int] = {}
    for record in records.values():
        needs[record.storage] = max(needs.get(record.storage, 0), record.end * record.itemsize)
    return needs


def _find_places(
    path: Path, needs: dict[str, int], entries: dict[str, zipfile.ZipInfo], root: str
) -> dict[str, int]:
    """Where each storage's bytes begin in the file; every tensor must lie inside them."""
    places, size = {}, path.stat().st_size
    with path.open("rb") as file:
        for key, needed in needs.items():
            entry = entries.get(f"{root}/data/{key}")
            if entry is None or entry.compress_type != zipfile.ZIP_STORED:
                raise WeightsError(f"{path}: the data of storage {key[:80]!r} is missing or compressed")
            if needed > entry.file_size:
                raise WeightsError(
                    f"{path}: storage {key[:80]!r} has {entry.file_size} bytes, its tensors need {needed}"
                )
            file.seek(entry.header_offset)
            local = file.read(30)
            places[key] = entry.header_offset + 30 + sum(struct.unpack("<HH", local[26:30]))
            if local[:4] != b"PK\x03\x04" or places[key] + entry.file_size > size:
                raise WeightsError(f"{path}: storage {key[:80]!r} lies outside the file; it was cut off")
    return places


def _map_tensor(path: Path, record: TensorRecord, start: int) -> Tensor:
    """A tensor on a private map of just its own bytes."""
    import torch

    dtype = TORCH_DTYPES[record.dtype]
    length = (record.end - record.offset) * record.itemsize
    if not length:
        return torch.empty(record.shape, dtype=getattr(torch, dtype))
    skip = start % mmap.ALLOCATIONGRANULARITY
    descriptor = os.open(path, os.O_RDONLY)
    try:
        view = mmap.mmap(descriptor, skip + length, access=mmap.ACCESS_COPY, offset=start - skip)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be mapped ({error}); was it changed meanwhile?") from error
    finally:
        os.close(descriptor)
    count = record.end - record.offset
    if start % record.itemsize:
        flat = torch.frombuffer(bytearray(view[skip:]), dtype=getattr(torch, dtype))
    else:
        flat = torch.frombuffer(view, dtype=getattr(torch, dtype), count=count, offset=skip)
    return flat.as_strided(record.shape, record.stride)
