"""Hostile documents and picture headers: clip.json, camera.json, cards, styles, recipes, EXR and PNG."""

import json
import struct
import zlib
from functools import cache, partial
from pathlib import Path

import numpy as np
from hostile import Case

from alaya.camera import CameraPath
from alaya.clip_info import ClipInfo
from alaya.exr import read_exr, write_exr
from alaya.images import read_image as read_rgb
from alaya.png16 import encode_png16
from alaya.png16 import read_image as read_data
from alaya.video import probe
from alaya.weights import read_card
from prompts.styles import load_style
from training.recipe import read_recipe

DEEP = 100_000
# What no JSON document of ours may be, whatever it is for; {} stands for the text of a good one without its braces.
RAW_JSON = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a word": b'"x"',
    "cut": b'{"schema": "al',
    "two documents": b"{}{}",
    "no text": b"\xff\xfe\xfd",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "lists without end": b"[" * DEEP,
    "lists that end": b"[" * DEEP + b"]" * DEEP,
    "tables without end": b'{"a":' * DEEP,
    "zeros": bytes(4096),
    "many keys, one of them twice": b"{" + b"".join(b'"%d":0,' % i for i in range(100_000)) + b'"1":0}',
    "a bomb of spaces": b" " * (17 << 20) + b"{}",
}
SPOILS_JSON = {
    "a key twice": '"schema": 1, "schema": 1, "name": 1, "name": 1,',
    "NaN": '"note": NaN,',
    "Infinity": '"note": -Infinity,',
    "1e999": '"note": 1e999,',
    "five thousand digits": '"note": ' + "9" * 5000 + ",",
    "deep inside": '"note": ' + "[" * DEEP + "]" * DEEP + ",",
    "a comment": '"a": 1, // no\n',
    "a stray comma": ",",
}
NEVER = ([1], "\u0000x", {"x": 1})
"""Values that no single field may have."""
RAW_TOML = {
    "cut": b'name = "a',
    "no text": b"\xff\xfe\xfd",
    "a key twice": b'name = "a"\nname = "a"\n',
    "lists without end": b"a = " + b"[" * 30_000,
    "lists that end": b"a = " + b"[" * 30_000 + b"]" * 30_000,
    "tables inside tables": b"a = " + b"{a=" * 15_000 + b"1" + b"}" * 15_000,
    "dots without end": b".".join([b"a"] * 30_000) + b" = 1",
    "a header of dots": b"[" + b".".join([b"a"] * 30_000) + b"]",
    "five thousand digits": b"a = " + b"9" * 5000,
    "a wild date": b"a = 9999-99-99",
    "a new line in a name": b'"a\\nb" = 1',
    "zeros": bytes(4096),
    "a bomb of comments": b"#" * (17 << 20),
    "many keys": b"".join(b"k%d = 1\n" % i for i in range(6000)),
}


def clip_text():
    return json.loads(ClipInfo(3, 8, 8, complete=True, depth=_depth()).to_json())


def _depth():
    from alaya.clip_info import DepthInfo

    return DepthInfo("metric_m", 0.1, 100.0)


def _put(folder, data, name):
    (folder / name).write_bytes(data)
    return folder / name


def _json(data):
    return json.dumps(data).encode()


def changed_json(base, required):
    """A good document with each field of a wrong type or left out."""
    found = {}
    for key in base:
        for number, value in enumerate(NEVER):
            found[f"{key} is wrong ({number})"] = _json({**base, key: value})
        if key in required:
            found[f"{key} is missing"] = _json({name: value for name, value in base.items() if name != key})
    return found


def clip_documents():
    base = clip_text()
    found = changed_json(base, set(base) - {"settings", "seed", "source", "model"})
    found.pop("settings is wrong (2)")  # any table may be there
    wrong = {
        "frames": (0, -1, 10**30, 1.5, True), "width": (0, 10**6), "fps": ("0", "1/0", "-1", "1e3", "9" * 50, 24),
        "schema": ("alaya.gbuffer-clip/2",), "seed": (2**70, 1.0), "timestamps": (["0", "0", "1"], ["0"], ["1/0"] * 3),
        "depth": ({"kind": "metric_m", "near": 5, "far": 1}, {"kind": "x", "near": 1, "far": 2}),
        "source": ({"audio": "../a"}, {"audio": "/etc/passwd"}, {"audio": ".x"}, {"audio": "a\0b"}, {"sha": 1}),
        "extra": (1,),
    }  # fmt: skip
    for key, values in wrong.items():
        found |= {f"{key} = {str(value)[:30]}": _json({**base, key: value}) for value in values}
    return found


def spoiled(base):
    """A good document with something added that JSON lets through and we do not."""
    text = _json(base).decode()
    return {key: ("{" + part + text[1:]).encode() for key, part in SPOILS_JSON.items()}


def use_clip(path):
    return f"a clip of {ClipInfo.load(path).frames} frames"


def use_camera(path):
    return f"a camera {CameraPath.load(path)}"


def use_card(path):
    return f"a card {sorted(read_card(path.parent))[:4]}"


def use_style(path):
    return f"a style {load_style(path).name}"


def use_recipe(path):
    return f"a recipe {read_recipe(path).name}"


def documents():
    clip, camera = clip_text(), {"schema": "alaya.camera/1", "camera_to_world": [np.eye(4).tolist()]}
    card = {"name": "a", "stage": "inverse", "network": {}, "sha256": "0" * 64, "schema": "x"}
    cards = {
        f"{key} is missing": _json({k: v for k, v in card.items() if k != key}) for key in list(card)[:4]
    }
    wild = {f"matrices {str(value)[:30]}": _json({**camera, "camera_to_world": value}) for value in (
        [], [[]], [[[0] * 4] * 4], [[[2, 0, 0], [0, 2, 0], [0, 0, 2]]], [[["x"] * 4] * 4], {"a": 1}, 3, [None],
        [[[1e308] * 4] * 4], [np.eye(5).tolist()],
    )}  # fmt: skip
    return [
        ("clip.json", use_clip, clip_documents() | spoiled(clip) | RAW_JSON),
        ("camera.json", use_camera, wild | spoiled(camera) | RAW_JSON),
        ("card.json", use_card, cards | spoiled(card) | RAW_JSON),
        ("mood.toml", use_style, style_documents() | RAW_TOML),
        ("recipe.toml", use_recipe, recipe_documents() | RAW_TOML),
    ]


def style_documents():
    good = {
        "name": '"mood"',
        "words": '"a grey day"',
        "negative": '"x"',
        "tags": '["a"]',
        "licence": '"x"',
        "look": '"rain"',
    }
    found = {}
    for key in good:
        for value in ("1", "nan", "[[1]]", "{a = 1}", "1979-05-27", "true"):
            text = "\n".join(f"{name} = {value if name == key else kept}" for name, kept in good.items())
            found[f"{key} = {value}"] = text.encode()
    texts = {
        "name": ('"../mood"', '"other"', '"a b"'),
        "words": ('""', '" "'),
        "look": ('"x"',),
        "extra": ("1",),
    }
    for key, values in texts.items():
        for value in values:
            found[f"{key} = {value}"] = "\n".join(
                f"{k} = {v}" for k, v in {**good, key: value}.items()
            ).encode()
    return found


def recipe_documents():
    source = (Path(__file__).parent.parent / "training/recipes/inverse-small.toml").read_text()
    head, _, rest = source.partition("[[phases]]")
    phase = rest.partition("[[phases]]")[0]
    good = f"{head}[[phases]]{phase}"
    changes = {
        'seed = 1': ('seed = "1"', "seed = 1.5", "seed = true"), 'task = "inverse"': ('task = "x"', "task = 1", ""),
        'data = ["data/train-*"]': ("data = [1]", 'data = "x"', "data = [[]]"),
        "width = 128": ("width = 0", "width = 127", "width = -8", "width = nan"),
        "lr = 1e-3": ("lr = nan", "lr = inf", "lr = -1", 'lr = "x"'), "batch = 24": ("batch = 0", "batch = 1.5"),
        "[[phases]]": ("[phases]", "[[phase]]"), "end = 0.3": ("end = 2", "end = nan"),
        "steps = 1000": ("steps = 0", "extra = 1"), 'preset = "small"': ("preset = []", "extra = 1"),
    }  # fmt: skip
    return {
        after or f"no {before}": good.replace(before, after, 1).encode()
        for before, all_ in changes.items()
        for after in all_
    }


@cache
def good_exr(folder):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "good.exr"
    write_exr(path, {"albedo": np.zeros((4, 4, 3), np.float32), "depth": np.ones((4, 4, 1), np.float32)}, {})
    return path.read_bytes()


def exr_box(content, name, data):
    """Put other bytes into the value of an attribute."""
    place = content.find(name + b"\0")
    place = content.find(b"\0", place + len(name) + 1) + 5  # behind the name, the type and the size
    return content[:place] + data + content[place + len(data) :]


def window(left, top, right, bottom):
    return struct.pack("<4i", left, top, right, bottom)


EXR = {
    "giant": lambda c: exr_box(c, b"dataWindow", window(0, 0, 2**31 - 2, 2**31 - 2)),
    "large": lambda c: exr_box(c, b"dataWindow", window(0, 0, 16383, 16383)),
    "wide": lambda c: exr_box(c, b"dataWindow", window(0, 0, 10**6, 0)),
    "overflowing": lambda c: exr_box(c, b"dataWindow", window(-(2**31), -(2**31), 2**31 - 1, 2**31 - 1)),
    "inside out": lambda c: exr_box(c, b"dataWindow", window(9, 9, 0, 0)),
    "of unknown compression": lambda c: exr_box(c, b"compression", b"\x63"),
    "of no channels": lambda c: exr_box(c, b"channels", b"\0"),
    "of a wild kind of number": lambda c: exr_box(c, b"channels", b"albedo.B\0\x63"),
    "with an attribute of 2 GB": lambda c: c.replace(b"chlist\0", b"chlist\0\xff\xff\xff\x7f"),
    "with a long name": lambda c: c[:8] + b"x" * 10_000 + c[8:],
    "of version 99": lambda c: c[:4] + b"\x63" + c[5:],
    "with all flags": lambda c: c[:5] + b"\xff" + c[6:],
    "deep": lambda c: c[:5] + b"\x08" + c[6:],
    "in parts": lambda c: c[:5] + b"\x10" + c[6:],
    "in tiles": lambda c: c[:5] + b"\x02" + c[6:],
    "cut in the header": lambda c: c[:60],
    "cut in the offsets": lambda c: c[: len(c) - 120],
    "cut in the pixels": lambda c: c[:-4],
    "empty": lambda c: b"",
    "of zeros": lambda c: c[:8] + bytes(1000),
    "with wild offsets": lambda c: _behind_header(c, b"\xff" * 8),
    "with offsets into the header": lambda c: _behind_header(c, struct.pack("<Q", 8)),
    "of other numbers": lambda c: b"\x00" * 8 + c[8:],
}  # fmt: skip


def _behind_header(content, data):
    place = content.find(b"screenWindowWidth")
    place = content.find(b"\0", place + 20) + 5 + 4 + 1
    return content[:place] + data + content[place + len(data) :]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width=4, height=4, depth=16, colour=2, body=None, extra=b"", rest=(0, 0, 0)):
    """A PNG with right checksums and any header."""
    raw = zlib.compress(bytes(height * (1 + width * 6))) if body is None else body
    head = struct.pack(">IIBBBBB", width, height, depth, colour, *rest)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", raw) + chunk(b"IEND", b"")


_SOME = zlib.compress(bytes(100))
PNG = {
    "giant": png(2**31 - 1, 2**31 - 1, body=_SOME),
    "beyond 32 bits": png(2**32 - 1, 2**32 - 1, body=_SOME),
    "large": png(16384, 16384, body=_SOME),
    "large and grey": png(16384, 16384, 16, 0, body=_SOME),
    "large of 8 bits": png(16384, 16384, 8, 2, body=_SOME),
    "no size": png(0, 4, body=_SOME),
    "3 bits": png(depth=3),
    "colour type 5": png(colour=5),
    "palette of 16 bits": png(colour=3),
    "unknown compression": png(rest=(9, 0, 0)),
    "unknown interlacing": png(rest=(0, 0, 9)),
    "too few rows": png(64, 64, body=_SOME),
    "no rows": png(body=b""),
    "rows that are no zlib": png(body=b"\x00" * 40),
    "a length beyond the file": png()[:8] + b"\x7f\xff\xff\xff" + png()[12:],
    "a wrong checksum": png()[:29] + b"\0\0\0\0" + png()[33:],
    "cut": png()[:50],
    "only a signature": png()[:8],
    "two headers": png(extra=png()[8:33].replace(b"\0\0\0\4", b"\0\0\1\0")),
    "no end": png()[:-12],
}
BOMBS = {
    "a text that swells": png(extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(64 << 20)))),
    "a profile that swells": png(extra=chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(64 << 20)))),
    "rows that swell": png(body=zlib.compress(bytes(64 << 20))),
}


def use_exr(path):
    """A lie in the header that changes no pixel may be read over."""
    found = read_exr(path)
    same = sorted(found) == ["albedo", "depth"] and (found["depth"] == 1).all() and not found["albedo"].any()
    return "right: read as it was" if same else f"silent: an EXR of {sorted(found)}"


def use_png(path):
    return f"data of {read_data(path).shape}"


def use_picture(path):
    probe(path)
    return f"a picture of {read_rgb(path).shape}"


def cases():
    """All hostile documents and headers; every one must be refused, but the bombs around a good picture."""
    made = []
    for name, use, kinds in documents():
        made += [
            Case(f"{name}: {key}", partial(_put, data=data, name=name), use) for key, data in kinds.items()
        ]
    made += [
        Case(f"EXR {key}", partial(_exr, change=change), use_exr, refuse=None) for key, change in EXR.items()
    ]
    for key, data in PNG.items():
        made.append(Case(f"data PNG, {key}", partial(_put, data=data, name="a.png"), use_png))
        made.append(Case(f"PNG, {key}", partial(_put, data=data, name="a.png"), use_picture))
    for key, data in BOMBS.items():
        made.append(Case(f"data PNG, {key}", partial(_put, data=data, name="a.png"), use_png, refuse=None))
        made.append(Case(f"PNG, {key}", partial(_put, data=data, name="a.png"), use_picture, refuse=None))
    good = encode_png16(np.zeros((4, 4, 3), np.uint16))
    made.append(Case("a good PNG", partial(_put, data=good, name="a.png"), use_png, refuse=False))
    return made


def _exr(folder, change):
    return _put(folder, change(good_exr(folder / "good")), "a.exr")
