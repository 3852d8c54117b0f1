"""The door of a batch: every job is checked before a model is loaded, and those that are complete are found."""

from dataclasses import replace
from pathlib import Path

from alaya.errors import AlayaError, ClipError, RequestError
from alaya.video import probe
from pipelines.batch_jobs import Job
from pipelines.edit_job import find_target
from pipelines.folder import REPORT, check_free
from pipelines.inverse_job import RESULT_VERSION
from pipelines.journal import INVERSE_JOB, Journal, first_difference
from pipelines.loading import Loader
from pipelines.render import divide
from pipelines.settings import EditSettings, InverseSettings, identity_of


def find_complete(jobs: tuple[Job, ...], inverse: Loader, editing: Loader) -> dict[str, tuple[Path, ...]]:
    """The jobs that need no work, name -> their videos.

    Raises:
        RequestError: a job that cannot work, by its line: an option its models do not know, no weights, or a
            folder that holds another run.
    """
    complete = {}
    for job in jobs:
        try:
            first, edits = divide(job.settings, inverse, editing)
            videos = _videos(first, edits, inverse, editing)
        except (AlayaError, OSError) as error:
            raise RequestError(f"{job.where}: {error}") from error
        if videos is not None:
            complete[job.name] = videos
    return complete


def _videos(
    inverse: InverseSettings, edits: tuple[EditSettings, ...], first: Loader, second: Loader
) -> tuple[Path, ...] | None:
    """The videos of a complete run; None if something of it is missing."""
    journal = Journal(inverse.folder)
    try:
        check_free(inverse.folder, journal, overwrite=False)
    except RequestError as error:
        what = str(error).partition(";")[0]
        raise RequestError(f"{what}; give the job another name or empty the folder") from error
    weights, _ = first.weights(inverse), [second.weights(edit) for edit in edits]
    before = journal.settings(INVERSE_JOB)
    if before is None:
        return None
    _check_same({**identity_of(inverse), "weights": weights, "version": RESULT_VERSION}, before, journal)
    if journal.finished(INVERSE_JOB) is None or not (inverse.folder / REPORT).is_file():
        return None
    try:
        _check_same({"source": probe(inverse.input).sha256}, before, journal)
        targets = [find_target(replace(edit, gbuffers=inverse.folder), second) for edit in edits]
    except ClipError:  # it fails as a job, and not the whole batch
        return None
    if any(target.journal.finished(target.job) is None for target in targets):
        return None
    return tuple(target.video for target in targets)


def _check_same(asked: dict[str, object], before: dict[str, object], journal: Journal) -> None:
    """Refuse a folder in which something else was begun."""
    difference = first_difference({name: before.get(name) for name in asked}, asked)
    if difference is not None:
        raise RequestError(
            f"{journal.folder} holds another run: {difference}; give the job another name or remove the folder"
        )
