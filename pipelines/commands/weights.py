"""`alaya weights`: which checkpoints there are, where they lie, and whether they are whole."""

from pathlib import Path

import click

from pipelines.commands.options import traceback_option

stage_option = click.option(
    "--stage", type=click.Choice(["inverse", "editing"]), help="Only this stage. Default: both."
)


@click.group("weights", short_help="The checkpoints there are.")
def command() -> None:
    """List checkpoints, find one, or check one."""


@command.command("list")
@traceback_option
def list_command() -> None:
    """Print every checkpoint that is known: name, stage, size, licence, place."""
    from alaya.weights import list_weights

    for entry in list_weights():
        size = f"{entry.bytes / 2**20:.1f} MiB" if entry.bytes else "-"
        place = entry.path or "not here"
        click.echo(f"{entry.name:<12} {entry.stage:<8} {size:>10}  {entry.licence:<12} {place}")


@command.command("path")
@click.argument("name", default="small")
@stage_option
@traceback_option
def path_command(name: str, stage: str | None) -> None:
    """Print the folder of the checkpoint NAME, one for each stage."""
    for path in _find(name, stage):
        click.echo(path)


@command.command("check")
@click.argument("name", default="small")
@stage_option
@traceback_option
def check_command(name: str, stage: str | None) -> None:
    """Check a checkpoint, a name or a path: header, names, shapes, sha256."""
    from alaya.weights import check_weights

    path = Path(name)
    is_one = path.is_file() or (path / "card.json").is_file()
    for found in [path] if is_one else _find(name, stage):
        click.echo(check_weights(found))


def _find(name: str, stage: str | None) -> list[Path]:
    from alaya.weights import STAGES, find_weights

    return [find_weights(name, each) for each in ((stage,) if stage else STAGES)]
