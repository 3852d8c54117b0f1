"""JSON from untrusted files: no NaN, no doubled keys, no unknown keys, every field of the type asked for."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from alaya.errors import ClipError

MAX_JSON_BYTES = 16 << 20
MAX_FRACTION_CHARS = 40


def load_object(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object; a ClipError names the file."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ClipError(f"{path}: larger than {MAX_JSON_BYTES} bytes, refused")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ClipError(f"{path}: cannot be read ({error})") from error
    return parse_object(text, str(path))


def parse_object(text: str, where: str) -> dict[str, Any]:
    """Parse one JSON object, refusing what plain `json.loads` lets through."""
    try:
        data = json.loads(
            text, object_pairs_hook=_no_doubles, parse_constant=_no_constant, parse_float=_finite
        )
    except RecursionError as error:
        raise ClipError(f"{where}: nested too deep") from error
    except ValueError as error:
        raise ClipError(f"{where}: not valid JSON ({error})") from error
    if not isinstance(data, dict):
        raise ClipError(f"{where}: expected a JSON object, found {type(data).__name__}")
    return data


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        counted = Counter(key for key, _ in pairs)
        raise ValueError(f"key {min(key for key in counted if counted[key] > 1)[:60]!r} appears twice")
    return data


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large")
    return value


def check_keys(data: Mapping[str, Any], required: Iterable[str], optional: Iterable[str], where: str) -> None:
    """Raise ClipError unless all required keys are there and no key is unknown."""
    required, optional = list(required), list(optional)
    missing = [key for key in required if key not in data]
    unknown = [key for key in data if key not in required and key not in optional]
    if missing:
        raise ClipError(f"{where}: key {missing[0]!r} is missing")
    if unknown:
        raise ClipError(
            f"{where}: unknown key {unknown[0][:60]!r}; known are {', '.join(required + optional)}"
        )


def as_object(value: Any, key: str, where: str) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise ClipError(f"{where}: {key} must be an object, got {_short(value)}")
    return value


def as_int(value: Any, key: str, where: str, low: int, high: int) -> int:
    """A whole number in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ClipError(f"{where}: {key} must be a whole number from {low} to {high}, got {_short(value)}")
    return value


def as_number(value: Any, key: str, where: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300:
        raise ClipError(f"{where}: {key} must be a number, got {_short(value)}")
    return float(value)


def as_text(value: Any, key: str, where: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise ClipError(f"{where}: {key} must be a string, got {_short(value)}")
    return value


def as_fraction(value: Any, key: str, where: str) -> Fraction:
    """A fraction written as a string, such as "24" or "30000/1001"."""
    if isinstance(value, str) and len(value) <= MAX_FRACTION_CHARS:
        numerator, _, denominator = value.partition("/")
        if _digits(numerator.removeprefix("-")) and (_digits(denominator) or "/" not in value):
            try:
                return Fraction(int(numerator), int(denominator or "1"))
            except ZeroDivisionError:
                pass
    raise ClipError(f'{where}: {key} must be a fraction such as "30000/1001", got {_short(value)}')


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _short(value: Any) -> str:
    return repr(value)[:60]
