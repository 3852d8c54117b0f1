"""`alaya eval`: the figures of a model on a held-out set."""

from pathlib import Path

import click

from alaya.errors import RequestError
from pipelines.commands.options import PATH, traceback_option

STAGES = ("inverse", "editing")


@click.command("eval", short_help="Figures of a model on held-out clips.")
@click.argument("stage", metavar="inverse|editing")
@click.option(
    "--set", "set_dir", type=PATH, help="A folder of clips with truth. Default: the held-out worlds."
)
@click.option("--model", default="small", show_default=True, help="A name, or the path of weights.")
@click.option(
    "--out", type=PATH, help="Where the figures go: a .json file, or a folder. Default: benchmarks/results."
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@traceback_option
def command(stage: str, set_dir: Path | None, model: str, out: Path | None, device: str) -> None:
    """Measure a stage against truth and against trivial baselines of the same run; print the figures."""
    if stage not in STAGES:
        raise RequestError(f"unknown stage {stage!r}; there are {', '.join(STAGES)}")
    if set_dir is not None and not set_dir.is_dir():
        raise RequestError(
            f"set {set_dir} is not a folder; give clips with truth, such as `alaya worlds make` writes"
        )
    from training.evaluate import evaluate
    from training.results import as_text

    result = evaluate(
        stage, set_dir, model, out, lambda line: click.echo(f"alaya: {line}", err=True), device=device
    )
    click.echo(f"{as_text(result)}\n{result['path']}")
