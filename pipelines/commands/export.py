"""`alaya export`: a G-buffer clip for other programs."""

from pathlib import Path
from typing import Any

import click

from pipelines.commands.options import PATH, run_options


@click.command("export", short_help="G-buffers for other programs.")
@click.argument("clip", type=PATH)
@click.option("--output", "-o", type=PATH, help="A folder. Default: beside the clip.")
@click.option("--format", default="exr", show_default=True, help="exr, png (16 bit) or mp4 (8 bit, lossy).")
@click.option("--normals", default="opengl", show_default=True, help="opengl (+y up) or directx (+y down).")
@click.option("--space", default="camera", show_default=True, help="Space of the normals: camera or world.")
@click.option(
    "--camera", type=PATH, help="The camera's turns, for --space world. Default: camera.json of the clip."
)
@run_options
def command(clip: Path, output: Path | None, as_json: bool, **values: Any) -> None:
    """Write the G-buffer clip CLIP in another format and print the new folder."""
    from pipelines.export_job import export
    from pipelines.progress import open_progress

    progress = open_progress(as_json)
    progress.result(export(clip, output, progress=progress, **values))
