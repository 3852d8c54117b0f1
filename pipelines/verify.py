"""Hashes again everything that the journals in a folder know, and names what differs, is missing or is extra."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alaya.errors import RequestError
from pipelines.folder import PREVIEWS, REPORT
from pipelines.journal import HIDDEN, Journal

DERIVED = {REPORT, PREVIEWS}  # made anew from the results at any time, and known to no journal


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be: "changed", "missing", "extra", "unfinished", ..."""

    kind: str
    path: Path

    def __str__(self) -> str:
        return f"{self.kind}: {self.path}"


@dataclass(frozen=True)
class Verified:
    """What `verify_folder` found, and how many files it hashed."""

    files: int
    findings: tuple[Finding, ...]


def find_journals(place: Path) -> list[Journal]:
    """The journals of a run's folder, of all runs under a folder, or of one video; RequestError if none."""
    if place.is_file():
        homes = [place.with_name(place.name + HIDDEN)]
    else:
        homes = sorted(path.parent for path in place.glob(f"**/*{HIDDEN}/journal.jsonl"))
    journals = [Journal(home.parent, home) for home in homes if (home / "journal.jsonl").is_file()]
    if not journals:
        raise RequestError(f"{place} holds no run of alaya; give a run's folder, such as outputs/<clip>")
    return journals


def verify_folder(place: Path) -> Verified:
    """Hash every journalled file under `place` (a folder, or a video that `alaya edit --output` wrote)."""
    files, findings, known, runs = 0, [], set(), []
    for journal in find_journals(place):
        if journal.path.parent.name == HIDDEN:
            runs.append(journal.folder)
        for job in journal.jobs():
            run = journal.run(job)
            if run.started and run.finished is None:
                findings.append(Finding("unfinished", journal.folder / job))
            for entry in run.outputs:
                path = journal.folder / str(entry.get("path"))
                known.add(path)
                files += 1
                trouble = journal.trouble(entry)
                if trouble is not None:
                    findings.append(Finding(trouble, path))
    findings += [Finding("extra", path) for folder in runs for path in _extra(folder, known)]
    unique = dict.fromkeys(findings)
    return Verified(files, tuple(sorted(unique, key=lambda finding: (str(finding.path), finding.kind))))


def _extra(folder: Path, known: set[Path]) -> Iterator[Path]:
    """Files of a run's folder that no journal knows."""
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        hidden = any(part.endswith(HIDDEN) for part in parts)
        if not hidden and parts[0] not in DERIVED and not path.is_dir() and path not in known:
            yield path
