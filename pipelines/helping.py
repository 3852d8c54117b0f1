"""What a worker does that helps another with one long clip: it predicts that job's windows ahead of it."""

import time
from collections.abc import Callable
from dataclasses import replace

from alaya.video import probe
from pipelines import edit_job, inverse_job
from pipelines.ahead import predict_ahead
from pipelines.batch_worker import Help
from pipelines.journal import INVERSE_JOB, Journal
from pipelines.loading import Loader
from pipelines.progress import Progress
from pipelines.render import divide

POLL_SECONDS = 0.5


def help_render(
    request: Help, first: Loader, second: Loader, progress: Progress, wanted: Callable[[], bool]
) -> int:
    """Help with a render until it is done; how many windows were predicted.

    Args:
        request: whom to help, and with which windows.
        first: the inverse model's loader.
        second: the editing model's.
        progress: is told what a person should know.
        wanted: False when the job has ended.
    """
    inverse, edits = divide(request.settings, first, second)
    journal, made = Journal(inverse.folder), 0
    if _begins(journal, INVERSE_JOB, wanted):
        job = inverse_job.prepare(inverse, probe(inverse.input), first, progress)
        made += predict_ahead(job, request.share, wanted, progress.warn)
    for edit in edits:
        if not _wait(lambda: journal.finished(INVERSE_JOB) is not None, wanted):
            break
        edit = replace(edit, gbuffers=inverse.folder)
        target = edit_job.find_target(edit, second)
        if _begins(target.journal, target.job, wanted):
            job = edit_job.prepare(edit, target, second, progress)
            with job.reader, job.full_reader:
                made += predict_ahead(job, request.share, wanted, progress.warn)
    return made


def _begins(journal: Journal, job: str, wanted: Callable[[], bool]) -> bool:
    """Wait until a job has begun, which clears away what earlier ones left; False if there is nothing to help."""
    return _wait(lambda: bool(journal.started(job)), wanted) and journal.finished(job) is None


def _wait(happened: Callable[[], bool], wanted: Callable[[], bool]) -> bool:
    while wanted():
        if happened():
            return True
        time.sleep(POLL_SECONDS)
    return False
