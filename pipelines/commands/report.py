"""`alaya report`: the page of a run, written again."""

from pathlib import Path

import click

from pipelines.commands.options import PATH, traceback_option


@click.command("report", short_help="One HTML page about a run.")
@click.argument("folder", type=PATH)
@click.option("--credit", help="A line for the report and its pictures, such as the clip's licence.")
@traceback_option
def command(folder: Path, credit: str | None) -> None:
    """Write FOLDER/report.html: contact sheet, before/after sliders, figures, settings. Print its path."""
    from pipelines.report import write_report

    click.echo(write_report(folder, credit))
