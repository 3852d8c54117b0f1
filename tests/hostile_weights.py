"""Hostile checkpoints: pickles that call, swell or lie, archives that swell or escape, lying safetensors."""

import io
import json
import pickle
import stat
import struct
import warnings
import zipfile
from functools import partial

from hostile import MARKER, Case

from alaya.layout_check import check_weights
from alaya.lora_files import read_lora
from alaya.torch_files import open_tensors, read_jit_tensors

COMMAND = f"echo x > {MARKER}"


def warm():
    """Import what the readers need, so that no case pays for it and no import is taken for an attack."""
    import safetensors.torch  # noqa: F401
    import torch  # noqa: F401

    import alaya.clip  # noqa: F401


def use(path):
    """Everything that reads a weights file, each tensor included."""
    read_all(open_tensors(path))
    check_weights(path)
    return "a file of tensors"


def read_all(tensors):
    for name in tensors:
        tensors[name].sum()


def use_script(path):
    read_all(read_jit_tensors(path))
    return "an archive of tensors"


def use_lora(path):
    return f"an adapter of {len(read_lora(path))} pairs"


def text(value):
    """Opcodes for a short string."""
    return b"\x8c" + bytes([len(value)]) + value.encode()


def name(module, attribute):
    """Opcodes for a name."""
    return f"c{module}\n{attribute}\n".encode()


def number(value):
    return b"\x8a\x08" + struct.pack("<q", value)


def numbers(values):
    return b"(" + b"".join(number(value) for value in values) + b"t"


def storage(kind="FloatStorage", key="0", count=4):
    """Opcodes for a storage."""
    return b"(" + text("storage") + name("torch", kind) + text(key) + text("cpu") + number(count) + b"tQ"


def tensor(shape=(4,), stride=(1,), offset=0, held=None):
    """Opcodes for a tensor."""
    held = storage() if held is None else held
    rest = (
        number(offset)
        + numbers(shape)
        + numbers(stride)
        + b"\x89"
        + name("collections", "OrderedDict")
        + b")R"
    )
    return name("torch._utils", "_rebuild_tensor_v2") + b"(" + held + rest + b"tR"


def table(*pairs):
    """A whole pickle of one dictionary."""
    return b"\x80\x02}(" + b"".join(key + value for key, value in pairs) + b"u."


def one(value):
    return table((text("w"), value))


def called(module, attribute, argument):
    """A pickle that calls a name with one string."""
    return one(name(module, attribute) + text(argument) + b"\x85R")


def laughs(depth=40, unit=b"\x86"):
    """A value that holds itself twice, `depth` times over: 2 ** depth values if written out."""
    return b"K\x01" + b"2" * 1 + unit + (b"2" + unit) * depth


def archive(folder, data, extra=(), **options):
    """A torch archive with this pickle and a storage of four floats."""
    path = folder / "a.pt"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", data, **options)
        file.writestr("archive/byteorder", "little")
        file.writestr("archive/data/0", bytes(16))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for key, content in extra:
                file.writestr(key, content)
    return path


PICKLES = {
    "calls os.system": called("os", "system", COMMAND),
    "calls posix.system": called("posix", "system", COMMAND),
    "calls eval": called("builtins", "eval", f"open('{MARKER}','w')"),
    "calls exec": called("builtins", "exec", f"open('{MARKER}','w')"),
    "calls open": called("builtins", "open", MARKER),
    "calls Popen": called("subprocess", "Popen", COMMAND),
    "calls torch.load": called("torch", "load", "a.pt"),
    "calls _load_from_bytes": called("torch.storage", "_load_from_bytes", "x"),
    "calls a stacked name": one(text("os") + text("system") + b"\x93" + text(COMMAND) + b"\x85R"),
    "names with a dot inside": called("collections", "OrderedDict.fromkeys", "ab"),
    "names through our module": called("alaya.safe_pickle", "pickle.loads", "x"),
    "opcode INST": one(b"(" + text(COMMAND) + b"ios\nsystem\n"),
    "opcode OBJ": one(b"(" + name("os", "system") + text(COMMAND) + b"o"),
    "opcode NEWOBJ_EX": one(name("collections", "OrderedDict") + b")}\x92"),
    "opcode EXT1": one(b"\x82\x01"),
    "opcode PERSID": one(b"Pstorage\n"),
    "opcode LONG4 of 2 GB": one(b"\x8b\x00\x00\x00\x7f"),
    "opcode BINUNICODE8 that lies": one(b"\x8d" + b"\xff" * 7 + b"\x7f"),
    "a frame that lies": b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f" + one(tensor())[2:],
    "protocol 255": b"\x80\xff}.",
    "no end": one(tensor())[:-1],
    "cut": one(tensor())[:40],
    "nothing": b"",
    "a memo of two billion": b"\x80\x02}r\xff\xff\xff\x7f.",
    "laughing lists": one(b"]" + b"(22e" * 1 + (b"](h\x00h\x00e" * 1) + laughs(40)),
    "laughing tuples": one(laughs()),
    "a key of laughing tuples": table((laughs(), b"K\x01")),
    "a key of laughing tuples in OrderedDict": one(
        name("collections", "OrderedDict") + b"((" + laughs() + b"K\x01tt\x85R"
    ),
    "a shape of laughing tuples": one(
        name("torch._utils", "_rebuild_tensor_v2")
        + b"(" + storage() + b"K\x00" + laughs() + numbers((1,)) + b"\x89}tR"
    ),
    "a name of a megabyte over ten thousand tensors": table(
        (b"X" + struct.pack("<I", 1 << 20) + b"n" * (1 << 20), b"](" + tensor() + b"q\x00" + b"h\x00" * 10_000 + b"e")
    ),
    "a shape of a million sizes": one(
        name("torch._utils", "_rebuild_tensor_v2")
        + b"(" + storage() + b"K\x00(" + b"M\xff\xff" * 1_000_000 + b"t)\x89}tR"
    ),
    "three million opcodes": one(b"]0" * 1_500_000 + b"N"),
    "a hundred thousand tuples deep": one(b")" + b"\x85" * 100_000),
    "a list that holds itself": b"\x80\x02]q\x00h\x00a.",
    "a number of a million digits": one(b"I" + b"9" * 1_000_000 + b"\n"),
    "a negative storage": one(tensor(held=storage(count=-4))),
    "a storage of 2**60": one(tensor((2**60,), held=storage(count=2**60))),
    "a storage that is not there": one(tensor(held=storage(key="7"))),
    "a storage key with ..": one(tensor(held=storage(key="../../../etc/passwd"))),
    "a negative offset": one(tensor(offset=-4)),
    "an offset beyond": one(tensor(offset=3)),
    "a negative stride": one(tensor(stride=(-1,))),
    "a stride of nothing, a shape without end": one(tensor((2**30, 2**30), (0, 0))),
    "a shape of no strides": one(tensor((4,), ())),
    "a negative shape": one(tensor((-4,))),
    "a tensor without arguments": one(name("torch._utils", "_rebuild_tensor_v2") + b")R"),
    "a storage called": one(name("torch", "FloatStorage") + b")R"),
    "attributes on a function of ours": one(
        name("torch._utils", "_rebuild_parameter") + b"N}" + text("__defaults__") + b")s\x86b"
    ),
    "code of an archive's class": one(name("__torch__", "Net") + b")\x81"),
    "a script's class called": one(name("__torch__.os", "system") + text(COMMAND) + b"\x85R"),
}  # fmt: skip


def pickled(folder, data):
    return archive(folder, data)


def zipped(folder, change):
    """A good archive whose bytes are then changed."""
    path = archive(folder, one(tensor()))
    path.write_bytes(change(path.read_bytes()))
    return path


def end_of(content, place, data):
    """Change the archive's end record."""
    start = content.rfind(b"PK\x05\x06") + place
    return content[:start] + data + content[start + len(data) :]


def central(content, place, data, entry=0):
    """Change an entry of the archive's central directory."""
    start = -1
    for _ in range(entry + 1):
        start = content.find(b"PK\x01\x02", start + 1)
    return content[: start + place] + data + content[start + place + len(data) :]


def bomb(folder):
    return archive(folder, one(tensor()) + bytes(64 << 20), compress_type=zipfile.ZIP_DEFLATED)


def linked(folder):
    path = folder / "a.pt"
    entry = zipfile.ZipInfo("archive/data.pkl")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(entry, "/etc/passwd")
    return path


def crowded(folder):
    """A hundred thousand and one entries, all the same one."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        file.writestr("archive/data.pkl", one(tensor()))
    content = held.getvalue()
    place = content.find(b"PK\x01\x02")
    record = content[place : content.rfind(b"PK\x05\x06")]
    path, count = folder / "a.pt", 60_000
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(record) * count, place, 0)
    path.write_bytes(content[:place] + record * count + end)
    return path


ARCHIVES = {
    "a table that swells": bomb,
    "a link": linked,
    "sixty thousand entries that are one": crowded,
    "two tables": lambda folder: archive(folder, one(tensor()), [("other/data.pkl", one(tensor()))]),
    "cut": lambda folder: zipped(folder, lambda content: content[: len(content) // 2]),
    "a directory that begins elsewhere": lambda folder: zipped(
        folder, lambda content: end_of(content, 16, b"\xff\xff\xff\x7f")
    ),
    "storage at a wild place": lambda folder: zipped(
        folder, lambda content: central(content, 42, b"\xff\xff\xff\x7f", 2)
    ),
    "storage of a wild size": lambda folder: zipped(
        folder, lambda content: central(content, 20, b"\xff\xff\xff\x7f" * 2, 2)
    ),
    "a locked table": lambda folder: zipped(folder, lambda content: central(content, 8, b"\x01\x00")),
    "big-endian": lambda folder: archive(folder, one(tensor()), [("archive/byteorder", "big")]),
}


def tensors_file(folder, header, data=bytes(16), length=None):
    """A safetensors file with any header."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = folder / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header + data)
    return path


def entry(shape=(4,), dtype="F32", span=(0, 16)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(span)}


HEADERS = {
    "a length of 2**63": (b"{}", {"length": 2**63}),
    "a length beyond the file": (b"{}", {"length": 100}),
    "no length": (b"", {"length": 0}),
    "no JSON": (b"{" * 40, {}),
    "a list": ([], {}),
    "deep nesting": (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, {}),
    "a key twice": (b'{"a":%s,"a":%s}' % ((json.dumps(entry()).encode(),) * 2), {}),
    "NaN for a place": (b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,NaN]}}', {}),
    "bytes that are no text": (b'{"\xff\xfe":1}', {}),
    "negative places": ({"a": entry(span=(-16, 0))}, {}),
    "places that overlap": ({"a": entry(), "b": entry()}, {}),
    "a hole between places": ({"a": entry((2,), span=(0, 8)), "b": entry((1,), span=(12, 16))}, {}),
    "places beyond the file": ({"a": entry(span=(0, 2**40))}, {}),
    "places backwards": ({"a": entry(span=(16, 0))}, {}),
    "a place too small": ({"a": entry((400,))}, {}),
    "a shape that overflows": ({"a": entry((2**62, 2**62))}, {}),
    "a negative shape": ({"a": entry((-4,))}, {}),
    "a shape of truth": (b'{"a":{"dtype":"U8","shape":[true],"data_offsets":[0,1]}}', {"data": b"1"}),
    "an unknown dtype": ({"a": entry(dtype="F99")}, {}),
    "a dtype that is a list": (b'{"a":{"dtype":["F32"],"shape":[4],"data_offsets":[0,16]}}', {}),
    "thirty thousand tensors": ({f"t{i}": entry((0,), span=(0, 0)) for i in range(30_000)}, {"data": b""}),
    "a name of a path": ({"../../etc/passwd": entry()}, {}),
    "a name with a new line": ({"a\nb": entry()}, {}),
    "bytes behind the last tensor": ({"a": entry()}, {"data": bytes(64)}),
    "metadata that is no text": ({"__metadata__": {"a": 1}, "a": entry()}, {}),
}


def cases():
    """All hostile checkpoints; every one must be refused."""
    made = [Case(f"pickle: {key}", partial(pickled, data=data), use) for key, data in PICKLES.items()]
    made += [Case(f"archive: {key}", make, use) for key, make in ARCHIVES.items()]
    for key, (header, options) in HEADERS.items():
        made.append(Case(f"safetensors: {key}", partial(_file, header=header, options=options), use))
    for key in ("calls os.system", "a script's class called", "laughing tuples", "a key of laughing tuples"):
        made.append(Case(f"script: {key}", partial(pickled, data=PICKLES[key]), use_script, refuse=None))
    for key, text_of in LORA_SETTINGS.items():
        made.append(Case(f"LoRA: {key}", partial(_adapter, settings=text_of), use_lora))
    made.append(Case("LoRA: no pairs", partial(_file, header={"a": entry()}, options={}), use_lora))
    made.append(Case("plain pickle", _plain, use))
    return made


LORA_SETTINGS = {
    "a pattern without end": json.dumps({"alpha_pattern": {"(a*)*b": 1}}),
    "a broken pattern": json.dumps({"alpha_pattern": {"(": 1}}),
    "patterns in a list": json.dumps({"alpha_pattern": ["a"]}),
    "an alpha that is no number": json.dumps({"lora_alpha": "x"}),
    "an alpha of NaN": '{"lora_alpha": NaN}',
    "settings in a list": "[]",
    "settings without end": "[" * 100_000,
}


def _adapter(folder, settings):
    """A good pair of matrices for a module of many letters, with these settings."""
    down, up = ({"dtype": "F32", "shape": [1, 4], "data_offsets": [0, 16]}), entry((4, 1), span=(16, 32))
    module = "a" * 60
    header = {f"{module}.lora_A.weight": down, f"{module}.lora_B.weight": up}
    header["__metadata__"] = {"lora_adapter_metadata": settings}
    return tensors_file(folder, header, bytes(32))


def _file(folder, header, options):
    return tensors_file(folder, header, **options)


def _plain(folder):
    (folder / "a.pth").write_bytes(pickle.dumps({"a": 1}))
    return folder / "a.pth"
