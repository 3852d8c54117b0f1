"""`alaya train`: a recipe becomes a checkpoint."""

from pathlib import Path
from typing import Any

import click

from alaya.errors import RequestError
from pipelines.commands.options import PATH, traceback_option


@click.command("train", short_help="A recipe becomes a checkpoint.")
@click.argument("recipe", type=PATH)
@click.option("--out", type=PATH, help="The run's folder. Default: outputs/training/<recipe>.")
@click.option(
    "--phase", "phases", multiple=True, metavar="NAME", help="Only these phases of the recipe; repeatable."
)
@click.option("--init", type=PATH, help="A checkpoint's folder to start from.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
@click.option("--minutes", type=float, help="Stop after so long; --resume goes on.")
@click.option("--threads", type=int, help="Threads of torch on the CPU.")
@click.option("--seed", type=int, help="Instead of the recipe's own.")
@click.option("--wandb", "tracker", flag_value="wandb", help="Log to Weights & Biases too.")
@click.option("--tensorboard", "tracker", flag_value="tensorboard", help="Log to TensorBoard too.")
@traceback_option
def command(recipe: Path, out: Path | None, **options: Any) -> None:
    """Train what RECIPE (a .toml file) describes, and print the checkpoint's folder."""
    if not recipe.is_file():
        raise RequestError(f"recipe {recipe} is not a file; see training/recipes/")
    from training.run import train

    def say(event: dict[str, Any]) -> None:
        click.echo("  ".join(f"{key} {_short(value)}" for key, value in event.items()), err=True)

    folder = train(recipe, out or Path("outputs/training") / recipe.stem, report=say, **options)
    if folder is not None:
        click.echo(folder)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
