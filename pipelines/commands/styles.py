"""`alaya styles`: the presets there are and what they say."""

from pathlib import Path

import click

from pipelines.commands.options import PATH, traceback_option

folder_option = click.option("--folder", type=PATH, help="Your own styles. Default: $ALAYA_STYLES.")


@click.group("styles", short_help="The styles there are.")
def command() -> None:
    """List styles, or show one."""


@command.command("list")
@folder_option
@traceback_option
def list_command(folder: Path | None) -> None:
    """Print each style's name, its look, and the beginning of its words."""
    from prompts import list_styles

    for style in list_styles(folder):
        click.echo(f"{style.name:<18} {style.look or '-':<12} {style.words[:70]}".rstrip())


@command.command("show")
@click.argument("name")
@folder_option
@traceback_option
def show_command(name: str, folder: Path | None) -> None:
    """Print all of one style; NAME is a name or the path of a style file."""
    from dataclasses import asdict

    from prompts import load_style

    for key, value in asdict(load_style(name, folder)).items():
        shown = ", ".join(value) if isinstance(value, tuple) else value
        click.echo(f"{key:<9} {'-' if shown is None else shown}".rstrip())
