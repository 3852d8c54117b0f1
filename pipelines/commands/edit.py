"""`alaya edit`: a G-buffer clip and words become a video."""

from typing import TYPE_CHECKING, Any

import click

from alaya.errors import RequestError
from pipelines.commands.options import (
    PATH,
    ListsOfWords,
    environment_option,
    lora_option,
    model_options,
    parse_fps,
    pick_common,
    prompt_options,
    reference_option,
    run_options,
    switch_options,
    window_options,
)

if TYPE_CHECKING:
    from pipelines.settings import EditSettings


@click.command("edit", cls=ListsOfWords, short_help="G-buffers and words become a video.")
@click.option(
    "--gbuffers",
    "--gbuffer_dir",
    type=PATH,
    help="A G-buffer clip's folder. Default: the newest complete one under outputs/.",
)
@prompt_options
@click.option(
    "--styles_json", type=PATH, help="AlayaRenderer's table of styles; without --style all of it is made."
)
@click.option(
    "--output", "-o", type=PATH, help="The video. Default: edits/<style or prompt>-<hash>.mp4 in the run."
)
@click.option("--save_dir", type=PATH, help="A folder for <style>.mp4, as AlayaRenderer has it.")
@click.option(
    "--model", "--checkpoint", default="small", show_default=True, help="A name, or the path of weights."
)
@click.option("--fps", metavar="F", help="Frames per second of the video. Default: the clip's.")
@window_options(81)
@model_options
@reference_option
@switch_options
@lora_option()
@environment_option("editing")
@run_options
def command(as_json: bool, editing_env: str | None, **values: Any) -> None:
    """Restyle a G-buffer clip by a style, a prompt, or both, and print the video's path."""
    from pipelines.edit_job import run_edits
    from pipelines.environments import find_environment
    from pipelines.progress import open_progress

    edits = read_edits(values)
    progress = open_progress(as_json)
    if editing_env is None:
        videos = run_edits(edits, progress=progress)
    else:
        videos = find_environment(editing_env, "editing").run_edits(edits, progress)
    for video in videos:
        progress.result(video)


def read_edits(values: dict[str, Any]) -> tuple["EditSettings", ...]:
    """The settings of each edit asked for; every one is checked before the first begins."""
    from dataclasses import replace

    from pipelines.settings import EditSettings
    from pipelines.words import read_styles_json

    common = pick_common(values)
    styles, table = values.pop("styles"), values.get("styles_json")
    if table is not None and not styles:
        styles = tuple(read_styles_json(table))
    save_dir, output, fps = values.pop("save_dir"), values["output"], parse_fps(values.pop("fps"))
    if save_dir is not None and output is not None:
        raise RequestError("--save_dir and --output are mutually exclusive; --output names the video itself")
    if output is not None and len(set(styles)) > 1:
        raise RequestError(f"--output names one video, {len(set(styles))} styles were given; use --save_dir")
    edits = tuple(
        EditSettings(style=style, fps=fps, **common, **values) for style in dict.fromkeys(styles or (None,))
    )
    if save_dir is None:
        return edits
    return tuple(replace(edit, output=save_dir / f"{edit.name}.mp4") for edit in edits)
