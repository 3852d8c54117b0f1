"""`alaya weights`: which checkpoints there are, where they lie, and whether they are whole."""

from pathlib import Path

import click

from alaya.errors import AlayaError, WeightsNotFoundError
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
    """Print every checkpoint that is known: name, stage, size, licence, where from, and where it lies."""
    from alaya.weights import list_weights
    from pipelines.published import PUBLISHED

    for entry in list_weights():
        size = f"{entry.bytes / 2**20:.1f} MiB" if entry.bytes else "-"
        place = entry.path or "not here"
        click.echo(
            f"{entry.name:<12} {entry.stage:<8} {size:>10}  {entry.licence:<18} {'embedded':<60} {place}"
        )
    for entry in PUBLISHED:
        size = f"{entry.bytes / 10**9:.0f} GB"
        place = "here" if entry.present else f"not here; alaya weights fetch {entry.name}"
        click.echo(
            f"{entry.name:<12} {entry.stage:<8} {size:>10}  {entry.licence:<18} {entry.origin:<60} {place}"
        )


@command.command("fetch")
@click.argument("name")
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Default: checkpoints/NAME.")
@traceback_option
def fetch_command(name: str, folder: Path | None) -> None:
    """Download a published checkpoint's files from the Hugging Face hub, going on where a download was cut off."""
    from pipelines.published import fetch, published

    click.echo(fetch(published(name), folder or Path("checkpoints") / name, click.echo))


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
    """Check a checkpoint, a name or a path: header, names, shapes, sha256.

    A file is held against the published layouts (7B inverse renderer, 96-channel editing network and its
    16-channel base, UMT5 text encoder, Wan autoencoder) without reading its tensors. The text encoder's tokenizer
    is looked for beside them. Exit 1 where a file differs from the layout it is most like.
    """
    from alaya.layout_check import check_weights, weight_files
    from alaya.weights import STAGES

    path = _published_folder(name) or Path(name)
    holds_stages = any((path / each / "card.json").is_file() for each in STAGES)
    is_one = path.is_file() or (not holds_stages and bool(weight_files(path)))
    checked = [file for found in ([path] if is_one else _find(name, stage)) for file in check_weights(found)]
    for file in checked:
        click.echo(file.line)
    if path.is_dir():
        _tell_tokenizer(path)
    if wrong := sum(file.differs for file in checked):
        raise AlayaError(
            f"{name}: {wrong} of {len(checked)} files differ from the published ones they are most like"
        )


@command.command("verify")
@click.option(
    "--golden",
    "directory",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with published-layout weights and the numbers a reference gave for them (io.safetensors).",
)
@traceback_option
def verify_command(directory: Path) -> None:
    """Load the weights in a folder as a run does and compare with a reference's numbers; exit 1 if one is off."""
    if _is_editing(directory):
        from editing.wan_verify import verify_golden
    else:
        from inverse.cosmos_verify import verify_golden
    groups = verify_golden(directory)
    for group in groups:
        click.echo(group.line())
    wrong = [group.name for group in groups if not group.good]
    if wrong or not groups:
        raise AlayaError(
            f"{directory}: {len(wrong)} of {len(groups)} groups are not the reference's"
            f" ({', '.join(wrong[:10]) or 'there are none'})"
        )


@command.command("convert")
@click.argument("source")
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--dtype", type=click.Choice(["bf16", "fp32"]), default="bf16", help="Default: bf16.")
@traceback_option
def convert_command(source: str, target: Path, dtype: str) -> None:
    """Write the published files in SOURCE as the diffusers folder TARGET, one tensor at a time."""
    if _is_editing(Path(source)):
        from editing.wan_convert import convert
    else:
        from inverse.cosmos_convert import convert
    click.echo(convert(source, target, {"bf16": "BF16", "fp32": "F32"}[dtype]))


def _tell_tokenizer(folder: Path) -> None:
    """Print a line on the tokenizer beside the published editing model's files, if a folder holds those."""
    from editing.wan_files import describe_tokenizer, find_wan

    try:
        files = find_wan(str(folder))
    except WeightsNotFoundError as error:  # a part is missing, whose files were fine
        click.echo(str(error))
        return
    if files is not None:
        click.echo(describe_tokenizer(files))


def _published_folder(name: str) -> Path | None:
    """Where a published checkpoint of that name lies; None if it is no published one's name."""
    from pipelines.published import PUBLISHED

    for entry in PUBLISHED:
        if entry.name == name:
            files = entry.find(name)
            return getattr(files, "folder", None) or files.network.parent
    return None


def _is_editing(folder: Path) -> bool:
    """Whether a folder holds the published editing model's files rather than the inverse renderer's."""
    from editing.wan_files import find_wan

    return find_wan(str(folder)) is not None


def _find(name: str, stage: str | None) -> list[Path]:
    from alaya.weights import STAGES, find_weights

    return [find_weights(name, each) for each in ((stage,) if stage else STAGES)]
