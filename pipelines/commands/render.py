"""`alaya render`: both stages at once."""

from pathlib import Path
from typing import Any

import click

from pipelines.commands.options import (
    PATH,
    ListsOfWords,
    environment_option,
    extra_channels_option,
    fast_scheduler_option,
    lora_option,
    model_options,
    pick_common,
    prompt_options,
    reference_option,
    rope_option,
    run_options,
    switch_options,
    window_options,
)


@click.command("render", cls=ListsOfWords, short_help="Both at once, and a report.")
@click.option("--input", "-i", type=PATH, required=True, help="A video, an image or a folder of images.")
@prompt_options
@click.option(
    "--output", "-o", "--save_dir", type=PATH, help="The run's folder. Default: outputs/<clip name>."
)
@click.option("--model", default="small", show_default=True, help="The inverse model: a name or a path.")
@click.option(
    "--editing-model",
    "--checkpoint",
    default="small",
    show_default=True,
    help="The editing model: a name or a path.",
)
@click.option(
    "--format", default="png", show_default=True, help="png (16 bit), exr (float) or mp4 (8 bit, lossy)."
)
@window_options(57)
@model_options
@extra_channels_option
@rope_option
@reference_option
@fast_scheduler_option
@switch_options
@lora_option("--inverse-lora", model="published inverse")
@lora_option("--editing-lora", "--lora", model="published editing")
@environment_option("inverse")
@environment_option("editing")
@click.option("--credit", help="A line for the report and its pictures, such as the clip's licence.")
@run_options
def command(input: Path, as_json: bool, **values: Any) -> None:
    """Turn a clip into G-buffers and one video for each style; print the videos and the report."""
    from pipelines.progress import open_progress
    from pipelines.render import run_render
    from pipelines.settings import RenderSettings

    common = pick_common(values)
    settings = RenderSettings(input=input, **common, **values)
    progress = open_progress(as_json)
    done = run_render(settings, progress=progress)
    for path in (*done.videos, done.report):
        progress.result(path)
