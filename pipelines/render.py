"""Both stages as one job, and the Python API for whole jobs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alaya.files import lock_folder
from alaya.video import probe
from pipelines import edit_job, inverse_job, loading
from pipelines.folder import check_free
from pipelines.journal import Journal
from pipelines.loading import Loader
from pipelines.progress import Progress
from pipelines.report import write_report
from pipelines.settings import RenderSettings


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
    return run_render(RenderSettings(Path(input), names, prompt, output=folder, **options), progress=progress)


def run_render(
    settings: RenderSettings,
    *,
    load_inverse: Loader | None = None,
    load_editor: Loader | None = None,
    progress: Progress | None = None,
) -> Rendered:
    """Run both stages and write the report, holding the folder's lock throughout."""
    progress = progress or Progress()
    inverse, folder = settings.inverse, settings.inverse.folder
    check_free(folder, Journal(folder), settings.overwrite)
    video = probe(settings.input)
    once = (load_editor or loading.EDITING).once()
    with lock_folder(folder):
        inverse_job.make_clip(inverse, video, load_inverse or loading.INVERSE, progress)
        videos = []
        for edit in settings.edits:
            edit = replace(edit, gbuffers=folder)
            videos.append(edit_job.make_video(edit, edit_job.find_target(edit, once), once, progress))
        report = write_report(folder, credit=settings.credit)
    return Rendered(folder, tuple(videos), report)
