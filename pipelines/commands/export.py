"""`alaya export`: a G-buffer clip for other programs."""

from pathlib import Path

import click

from alaya.errors import RequestError
from pipelines.commands.options import PATH, run_options


@click.command("export", short_help="G-buffers for other programs.")
@click.argument("clip", type=PATH)
@click.option("--output", "-o", type=PATH, help="A folder. Default: beside the clip.")
@click.option("--format", default="exr", show_default=True, help="exr, png (16 bit) or mp4 (8 bit, lossy).")
@click.option("--normals", default="opengl", show_default=True, help="opengl (+y up) or directx (+y down).")
@click.option("--space", default="camera", show_default=True, help="Space of the normals: camera or world.")
@click.option("--camera", type=PATH, help="Camera to world, for --space world. Default: camera.json in CLIP.")
@run_options
def command(
    clip: Path,
    output: Path | None,
    format: str,
    normals: str,
    space: str,
    camera: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write the G-buffer clip CLIP in another format and print the new folder."""
    if not clip.is_dir():
        raise RequestError(f"clip {clip} is not a folder; give a G-buffer clip, such as outputs/<clip>")
    if camera is not None and space != "world":
        raise RequestError("--camera turns normals to world space; add --space world or leave it out")
    if camera is not None and not camera.is_file():
        raise RequestError(f"camera {camera} is not a file; see docs/gbuffer-clip.md for its format")
    from alaya.export import choose_space, export_clip
    from alaya.files import lock_folder
    from pipelines.progress import open_progress

    choose_space(format, normals, space)
    unusual = [name for name, usual in ((normals, "opengl"), (space, "camera")) if name != usual]
    source = clip.resolve()
    folder = output or source.with_name("-".join([source.name, format, *unusual]))
    progress = open_progress(as_json)
    with lock_folder(folder), progress.stage("export", 1.0, 0) as stage:

        def count(done: int, total: int) -> None:
            stage.frames, stage.work = total, total
            stage.advance(done - stage.done_frames, done - stage.done_frames)

        report = export_clip(
            clip,
            folder,
            format=format,
            normals=normals,
            space=space,
            camera=camera,
            overwrite=overwrite,
            progress=count,
        )
    for text in report.notes:
        progress.note(text)
    for limit, values in report.clamped.items():
        if values:
            progress.warn(f"{values} depths lay beyond {limit} and were clamped to it")
    progress.result(report.folder)
