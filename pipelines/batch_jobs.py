"""The jobs file of a batch: CSV or JSON lines, one clip a line, read strictly and refused by line and column."""

import csv
import difflib
import io
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alaya.errors import AlayaError, RequestError
from alaya.files import check_name
from alaya.lora_files import parse_wish
from alaya.strict_json import parse_object
from pipelines.settings import RenderSettings, clip_name, parse_frames, parse_interval

MAX_BYTES, MAX_LINES = 64 << 20, 100_000
SUMMARY = "batch.json"
SHOWN = 60  # characters of a bad value


@dataclass(frozen=True)
class Job:
    """One line of a jobs file: where it stands ("jobs.csv line 3"), its folder's name, and what is asked."""

    line: int
    where: str
    name: str
    settings: RenderSettings


@dataclass(frozen=True)
class Kind:
    """What a column may hold.

    Attributes:
        wanted: in words.
        from_text: a CSV field as the value that stands in JSON; ValueError or KeyError if it is none.
        check: whether a JSON value is one.
        finish: the value as settings take it.
    """

    wanted: str
    from_text: Callable[[str], Any]
    check: Callable[[Any], bool]
    finish: Callable[[Any], Any] = lambda value: value


def _is_text(value: Any) -> bool:
    """Text that can be written down: not blank, no NUL, no half of a surrogate pair."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _is_words(value: Any) -> bool:
    return _is_text(value) or (isinstance(value, list) and bool(value) and all(map(_is_text, value)))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _whole(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,20}", text):
        raise ValueError(text)
    return int(text)


TEXT = Kind("text", str, _is_text)
PLACE = Kind("a path", str, _is_text, Path)
WHOLE = Kind("a whole number", _whole, lambda value: isinstance(value, int) and not isinstance(value, bool))
NUMBER = Kind("a number", float, _is_number, float)
SWITCH = Kind(
    "true or false", lambda text: {"true": True, "false": False}[text], lambda value: isinstance(value, bool)
)
WORDS = Kind(
    "styles", str.split, _is_words, lambda value: (value,) if isinstance(value, str) else tuple(value)
)
RANGE = Kind(
    "frames A:B", str, lambda value: isinstance(value, str) and bool(parse_frames(value)), parse_frames
)
LEVELS = Kind(
    "noise levels A:B",
    str,
    lambda value: isinstance(value, str) and bool(parse_interval(value)),
    parse_interval,
)
ADAPTERS = Kind(
    "paths of adapters, each with :SCALE if wanted",
    str.split,
    _is_words,
    lambda value: tuple(parse_wish(text) for text in ([value] if isinstance(value, str) else value)),
)
NAMES = replace(WORDS, wanted="names of pictures")
COLUMNS: dict[str, Kind] = {
    "input": PLACE,
    "name": TEXT,
    "styles": WORDS,
    **dict.fromkeys(("prompt", "negative_prompt", "model", "editing_model", "format", "credit"), TEXT),
    **dict.fromkeys(("num_frames", "overlap", "height", "width", "steps", "seed"), WHOLE),
    "frames": RANGE,
    "cfg_scale": NUMBER,
    **dict.fromkeys(("device", "dtype", "rope_dtype", "offload", "attention"), TEXT),
    "extra_channels": NAMES,
    **dict.fromkeys(("inverse_env", "editing_env"), TEXT),
    **dict.fromkeys(("inverse_lora", "editing_lora"), ADAPTERS),
    **dict.fromkeys(("compile", "reference", "fp8", "fast_scheduler"), SWITCH),
    "scheduler": TEXT,
    "guidance_interval": LEVELS,
    "first_block_cache": NUMBER,
}
FIELDS = {"steps": "num_steps"}  # a column -> the setting, where they differ


def read_jobs(path: Path, output: Path) -> tuple[Job, ...]:
    """All jobs of a file, each known to be sound; nothing is loaded.

    Args:
        path: a `.csv` with a header, or a `.jsonl` of objects. Inputs are relative to its folder.
        output: the batch's folder; every job gets a folder of its own in it.

    Raises:
        RequestError: names the file, the line and the column.
    """
    rows = {".csv": _csv_rows, ".jsonl": _json_rows}.get(path.suffix.lower())
    if rows is None:
        raise RequestError(f"the jobs file must be a .csv or a .jsonl, got {path}")
    jobs: list[Job] = []
    taken: dict[str, int] = {}
    for line, values in rows(path, _read(path)):
        job = _job(f"{path} line {line}", line, values, path.parent, output)
        if job.name in taken:
            raise RequestError(
                f"{job.where}, column name: line {taken[job.name]} writes to {output / job.name} already;"
                " give one of them another name"
            )
        taken[job.name] = line
        jobs.append(job)
    if not jobs:
        raise RequestError(f"{path} holds no job; give one line a clip")
    return tuple(jobs)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RequestError(f"{path} is larger than {MAX_BYTES} bytes; cut it into several")
        data = path.read_bytes()
        if data.count(b"\n") > MAX_LINES:
            raise RequestError(f"{path} has more than {MAX_LINES} lines; cut it into several")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RequestError(f"the jobs file {path} cannot be read: {reason}") from error
    try:
        return data.decode("utf-8-sig")  # Excel puts a mark first
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RequestError(f"{path} line {line}: this is not UTF-8; save it as UTF-8") from error


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line it begins on, column -> value) of each row; empty fields are not given."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    line = 1
    try:
        for row in reader:
            begins, line = line, reader.line_num + 1
            where = f"{path} line {begins}"
            if not any(field.strip() for field in row):
                continue
            if header is None:
                header = [field.strip() for field in row]
                _check_columns(header, where)
            elif len(row) != len(header):
                raise RequestError(f"{where}: {len(row)} fields, the header has {len(header)} columns")
            else:
                given = {name: field.strip() for name, field in zip(header, row, strict=True)}
                yield begins, {name: _from_text(name, field, where) for name, field in given.items() if field}
    except csv.Error as error:
        raise RequestError(f"{path} line {line}: not valid CSV ({error})") from error


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, column -> value) of each object; null is not given."""
    for line, row in enumerate(text.split("\n"), 1):
        where = f"{path} line {line}"
        if not row.strip():
            continue
        try:
            values = parse_object(row, where)
        except AlayaError as error:
            raise RequestError(str(error)) from error
        _check_columns(list(values), where)
        yield line, {name: value for name, value in values.items() if value is not None}


def _check_columns(names: list[str], where: str) -> None:
    for index, name in enumerate(names):
        if name not in COLUMNS:
            near = difflib.get_close_matches(name, COLUMNS, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COLUMNS)}"
            raise RequestError(f"{where}: unknown column {name[:SHOWN]!r}; {hint}")
        if name in names[:index]:
            raise RequestError(f"{where}: column {name} appears twice")


def _from_text(column: str, text: str, where: str) -> Any:
    try:
        return COLUMNS[column].from_text(text)
    except (ValueError, KeyError, OverflowError) as error:
        raise _bad(column, text, where) from error


def _bad(column: str, value: Any, where: str) -> RequestError:
    return RequestError(f"{where}, column {column}: must be {COLUMNS[column].wanted}, got {value!r:.{SHOWN}}")


def _job(where: str, line: int, values: dict[str, Any], home: Path, output: Path) -> Job:
    """A row as a job, or RequestError that names the column."""
    for column, value in values.items():
        try:
            sound = COLUMNS[column].check(value)
        except RequestError as error:
            raise RequestError(f"{where}, column {column}: {error}") from error
        if not sound:
            raise _bad(column, value, where)
    if "input" not in values:
        raise RequestError(f"{where}, column input: no clip is given")
    given = {FIELDS.get(column, column): _finish(column, value, where) for column, value in values.items()}
    given["input"] = home / given["input"]
    try:
        name = check_name(given.pop("name", None) or clip_name(given["input"]))
        if name == SUMMARY:
            raise RequestError(f"{SUMMARY} is the batch's summary; choose another name")
    except (AlayaError, OSError) as error:
        raise RequestError(f"{where}, column {'name' if 'name' in values else 'input'}: {error}") from error
    given["output"] = output / name
    refusal = _refusal(given)
    if refusal is not None:
        raise RequestError(f"{where}, column {_culprits(given, refusal)}: {refusal}")
    return Job(line, where, name, RenderSettings(**given))


def _finish(column: str, value: Any, where: str) -> Any:
    try:
        return COLUMNS[column].finish(value)
    except RequestError as error:
        raise RequestError(f"{where}, column {column}: {error}") from error


def _refusal(given: dict[str, Any]) -> str | None:
    """Why settings are refused; None if they are not."""
    try:
        RenderSettings(**given)
    except (AlayaError, OSError, ValueError) as error:
        return str(error)
    return None


def _culprits(given: dict[str, Any], refusal: str) -> str:
    """The columns without which the same refusal would not come."""
    stand_ins = {"input": Path(), "styles": ()}
    names = {setting: column for column, setting in FIELDS.items()}
    found = []
    for setting in given.keys() - {"output"}:
        rest = {name: value for name, value in given.items() if name != setting}
        if setting in stand_ins:
            rest[setting] = stand_ins[setting]
        if setting in ("prompt", "styles"):
            rest.setdefault("prompt", "x")
        if _refusal(rest) != refusal:
            found.append(names.get(setting, setting))
    return ", ".join(sorted(found)) or "styles"
