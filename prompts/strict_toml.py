"""TOML from untrusted files: bounded in size and time, every trouble one short ValueError."""

import re
import tomllib
from pathlib import Path
from typing import Any

MAX_FILE_BYTES = 64 * 1024
# The parser's time grows with the square of a key's parts: no honest key has so many.
_LONG_KEY = re.compile(r"""(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){32}""")


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no TOML, or larger or deeper than a person writes.
    """
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"at most {MAX_FILE_BYTES // 1024} KiB are read")
    text = path.read_text(encoding="utf-8")
    if _LONG_KEY.search(text):
        raise ValueError("a key of more than 32 parts")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    except ValueError as error:
        raise ValueError(" ".join(str(error).split())[:200]) from error
