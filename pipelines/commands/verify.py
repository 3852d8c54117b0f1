"""`alaya verify`: are the files of a run what they were when they were written?"""

import json
from pathlib import Path

import click

from pipelines.commands.options import PATH, traceback_option


@click.command("verify", short_help="Hash a run's files again.")
@click.argument("place", type=PATH, metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a finding on stdout.")
@traceback_option
@click.pass_context
def command(ctx: click.Context, place: Path, as_json: bool) -> None:
    """Hash every file that the journals under DIR know.

    DIR is a run's folder, a folder of runs, or a video that was written by name. Prints what is changed, missing,
    extra or unfinished, one a line; exit code 1 if there is anything.
    """
    from pipelines.verify import verify_folder

    verified = verify_folder(place)
    for finding in verified.findings:
        shown = {"event": "finding", "kind": finding.kind, "path": str(finding.path)}
        click.echo(json.dumps(shown) if as_json else str(finding))
    troubles = len(verified.findings)
    click.echo(f"{verified.files} files hashed, {troubles or 'nothing'} out of order", err=True)
    if troubles:
        ctx.exit(1)
