"""`alaya batch`: many clips, by several workers, on one machine or a Ray cluster."""

from pathlib import Path

import click

from pipelines.commands.options import PATH, traceback_option


@click.command("batch", short_help="Many clips, from a list.")
@click.argument("jobs", type=PATH, metavar="JOBS")
@click.option(
    "--output", "-o", type=PATH, required=True, help="A folder; each job gets one of its own in it."
)
@click.option(
    "--workers", type=int, metavar="N", help="Default: one a GPU, or one for every two processor cores."
)
@click.option(
    "--threads", type=int, metavar="N", help="Of each worker. Default: OMP_NUM_THREADS, or cores / workers."
)
@click.option("--tries", type=int, default=2, show_default=True, help="Before a job that fails is set aside.")
@click.option(
    "--split-windows",
    is_flag=True,
    help="For few long clips: all workers predict windows of one clip, clip after clip.",
)
@click.option("--engine", default="local", show_default=True, help="local (processes) or ray.")
@click.option("--address", help="The Ray cluster's, such as auto or ray://host:10001. Default: this machine.")
@click.option("--json", "as_json", is_flag=True, help="Events as JSON lines on stdout, the summary last.")
@traceback_option
@click.pass_context
def command(ctx: click.Context, jobs: Path, as_json: bool, **values: object) -> None:
    """Render every clip that JOBS lists, a .csv with a header or a .jsonl; print the videos.

    Columns are input, styles, prompt, name and the options of `alaya render`. What is complete is left alone, so
    the same command goes on after any stop. A table of all jobs ends the talk; DIR/batch.json holds it.
    """
    from pipelines.batch import BatchSettings, run_batch
    from pipelines.progress import JsonProgress, open_progress

    progress = open_progress(as_json)
    batch = run_batch(jobs, BatchSettings(**values), progress=progress)  # type: ignore[arg-type]
    for task in batch.tasks:
        for path in task.videos:
            progress.result(path)
    if isinstance(progress, JsonProgress):
        progress.event("batch", **batch.as_dict())
    ctx.exit(batch.exit_code)
