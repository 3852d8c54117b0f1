"""Styles as files: one TOML file a style, the strict loader, and the table from style to look.

A style file has these keys:

    name      string, required: lower-case letters, digits and `_`, the same as the file's name
    words     string, required: light, weather and mood only, never geometry; it reads on after "the scene is"
    negative  string: what the picture should not be
    tags      list of strings, for people
    licence   string: the licence of the words
    look      string, one of `LOOKS`: only in a person's own files; the bundled ones stand in `looks.toml`

A person's own files lie in a folder (an argument, or `$ALAYA_STYLES`) or are named by path.
"""

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prompts.strict_toml import read_toml

LOOKS = (
    "neutral",
    "sunny",
    "sunset",
    "night",
    "fog",
    "rain",
    "snow",
    "autumn",
    "cyberpunk",
    "underwater",
    "fantasy",
    "storm",
    "dust",
)
STYLES_VARIABLE = "ALAYA_STYLES"
_HERE = Path(__file__).parent
_PRESETS = _HERE / "presets"
_NAME = re.compile(r"[a-z0-9_]{1,64}")
_KEYS: dict[str, type] = {
    "name": str,
    "words": str,
    "negative": str,
    "tags": list,
    "licence": str,
    "look": str,
}
_REQUIRED = ("name", "words")


class StyleError(ValueError):
    """A style that does not exist or a style file that is not what it should be."""

    exit_code = 2

    def __str__(self) -> str:
        """One line without what would break it or steer a terminal: names out of files stand in it."""
        text = super().__str__()[:2000]
        return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


@dataclass(frozen=True)
class Style:
    """One style: the words that the models see, and the look they mean."""

    name: str
    words: str
    negative: str = ""
    tags: tuple[str, ...] = ()
    licence: str = ""
    look: str | None = None  # None: a person's own style that leaves the look to its words


def load_style(name_or_path: str | Path, folder: str | Path | None = None) -> Style:
    """Read one style by name (own folder first, then the bundled ones) or by the path of its file.

    Whatever has a `/` in it or ends in `.toml` is a path.
    """
    text = str(name_or_path)
    if text.endswith(".toml") or "/" in text or os.sep in text:
        path = Path(os.path.expanduser(text))  # unlike Path's own, it takes a stranger's ~name as it stands
        if not os.path.isfile(path):
            raise StyleError(
                f"style file {text} is not there; give a name of `alaya styles list` or a .toml file"
            )
        return _read_style(path)
    files = _style_files(folder)
    if text not in files:
        raise StyleError(_unknown(text, list(files)))
    return _read_style(files[text])


def list_styles(folder: str | Path | None = None) -> tuple[Style, ...]:
    """Read every style: the bundled ones in the order of `looks.toml`, then a person's own by name.

    An own style with a bundled one's name takes its place. An empty `folder` leaves the own ones out.
    """
    return tuple(_read_style(path) for path in _style_files(folder).values())


def _style_files(folder: str | Path | None) -> dict[str, Path]:
    """Map every style's name to its file."""
    files = {name: _PRESETS / f"{name}.toml" for name in _look_table()}
    named = str(folder) if folder is not None else os.environ.get(STYLES_VARIABLE, "")
    if not named:
        return files
    own = Path(os.path.expanduser(named))
    if not os.path.isdir(own):
        raise StyleError(f"styles folder {named} is not there; make it or unset ${STYLES_VARIABLE}")
    return files | {path.stem: path for path in sorted(own.glob("*.toml"))}


def _unknown(name: str, known: list[str]) -> str:
    """Say which styles there are, the nearest names first."""
    near = difflib.get_close_matches(name.lower().replace("-", "_"), known, n=len(known), cutoff=0.5)
    near += [k for k in known if k not in near and (name and (name in k or k in name))]
    ordered = near + [k for k in known if k not in near]
    return f"no style is called {name!r}; there are {', '.join(ordered)}"


def _look_table() -> dict[str, str]:
    """Read `looks.toml`: bundled style -> look."""
    return _read_toml(_HERE / "looks.toml")


def _read_toml(path: Path) -> dict[str, Any]:
    """Read a small TOML file, or say in one line why it cannot be read."""
    try:
        return read_toml(path)
    except ValueError as error:
        raise StyleError(f"{path}: not a TOML file ({error}); see `alaya styles show original`") from error
    except OSError as error:
        raise StyleError(f"{path}: cannot be read ({error.strerror})") from error


def _read_style(path: Path) -> Style:
    """Read and check one style file."""
    values = _read_toml(path)
    _check_keys(path, values)
    name, words = values["name"], _one_line(values["words"])
    if not _NAME.fullmatch(name):
        raise StyleError(f"{path}: name is {name[:80]!r}; use lower-case letters, digits and _")
    if name != path.stem:
        raise StyleError(f"{path}: name is {name[:80]!r} but the file is {path.name}; make them the same")
    look = _look_table()[name] if path.parent == _PRESETS else values.get("look")
    if look is not None and look not in LOOKS:
        raise StyleError(f"{path}: look is {str(look)[:80]!r}; it must be one of {', '.join(LOOKS)}")
    if not words and look != "neutral":
        raise StyleError(f"{path}: words is empty; say what the light and the weather are like")
    tags = tuple(values.get("tags", ()))
    return Style(name, words, _one_line(values.get("negative", "")), tags, values.get("licence", ""), look)


def _check_keys(path: Path, values: dict[str, Any]) -> None:
    """Refuse unknown keys, missing keys and wrong types by name."""
    for key, value in values.items():
        if key not in _KEYS:
            raise StyleError(f"{path}: unknown key {key[:60]!r}; the keys are {', '.join(_KEYS)}")
        if not isinstance(value, _KEYS[key]):
            raise StyleError(
                f"{path}: {key} must be a {_type_name(_KEYS[key])}, got {_type_name(type(value))}"
            )
        if key == "tags" and not all(isinstance(tag, str) for tag in value):
            raise StyleError(f"{path}: tags must be a list of strings")
    missing = [key for key in _REQUIRED if key not in values]
    if missing:
        raise StyleError(f"{path}: key {missing[0]!r} is missing; a style needs {' and '.join(_REQUIRED)}")


def _type_name(kind: type) -> str:
    return {str: "string", dict: "table", int: "whole number", float: "number", bool: "boolean"}.get(
        kind, kind.__name__
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
