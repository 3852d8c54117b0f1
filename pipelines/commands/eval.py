"""`alaya eval`: the figures of a model on a held-out set, or of the seams in what a run left behind."""

import json
from pathlib import Path

import click

from alaya.errors import RequestError
from pipelines.commands.options import PATH, traceback_option

STAGES = ("inverse", "editing")
SEAMS = "seams"


@click.command("eval", short_help="Figures of a model on held-out clips, or of a run's seams.")
@click.argument("stage", metavar="inverse|editing|seams")
@click.argument("target", type=PATH, required=False, metavar="[RUN]")
@click.option(
    "--set", "set_dir", type=PATH, help="A folder of clips with truth. Default: the held-out worlds."
)
@click.option("--model", default="small", show_default=True, help="A name, or the path of weights.")
@click.option(
    "--out",
    type=PATH,
    help="Where the figures go: a .json file, or a folder. Default: benchmarks/results; of seams nowhere.",
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option(
    "--borders",
    metavar="A,B,...",
    help="Of seams without a journal: where every window after the first begins.",
)
@click.option("--json", "as_json", is_flag=True, help="The figures as one line of JSON on stdout.")
@traceback_option
def command(
    stage: str,
    target: Path | None,
    set_dir: Path | None,
    model: str,
    out: Path | None,
    device: str,
    borders: str | None,
    as_json: bool,
) -> None:
    """Measure a stage against truth and against trivial baselines of the same run; print the figures.

    `alaya eval seams outputs/clip` measures whether the borders of a run's windows can be found.
    """
    if stage == SEAMS:
        if set_dir is not None:
            raise RequestError(
                "--set is of inverse and editing; give the folder of a run: alaya eval seams outputs/clip"
            )
        _seams(target, borders, out, as_json)
        return
    if stage not in STAGES:
        raise RequestError(f"unknown stage {stage!r}; there are {', '.join((*STAGES, SEAMS))}")
    if target is not None or borders is not None:
        raise RequestError(
            f"alaya eval {stage} takes --set; a folder of a run or --borders is for alaya eval seams"
        )
    if set_dir is not None and not set_dir.is_dir():
        raise RequestError(
            f"set {set_dir} is not a folder; give clips with truth, such as `alaya worlds make` writes"
        )
    from training.evaluate import evaluate
    from training.results import as_text

    result = evaluate(
        stage, set_dir, model, out, lambda line: click.echo(f"alaya: {line}", err=True), device=device
    )
    click.echo(json.dumps(result) if as_json else f"{as_text(result)}\n{result['path']}")


def _seams(target: Path | None, borders: str | None, out: Path | None, as_json: bool) -> None:
    """Measure the seams of a run, another clip or a video."""
    if target is None:
        raise RequestError("no run was given; give its folder: alaya eval seams outputs/clip")
    if out is not None and out.suffix != ".json":
        raise RequestError(f"--out {out} must end in .json for seams; try {out}.json")
    places = None if borders is None else parse_borders(borders)
    from pipelines.seams import as_text, measure_seams

    result = measure_seams(target, places)
    text = json.dumps(result, allow_nan=False)
    if out is not None:
        from alaya.files import atomic_write

        atomic_write(out, text + "\n")
    click.echo(text if as_json else as_text(result))


def parse_borders(text: str) -> list[int]:
    """Frame numbers with commas between them."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() and part.strip().isascii() for part in parts):
        raise RequestError(f"--borders takes frame numbers with commas between them, got {text!r}; try 48,96")
    return [int(part) for part in parts]
