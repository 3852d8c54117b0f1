"""The run's folder: is it free, is it the same run, and what of it is ours to clear away."""

import shutil
from pathlib import Path
from typing import Any

from alaya.clip_writer import INFO_NAME as CLIP_JSON
from alaya.clip_writer import remove_frames
from alaya.errors import RequestError
from alaya.gbuffer import CHANNELS
from pipelines.journal import HIDDEN, Journal, first_difference

EDITS = "edits"
REPORT = "report.html"
AUDIO = "audio.mka"
PREVIEWS = "previews"


def is_done(journal: Journal, job: str, settings: dict[str, Any], overwrite: bool) -> bool:
    """True if this very job is complete here; RequestError if another one is and `overwrite` is off."""
    if overwrite:
        return False
    before = journal.settings(job)
    if before is None:
        return False
    difference = first_difference(before, settings)
    if difference is not None:
        raise RequestError(
            f"{journal.folder} holds another run: {difference}; choose another --output or add --overwrite"
        )
    return journal.finished(job) is not None


def check_free(folder: Path, journal: Journal, overwrite: bool) -> None:
    """Refuse a folder with content that no run of ours put there, unless `overwrite`."""
    if overwrite or next(journal.entries(), None) or not folder.is_dir():
        return
    others = sorted(path.name for path in folder.iterdir() if path.name != HIDDEN)
    if others:
        raise RequestError(
            f"{folder} holds something else ({', '.join(others[:3])});"
            " choose another --output or add --overwrite"
        )


def clear_clip(folder: Path) -> None:
    """Remove a G-buffer clip's own files from `folder`; edits and foreign files stay."""
    if folder.is_dir():
        remove_frames(folder, 0)
    shutil.rmtree(folder / PREVIEWS, ignore_errors=True)
    for name in (AUDIO, REPORT):
        (folder / name).unlink(missing_ok=True)


def whole_files(folder: Path) -> list[Path]:
    """The files of the G-buffer clip in `folder` that belong to no window of it: channel videos, clip.json, audio."""
    names = (CLIP_JSON, AUDIO, *(f"{channel}.mp4" for channel in CHANNELS))
    return [folder / name for name in names if (folder / name).is_file()]
