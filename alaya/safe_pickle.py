"""Read the pickle inside a torch file as plain data: an allow-list of names and opcodes, nothing is executed."""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from alaya.errors import WeightsError

MAX_PICKLE = 16 * 2**20
MAX_NODES = 200_000
MAX_DEPTH = 64

DTYPES = {
    "DoubleStorage": ("F64", 8),
    "FloatStorage": ("F32", 4),
    "HalfStorage": ("F16", 2),
    "BFloat16Storage": ("BF16", 2),
    "LongStorage": ("I64", 8),
    "IntStorage": ("I32", 4),
    "ShortStorage": ("I16", 2),
    "CharStorage": ("I8", 1),
    "ByteStorage": ("U8", 1),
    "BoolStorage": ("BOOL", 1),
}
"""torch's storage class -> (dtype as safetensors writes it, bytes of one element)."""

# fmt: off
_OPCODES = {
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "NONE", "NEWTRUE", "NEWFALSE", "INT",
    "BININT", "BININT1", "BININT2", "LONG1", "FLOAT", "BINFLOAT", "SHORT_BINUNICODE", "BINUNICODE",
    "SHORT_BINBYTES", "BINBYTES", "BINSTRING", "SHORT_BINSTRING", "EMPTY_LIST", "APPEND", "APPENDS",
    "LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_DICT", "DICT", "SETITEM",
    "SETITEMS", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "NEWOBJ", "BINPERSID", "BINGET",
    "LONG_BINGET", "BINPUT", "LONG_BINPUT", "MEMOIZE",
}
# fmt: on


@dataclass(frozen=True)
class TensorRecord:
    """Where one tensor lies: a strided view of a storage, which is one entry of the archive."""

    storage: str
    dtype: str
    itemsize: int
    numel: int
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def end(self) -> int:
        """One past the last element of the storage that the view touches."""
        if 0 in self.shape:
            return self.offset
        steps = zip(self.shape, self.stride, strict=True)
        return self.offset + 1 + sum((size - 1) * step for size, step in steps)


class Node:
    """An object of the file, of which only the attributes are kept."""

    attributes: dict[str, Any]

    def __new__(cls, *_: Any) -> Node:
        """Made without `__init__`, as unpickling makes objects."""
        node = super().__new__(cls)
        node.attributes = {}
        return node

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.attributes.update(state)


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> TensorRecord:
    key, dtype, itemsize, numel = storage
    sizes = (offset, numel, *shape, *stride)
    if len(shape) != len(stride) or any(type(size) is not int or not 0 <= size < 2**48 for size in sizes):
        raise ValueError(f"a tensor of shape {shape!r} and stride {stride!r}")
    record = TensorRecord(key, dtype, itemsize, numel, offset, tuple(shape), tuple(stride))
    if record.end > numel or math.prod(record.shape) > numel:
        raise ValueError(f"a tensor of shape {record.shape} in a storage of {numel} elements")
    return record


def _first(value: Any, *_: Any) -> Any:
    return value


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _first,
    ("_io", "BytesIO"): Node,
    **{
        ("torch.jit._pickle", name): _first
        for name in (
            "build_intlist",
            "build_doublelist",
            "build_boollist",
            "build_tensorlist",
            "restore_type_tag",
        )
    },
}


class _Reader(pickle.Unpickler):
    """An unpickler that knows tensors, containers and, in TorchScript archives, inert objects; nothing else."""

    def __init__(self, data: bytes, scripted: bool) -> None:
        super().__init__(io.BytesIO(data))
        self.scripted = scripted

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        if self.scripted and module.split(".")[0] == "__torch__":
            return Node
        raise ValueError(f"it names {module}.{name}, which no weights need")

    def persistent_load(self, pid: Any) -> tuple[str, str, int, int]:
        kind, (dtype, itemsize), key, _, numel = pid
        if kind != "storage" or type(key) is not str or type(numel) is not int:
            raise ValueError("it holds a storage of an unknown kind")
        return key, dtype, itemsize, numel


def read_pickle(data: bytes, where: str, *, scripted: bool = False) -> dict[str, TensorRecord]:
    """The tensors in a torch pickle by dotted name, as records; no code of the file runs.

    Args:
        data: the pickle.
        where: what to call it in messages.
        scripted: whether it is of a TorchScript archive, whose objects are kept as bare attributes.

    Raises:
        WeightsError: it is too large, damaged, holds anything but data, or a tensor larger than its storage.
    """
    if len(data) > MAX_PICKLE:
        raise WeightsError(f"{where}: a table of {len(data)} bytes, at most {MAX_PICKLE} are read")
    try:
        _check_opcodes(data)
        root = _Reader(data, scripted).load()
        found: dict[str, TensorRecord] = {}
        _collect(root, "", found, [0], 0)
    except (
        pickle.UnpicklingError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError
    ) as error:  # fmt: skip
        raise WeightsError(f"{where}: not a file of tensors ({error}); get the file again") from error
    return found


def _check_opcodes(data: bytes) -> None:
    """Refuse opcodes that weights do not need, and memo numbers that would only fill the memory."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name not in _OPCODES:
            raise ValueError(f"it uses the pickle opcode {opcode.name}, which no weights need")
        if opcode.name in ("BINPUT", "LONG_BINPUT") and int(argument or 0) > len(data):
            raise ValueError("its memo numbers are out of range")


def _collect(value: Any, name: str, found: dict[str, TensorRecord], count: list[int], depth: int) -> None:
    """Put every tensor below `value` into `found`; what is no tensor is passed over."""
    count[0] += 1
    if count[0] > MAX_NODES or depth > MAX_DEPTH:
        raise ValueError("it nests its values without end")
    if isinstance(value, TensorRecord):
        found[name] = value
    elif isinstance(value, Node | dict):
        items = value.attributes if isinstance(value, Node) else value
        for key, item in items.items():
            _collect(item, f"{name}.{key}" if name else str(key), found, count, depth + 1)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _collect(item, f"{name}.{index}" if name else str(index), found, count, depth + 1)
