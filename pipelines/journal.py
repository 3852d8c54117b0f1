"""What a run's folder remembers: an append-only, fsync'd journal of settings, outputs and what is complete.

One JSON object a line in `.alaya/journal.jsonl`. Each names its `job` ("inverse", or an edit's video) and
an `event`: `started` (settings), `output` (path, size, sha256) or `finished` (settings). A line that a crash
cut short is ignored. Clock times live here and nowhere else.
"""

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from alaya.errors import RequestError
from alaya.files import file_sha256

HIDDEN = ".alaya"
INVERSE_JOB = "inverse"


class Journal:
    """The journal of one folder, which output paths are relative to; `home` is where the journal lies."""

    def __init__(self, folder: Path, home: Path | None = None) -> None:
        self.folder = folder
        self.path = (home or folder / HIDDEN) / "journal.jsonl"

    def read(self) -> list[dict[str, Any]]:
        """All whole lines, oldest first; none where there is no journal."""
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [entry for line in lines if isinstance(entry := _parse(line), dict)]

    def _append(self, entries: Iterable[dict[str, Any]]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            for entry in entries:
                file.write(json.dumps({**entry, "time": round(time.time(), 3)}, sort_keys=True) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def start(self, job: str, settings: dict[str, Any], **facts: Any) -> None:
        """Note that work on `job` begins, with `facts` worth keeping."""
        self._append([{"job": job, "event": "started", "settings": settings, **facts}])

    def finish(self, job: str, settings: dict[str, Any], outputs: Iterable[Path], **facts: Any) -> None:
        """Hash the outputs and note that `job` is complete, with `facts` worth keeping, in one write."""
        lines = [
            {
                "job": job,
                "event": "output",
                "path": path.relative_to(self.folder).as_posix(),
                "size": path.stat().st_size,
                "sha256": file_sha256(path),
            }
            for path in sorted(outputs)
        ]
        self._append([*lines, {"job": job, "event": "finished", "settings": settings, **facts}])

    def settings(self, job: str) -> dict[str, Any] | None:
        """Settings of the newest start of `job`, complete or not."""
        return self.started(job).get("settings")

    def started(self, job: str) -> dict[str, Any]:
        """The newest opening entry of `job`, or an empty one."""
        return next((entry for entry in reversed(self._of(job)) if entry.get("event") == "started"), {})

    def finished(self, job: str) -> dict[str, Any] | None:
        """The closing entry of `job`, if its newest start was finished and its outputs have their sizes."""
        entries = self._of(job)
        if not entries or entries[-1].get("event") != "finished":
            return None
        return entries[-1] if all(self._is_there(entry) for entry in self.outputs(job)) else None

    def outputs(self, job: str) -> list[dict[str, Any]]:
        """The output entries of the newest run of `job`."""
        entries = self._of(job)
        starts = [i for i, entry in enumerate(entries) if entry.get("event") == "started"]
        return [e for e in entries[starts[-1] if starts else 0 :] if e.get("event") == "output"]

    def jobs(self) -> list[str]:
        """All jobs, in the order in which they were first started."""
        return list(dict.fromkeys(str(entry["job"]) for entry in self.read() if "job" in entry))

    def _of(self, job: str) -> list[dict[str, Any]]:
        return [entry for entry in self.read() if entry.get("job") == job]

    def _is_there(self, output: dict[str, Any]) -> bool:
        try:
            return (self.folder / output["path"]).stat().st_size == output["size"]
        except OSError:
            return False


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
