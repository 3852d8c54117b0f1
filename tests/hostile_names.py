"""Names and paths as an attacker or an accident writes them, put through every door that takes one."""

import json
from functools import partial
from pathlib import Path

from hostile import Case
from media import numbered_clip

from alaya.clip import open_clip
from alaya.clip_info import ClipInfo
from alaya.errors import MAX_MESSAGE, AlayaError
from alaya.torch_files import open_tensors
from alaya.video import probe, read_frames
from alaya.weights import find_weights
from prompts.styles import StyleError, load_style

NAMES = (
    "", ".", "..", "../..", "/", "//", "/etc/passwd", "../../../../etc/passwd", "..\\..\\windows", "C:\\x",
    "~root", "~nobody-here/x.toml",
    "a\0b", "\0", "a\nb", "a\rb", "\x1b[2J", "\x7f", "x" * 255, "x" * 256, "x" * 5000, "/".join(["a"] * 3000), "é",
    "e\u0301", "日本語", "\u202egpj.exe", "\u200b", "\udcff", "😀" * 60, " ", " a ", ".hidden", "-", "--help", "-rf",
    "CON", "nul.txt", "a:b", "pipe:0", "http://127.0.0.1/x", "concat:a|b", "file:a", "%s%n", "$(touch CODE_RAN)",
    "`touch CODE_RAN`", "a;touch CODE_RAN", "*", "[a]", "{clip}",
)  # fmt: skip


def doors(path):
    """Ways to hand a name in; each must refuse in one line what is not there."""
    del path
    return {
        "input": lambda name: probe(name).path,
        "clip": lambda name: open_clip(name).folder,
        "style": load_style,
        "checkpoint": lambda name: find_weights(name, "inverse"),
        "weights file": lambda name: list(open_tensors(Path(name))),
        "sound in clip.json": _sound,
    }


def _sound(name):
    """A name with a path in it must not come out of a clip.json; any other name may."""
    info = json.loads(ClipInfo(1, 2, 2, channels=("albedo",)).to_json())
    info["source"]["audio"] = name
    found = ClipInfo.from_json(json.dumps(info)).source.audio
    if found is None or found in (".", "..") or any(mark in found for mark in "/\\:\0"):
        return f"silent: {found!r} let through"
    raise AlayaError("a plain name of a file beside it")


def knock(path, name):
    """Put a name through all doors."""
    for door, enter in doors(path).items():
        try:
            found = enter(name)
        except (AlayaError, StyleError) as error:
            if "\n" in str(error) or len(str(error)) > MAX_MESSAGE + 10:
                return f"crash: {door}: a message of {len(str(error))} characters, {str(error)[:40]!r}"
            continue
        return f"silent: {door} took {name[:40]!r} for {str(found)[:60]!r}"
    return "right: refused at every door"


def exists(folder, name):
    """A good clip that really has this name."""
    clip = numbered_clip(folder / "plain.mp4", 3, 32, 48)
    clip.rename(folder / name)
    return folder / name


def read(path):
    """Such a clip is read like any other, by its bare name too."""
    if (count := sum(1 for _ in read_frames(path))) != 3 or probe(path.name).num_frames != 3:
        return f"silent: {count} frames"
    return "right: read as it is"


def cases():
    """Names of nothing at every door, then names of real files."""
    made = [
        Case(f"at the doors: {name[:30]!r}", lambda folder: folder, partial(knock, name=name), refuse=None)
        for name in NAMES
    ]
    real = [name for name in NAMES if not set("\0/") & set(name) and name not in ("", ".", "..")]
    real = [name for name in real if len(name.encode("utf-8", "replace")) <= 255]
    return made + [
        Case(f"of a file: {name[:30]!r}", partial(exists, name=name), read, False) for name in real
    ]
