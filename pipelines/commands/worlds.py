"""`alaya worlds`: paired training data from our own worlds."""

import re
from pathlib import Path

import click

from alaya.errors import RequestError
from pipelines.commands.options import PATH, traceback_option


@click.group("worlds", short_help="Paired data from our own worlds.")
def command() -> None:
    """Make datasets."""


def parse_size(text: str) -> tuple[int, int]:
    """WIDTHxHEIGHT as (width, height)."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise RequestError(f"--size must be WIDTHxHEIGHT, got {text!r}; try 256x144")
    return int(match[1]), int(match[2])


@command.command("make")
@click.option("--out", type=PATH, required=True, help="The dataset's folder; an unfinished one is continued.")
@click.option("--clips", type=int, required=True, help="How many clips.")
@click.option("--frames", type=int, default=9, show_default=True, help="Frames of each clip.")
@click.option("--size", default="256x144", show_default=True, help="WIDTHxHEIGHT.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--workers", type=int, default=2, show_default=True, help="Processes.")
@click.option("--split", default="train", show_default=True, help="train or heldout.")
@click.option(
    "--stride", type=int, default=1, show_default=True, help="Source frames from one frame to the next."
)
@click.option("--lightings", type=int, default=2, show_default=True, help="Random lightings of each clip.")
@click.option("--targets", type=int, default=2, show_default=True, help="Looks of each clip.")
@click.option(
    "--variety", default="usual", show_default=True, help="usual, or wide for rarer scenes, light and relief."
)
@click.option("--families", metavar="A,B", help="Only these families of scenes.")
@traceback_option
def make_command(
    out: Path,
    clips: int,
    frames: int,
    size: str,
    seed: int,
    workers: int,
    split: str,
    stride: int,
    lightings: int,
    targets: int,
    variety: str,
    families: str | None,
) -> None:
    """Render clips with exact G-buffers, motion vectors and looks; the same seed gives the same bytes."""
    pixels = parse_size(size)
    from worlds.make import make_dataset

    chosen = None if families is None else tuple(name.strip() for name in families.split(","))
    made = make_dataset(
        out,
        clips,
        frames,
        pixels,
        seed,
        workers,
        split=split,
        stride=stride,
        lightings=lightings,
        targets=targets,
        variety=variety,
        families=chosen,
    )
    click.echo(made)
