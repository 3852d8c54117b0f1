"""`alaya inverse`: a clip becomes a G-buffer clip."""

from pathlib import Path
from typing import Any

import click

from pipelines.commands.options import (
    PATH,
    environment_option,
    extra_channels_option,
    fast_scheduler_option,
    lora_option,
    model_options,
    pick_common,
    rope_option,
    run_options,
    split_names,
    window_options,
)


@click.command("inverse", short_help="A clip becomes five G-buffers.")
@click.option("--input", "-i", type=PATH, required=True, help="A video, an image or a folder of images.")
@click.option("--output", "-o", type=PATH, help="The run's folder. Default: outputs/<clip name>.")
@click.option(
    "--model", "--checkpoint", default="small", show_default=True, help="A name, or the path of weights."
)
@click.option("--channels", metavar="A,B", help="Only these of albedo,normal,depth,roughness,metallic.")
@click.option(
    "--format", default="png", show_default=True, help="png (16 bit), exr (float) or mp4 (8 bit, lossy)."
)
@window_options(57)
@model_options
@extra_channels_option
@rope_option
@fast_scheduler_option
@lora_option()
@environment_option("inverse")
@click.option("--no-report", is_flag=True, help="Do not write report.html.")
@click.option("--credit", help="A line for the report and its pictures, such as the clip's licence.")
@run_options
def command(
    input: Path,
    channels: str | None,
    no_report: bool,
    credit: str | None,
    inverse_env: str | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Turn a gameplay clip into albedo, normal, depth, roughness and metallic.

    Any length and size. Writes a G-buffer clip into the run's folder and prints the folder.
    """
    from pipelines.environments import find_environment
    from pipelines.inverse_job import run_inverse
    from pipelines.progress import open_progress
    from pipelines.report import write_report
    from pipelines.settings import InverseSettings

    common = pick_common(values)
    if channels is not None:
        values["channels"] = split_names(channels)
    settings = InverseSettings(input=input, **common, **values)
    progress = open_progress(as_json)
    if inverse_env is None:
        folder = run_inverse(settings, progress=progress)
    else:
        folder = find_environment(inverse_env, "inverse").run_inverse(settings, progress)
    if not no_report and channels is None:
        write_report(folder, credit)
    progress.result(folder)
