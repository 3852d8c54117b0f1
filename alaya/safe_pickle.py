"""Read the pickle inside a torch file as plain data: an allow-list of names and opcodes, nothing is executed."""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from types import NoneType
from typing import Any

from alaya.errors import WeightsError

MAX_PICKLE = 16 * 2**20
MAX_NODES = 200_000
MAX_DEPTH = 64
MAX_OPCODES = 1_000_000
MAX_DIMS = 32
MAX_NAME = 1024
MAX_WORDS = 200

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
_NAMES = {ord(opcode.code): opcode.name for opcode in pickletools.opcodes}


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
    if len(shape) > MAX_DIMS:
        raise ValueError(f"a tensor of {len(shape)} dimensions")
    if len(shape) != len(stride) or any(type(size) is not int or not 0 <= size < 2**48 for size in sizes):
        raise ValueError("a tensor of impossible shape, stride or place")
    record = TensorRecord(key, dtype, itemsize, numel, offset, tuple(shape), tuple(stride))
    if record.end > numel or math.prod(record.shape) > numel:
        raise ValueError(f"a tensor of shape {record.shape} in a storage of {numel} elements")
    return record


def _ordered() -> OrderedDict[Any, Any]:
    """Always made empty; its items follow, and are checked, one by one."""
    return OrderedDict()


def _first(value: Any, *_: Any) -> Any:
    return value


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): _ordered,
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


class _Opcodes(dict[int, Callable[[Any], None]]):
    """What to do for each allowed opcode; refuses the others, and a pickle that goes on without end."""

    def __init__(self) -> None:
        known = pickle._Unpickler.dispatch
        super().__init__({code: known[code] for code, name in _NAMES.items() if name in _OPCODES})
        self._count = 0

    def __getitem__(self, code: int) -> Callable[[Any], None]:
        self._count += 1
        if self._count > MAX_OPCODES:
            raise ValueError(f"it goes on beyond {MAX_OPCODES} opcodes")
        if code not in self:
            raise ValueError(f"it uses the pickle opcode {_NAMES.get(code, code)}, which no weights need")
        return super().__getitem__(code)


class _Reader(pickle._Unpickler):
    """An unpickler that knows tensors, containers and, in TorchScript archives, inert objects; nothing else.

    It is Python's own slow one, so that what is put into a table and what is changed can be checked: the fast
    one would hash a key that holds itself a million times over, and set attributes on our own functions.
    """

    stack: list[Any]
    memo: dict[int, Any]
    read: Callable[[int], bytes]

    def __init__(self, data: bytes, scripted: bool) -> None:
        super().__init__(io.BytesIO(data))
        self.scripted, self._size = scripted, len(data)
        self.dispatch = _Opcodes()  # pyright: ignore[reportAttributeAccessIssue]
        for code, check in (
            (pickle.SETITEM, self._check_item),
            (pickle.SETITEMS, self._check_items),
            (pickle.DICT, self._check_items),
            (pickle.BUILD, self._check_build),
        ):
            self.dispatch[code[0]] = _checked(check, self.dispatch[code[0]])

        self.dispatch[pickle.LONG_BINPUT[0]] = lambda reader: reader.put(4)
        self.dispatch[pickle.FRAME[0]] = lambda reader: reader.number(8)  # frames only help reading ahead

    def number(self, size: int) -> int:
        """An unsigned argument of an opcode, which counts something of this pickle."""
        value = int.from_bytes(self.read(size), "little")
        if value > self._size:
            raise ValueError("its frames or memo numbers are out of range")
        return value

    def put(self, size: int) -> None:
        """Remember the topmost value under a number."""
        self.memo[self.number(size)] = self.stack[-1]

    def _check_item(self) -> None:
        _check_key(self.stack[-2])

    def _check_items(self) -> None:
        for key in self.stack[::2]:
            _check_key(key)

    def _check_build(self) -> None:
        if not isinstance(self.stack[-2], Node | OrderedDict):
            raise ValueError("it changes what is no object of its own")
        if isinstance(self.stack[-2], OrderedDict):
            self.stack[-1] = None  # notes of torch on versions of modules

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


def _checked(check: Callable[[], None], act: Callable[[Any], None]) -> Callable[[Any], None]:
    def checked_act(reader: Any) -> None:
        check()
        act(reader)

    return checked_act


def _check_key(key: Any) -> None:
    if type(key) not in (str, int, float, bool, NoneType):
        raise ValueError(f"it has a key that is a {type(key).__name__}")


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
        root = _Reader(data, scripted).load()
        found: dict[str, TensorRecord] = {}
        _collect(root, "", found, [0], 0)
    except (
        pickle.UnpicklingError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError
    ) as error:  # fmt: skip
        words = " ".join(str(error).split())[:MAX_WORDS]
        raise WeightsError(f"{where}: not a file of tensors ({words}); get the file again") from error
    return found


def _collect(value: Any, name: str, found: dict[str, TensorRecord], count: list[int], depth: int) -> None:
    """Put every tensor below `value` into `found`; what is no tensor is passed over."""
    count[0] += 1
    if count[0] > MAX_NODES or depth > MAX_DEPTH:
        raise ValueError("it nests its values without end")
    if len(name) > MAX_NAME:
        raise ValueError(f"a name of over {MAX_NAME} characters")
    if isinstance(value, TensorRecord):
        found[name] = value
    elif isinstance(value, Node | dict):
        items = value.attributes if isinstance(value, Node) else value
        for key, item in items.items():
            _collect(item, f"{name}.{key}" if name else str(key), found, count, depth + 1)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _collect(item, f"{name}.{index}" if name else str(index), found, count, depth + 1)
