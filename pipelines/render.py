"""Both stages as one job, and the Python API for whole jobs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alaya.files import lock_folder
from alaya.video import probe
from pipelines import edit_job, inverse_job, loading
from pipelines.environments import find_environment
from pipelines.folder import check_free
from pipelines.journal import Journal
from pipelines.loading import Loader
from pipelines.malloc import share_one_heap
from pipelines.progress import Progress
from pipelines.report import write_report
from pipelines.settings import EditSettings, InverseSettings, RenderSettings, without_others


@dataclass(frozen=True)
class Rendered:
    """What a render left behind: the G-buffer clip's folder, the videos in the order asked, the report."""

    folder: Path
    videos: tuple[Path, ...]
    report: Path


def render(
    input: str | Path,  # the command's own word
    styles: str | Sequence[str] = (),
    prompt: str | None = None,
    *,
    output: str | Path | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Rendered:
    """Turn a gameplay clip into G-buffers and restyled videos.

    Args:
        input: a video, an image or a folder of images.
        styles: one or more names of `alaya styles list`, or style files. They share one inverse run.
        prompt: free text; alone it is the full text, with a style it is spliced with the style's words.
        output: the run's folder; outputs/<clip name> if None.
        progress: who is told how far it is; nobody if None.
        options: any other field of `pipelines.settings.RenderSettings`.

    Example:
        >>> from pipelines.render import render
        >>> done = render("clip.mp4", styles=["snowy_winter", "cyberpunk_neon"])  # doctest: +SKIP
        >>> done.videos[0]  # doctest: +SKIP
        PosixPath('outputs/clip/edits/snowy_winter-1f0c2a9b.mp4')
    """
    names = (styles,) if isinstance(styles, str) else tuple(styles)
    folder = None if output is None else Path(output)
    settings = RenderSettings(Path(input), names, prompt=prompt, output=folder, **options)
    return run_render(settings, progress=progress)


def run_render(
    settings: RenderSettings,
    *,
    load_inverse: Loader | None = None,
    load_editor: Loader | None = None,
    progress: Progress | None = None,
) -> Rendered:
    """Run both stages and write the report.

    The folder's lock is held throughout; where a stage runs in another environment, each stage holds it.
    """
    share_one_heap()
    progress = progress or Progress()
    first, once = load_inverse or loading.INVERSE, (load_editor or loading.EDITING).once()
    inverse, edits = divide(settings, first, once)
    folder = inverse.folder
    if settings.inverse_env is not None or settings.editing_env is not None:
        check_free(folder, Journal(folder), settings.overwrite)
        return _render_apart(settings, inverse, edits, first, once, progress)
    with lock_folder(folder):
        check_free(folder, Journal(folder), settings.overwrite)
        video = probe(settings.input)
        inverse_job.make_clip(inverse, video, first, progress)
        videos = []
        for edit in edits:
            edit = replace(edit, gbuffers=folder)
            videos.append(edit_job.make_video(edit, edit_job.find_target(edit, once), once, progress))
        report = write_report(folder, credit=settings.credit)
    return Rendered(folder, tuple(videos), report)


def divide(
    settings: RenderSettings, first: Loader, second: Loader
) -> tuple[InverseSettings, tuple[EditSettings, ...]]:
    """The stages' settings, each with what its model understands; what neither does is refused. Nothing is loaded."""
    inverse, edits = settings.inverse, settings.edits
    one, two = first.outline(settings.model), second.outline(settings.editing_model)
    if one is not None and two is not None:
        inverse = without_others(inverse, one.options, two.options)
        edits = tuple(without_others(edit, two.options, one.options) for edit in edits)
    first.check(inverse)
    for edit in edits:
        second.check(edit)
    return inverse, edits


def _render_apart(
    settings: RenderSettings,
    inverse: InverseSettings,
    edits: tuple[EditSettings, ...],
    first: Loader,
    second: Loader,
    progress: Progress,
) -> Rendered:
    """Both stages, at least one of them in another environment; both are found before the first begins."""
    there = {
        stage: None if name is None else find_environment(name, stage)
        for stage, name in (("inverse", settings.inverse_env), ("editing", settings.editing_env))
    }
    if there["inverse"] is None:
        folder = inverse_job.run_inverse(inverse, load=first, progress=progress)
    else:
        folder = there["inverse"].run_inverse(inverse, progress)
    edits = tuple(replace(edit, gbuffers=folder) for edit in edits)
    if there["editing"] is None:
        videos = edit_job.run_edits(edits, load=second, progress=progress)
    else:
        videos = there["editing"].run_edits(edits, progress)
    with lock_folder(folder):
        report = write_report(folder, credit=settings.credit)
    return Rendered(folder, tuple(videos), report)
