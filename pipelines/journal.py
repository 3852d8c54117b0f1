"""What a run's folder remembers: an append-only, fsync'd journal of settings, windows, files and what is complete.

One JSON object a line in `.alaya/journal.jsonl`. Each names its `job` ("inverse", or an edit's video) and an
`event`: `started` (settings), `shrunk` (windows cut smaller from one on), `tiled` (the autoencoder in tiles from a
window on), `output` and `part` (a file with size and sha256; parts are working files that the finished job removes),
`window` (all files of that window are on the disk), `resumed` (so many windows are kept) or `finished` (settings). A
line that a crash cut short is ignored. Clock times live here and nowhere else.
"""

import json
import os
import threading
import time
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alaya.errors import AlayaError, RequestError
from alaya.files import file_sha256, write_trouble

HIDDEN = ".alaya"
INVERSE_JOB = "inverse"
FILES = ("output", "part")  # events that tell of a file
Entry = dict[str, Any]


@dataclass
class Run:
    """The newest run of a job, as its entries tell it; empty if there was none."""

    started: Entry = field(default_factory=dict)
    shrunk: list[Entry] = field(default_factory=list)
    tiled: int | None = None
    windows: list[Entry] = field(default_factory=list)
    files: dict[str, Entry] = field(default_factory=dict)
    finished: Entry | None = None

    @property
    def outputs(self) -> list[Entry]:
        """The results, without working files."""
        return [entry for entry in self.files.values() if entry["event"] == "output"]

    def add(self, entry: Entry) -> None:
        """Take the next entry of the job into account."""
        event = entry.get("event")
        if event == "started":
            self.__init__(entry)
        elif event == "shrunk":
            self.shrunk.append(entry)
        elif event == "tiled":
            self.tiled = int(entry["window"])
        elif event in FILES:
            self.files[str(entry.get("path"))] = entry
        elif event == "window" and entry.get("index") == len(self.windows):
            self.windows.append(entry)
        elif event == "resumed":
            self._cut(int(entry.get("windows", 0)))
        self.finished = entry if event == "finished" else None

    def _cut(self, windows: int) -> None:
        del self.windows[windows:]
        self.files = {
            path: entry for path, entry in self.files.items() if entry.get("window", windows) < windows
        }

    def files_of(self, window: int) -> list[Entry]:
        """The files that a window left."""
        return [entry for entry in self.files.values() if entry.get("window") == window]


class Journal:
    """The journal of one folder, which paths are relative to; `home` is where the journal lies."""

    def __init__(self, folder: Path, home: Path | None = None) -> None:
        self.folder = folder
        self.path = (home or folder / HIDDEN) / "journal.jsonl"
        self._writing = threading.Lock()

    def room(self, job: str) -> Path:
        """The folder for the working files of `job`."""
        return self.path.parent / "work" / Path(job).stem

    def entries(self) -> Iterator[Entry]:
        """All whole lines, oldest first; none where there is no journal."""
        try:
            with open(self.path, encoding="utf-8", errors="replace") as file:
                for line in file:
                    if isinstance(entry := _parse(line), dict):
                        yield entry
        except (FileNotFoundError, NotADirectoryError):
            return

    def run(self, job: str, files: Container[str] | None = None) -> Run:
        """The newest run of `job`; of its files only those, if names are given: a long clip has very many."""
        run = Run()
        for entry in self.entries():
            if entry.get("job") != job:
                continue
            if files is None or entry.get("event") not in FILES or str(entry.get("path")) in files:
                run.add(entry)
        return run

    def start(self, job: str, settings: dict[str, Any], **facts: Any) -> None:
        """Note that work on `job` begins, with `facts` worth keeping."""
        self._append([{"job": job, "event": "started", "settings": settings, **facts}], begin=True)

    def note(self, job: str, event: str, **facts: Any) -> None:
        """Note something that happened to `job`."""
        self._append([{"job": job, "event": event, **facts}])

    def window(
        self, job: str, index: int, outputs: Iterable[Path], parts: Iterable[Path] = (), **facts: Any
    ) -> None:
        """Hash a window's files, which are on the disk, and note that it is done, in one write."""
        lines = [self._file("output", path, job, window=index) for path in outputs]
        lines += [self._file("part", path, job, window=index) for path in parts]
        self._append([*lines, {"job": job, "event": "window", "index": index, **facts}])

    def finish(self, job: str, settings: dict[str, Any], outputs: Iterable[Path], **facts: Any) -> None:
        """Hash the outputs that no window noted, and note that `job` is complete, in one write."""
        paths = {self._name(path): path for path in sorted(outputs)}
        noted = {entry["path"] for entry in self.run(job, files=paths).outputs}
        lines = [self._file("output", path, job) for name, path in paths.items() if name not in noted]
        self._append([*lines, {"job": job, "event": "finished", "settings": settings, **facts}])

    def settings(self, job: str) -> dict[str, Any] | None:
        """Settings of the newest start of `job`, complete or not."""
        return self.started(job).get("settings")

    def started(self, job: str) -> Entry:
        """The newest opening entry of `job`, or an empty one."""
        return self.run(job, files=()).started

    def finished(self, job: str) -> Entry | None:
        """The closing entry of `job`, if its newest run was finished and its outputs have their sizes."""
        run = self.run(job)
        return run.finished if all(self._has_size(entry) for entry in run.outputs) else None

    def outputs(self, job: str) -> list[Entry]:
        """The output entries of the newest run of `job`."""
        return self.run(job).outputs

    def jobs(self) -> list[str]:
        """All jobs, in the order in which they were first started."""
        return list(dict.fromkeys(str(entry["job"]) for entry in self.entries() if "job" in entry))

    def trouble(self, entry: Entry) -> str | None:
        """What is wrong with a journalled file: "missing", "changed", or nothing."""
        path = Path(str(entry.get("path")))
        if path.is_absolute() or ".." in path.parts:
            return "outside the folder"
        try:
            if not self._has_size(entry):
                return "changed" if (self.folder / path).exists() else "missing"
            return None if file_sha256(self.folder / path) == entry.get("sha256") else "changed"
        except OSError:
            return "unreadable"

    def _has_size(self, entry: Entry) -> bool:
        try:
            return (self.folder / entry["path"]).stat().st_size == entry["size"]
        except (OSError, KeyError):
            return False

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _file(self, event: str, path: Path, job: str, **facts: Any) -> Entry:
        size, digest = path.stat().st_size, file_sha256(path)
        return {"job": job, "event": event, "path": self._name(path), "size": size, "sha256": digest, **facts}

    def _append(self, entries: Iterable[Entry], begin: bool = False) -> None:
        """Write whole lines and have them on the disk; what a full disk cut short is taken back."""
        now = round(time.time(), 3)
        lines = "".join(json.dumps({**entry, "time": now}, sort_keys=True) + "\n" for entry in entries)
        if not begin and not self.path.exists():
            raise AlayaError(f"{self.path} was removed while at work in its folder; run again")
        with self._writing:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._write(lines.encode())
            except OSError as error:
                raise (write_trouble(error, self.path, 0, len(lines)) or error) from error

    def _write(self, lines: bytes) -> None:
        with open(self.path, "a+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                lines = (
                    lines if file.read(1) == b"\n" else b"\n" + lines
                )  # after a line that a crash cut short
            try:
                rest = memoryview(lines)
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)
                raise


def _parse(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def first_difference(old: dict[str, Any], new: dict[str, Any]) -> str | None:
    """The first setting that differs, as "name old -> new"; None when both are the same."""
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            return f"{key} was {old.get(key)!r}, asked {new.get(key)!r}"
    return None


def newest_clip(root: Path) -> Path:
    """The folder under `root` whose G-buffer clip was finished last, by its journal; RequestError if none."""
    found: list[tuple[float, str, Path]] = []
    for path in root.glob(f"**/{HIDDEN}/journal.jsonl"):
        folder = path.parent.parent
        entry = Journal(folder).finished(INVERSE_JOB)
        if entry is not None:
            found.append((float(entry.get("time", 0)), str(folder), folder))
    if not found:
        raise RequestError(
            f"no --gbuffers was given and there is no complete clip under {root}/;"
            " run `alaya inverse --input clip.mp4` first"
        )
    return max(found)[2]
