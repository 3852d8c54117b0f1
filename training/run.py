"""Train a recipe from the door to the checkpoint with its card: what `alaya train` does."""

from __future__ import annotations

import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

import alaya.netcode as netcode
from alaya.errors import RequestError
from alaya.unet import UNet
from alaya.weights import CARD_NAME, read_card, save_checkpoint
from training.calm import calm
from training.card import read_me
from training.growth import load_or_grow
from training.loop import Report, Run
from training.recipe import Recipe, read_recipe
from training.tasks import make_task


def train(
    recipe_path: Path,
    out: Path,
    *,
    phases: tuple[str, ...] = (),
    init: Path | None = None,
    resume: bool = False,
    minutes: float | None = None,
    threads: int | None = None,
    seed: int | None = None,
    tracker: str | None = None,
    report: Report = lambda event: None,
) -> Path | None:
    """Train a recipe, or a leg of it.

    Args:
        recipe_path: TOML file.
        out: the run's folder; `out/checkpoint` is the result.
        phases: names of the phases to run, all when empty.
        init: checkpoint folder whose weights the run starts from; instead of a published model, a tuned one.
        resume: continue the run in `out`.
        minutes: stop (resumable) after so long; for a recipe `by_time`, how long the whole run takes.
        threads: of torch on the CPU.
        seed: instead of the recipe's own.
        tracker: "wandb" or "tensorboard".
        report: called with every log line.

    Returns:
        The checkpoint's folder, or None if the time ran out before the last step.

    Raises:
        RequestError: a folder with another run in it, an unknown phase, no data.
    """
    recipe = read_recipe(recipe_path)
    recipe = recipe.only(phases) if phases else recipe
    recipe = recipe if seed is None else replace(recipe, seed=seed)
    if not resume and (out / "log.jsonl").exists():
        raise RequestError(f"{out} holds a run already; continue it with --resume, or choose another --out")
    if threads:
        torch.set_num_threads(threads)
    if init and recipe.model:
        recipe = replace(recipe, model=str(init))
        began = read_card(init) if (init / CARD_NAME).is_file() else {}
        task = make_task(recipe)
    else:
        task = make_task(recipe)
        began = load_or_grow(task.net, init) if init else {}
        if init and isinstance(unet := getattr(task.net, "unet", None), UNet):
            calm(unet, *recipe.calming)
    seconds = None if minutes is None else minutes * 60
    before = sum(leg["steps"] for leg in began.get("legs", []))
    run = Run(recipe, task, out, tracker, before, seconds if recipe.by_time else None)
    if resume and not run.resume():
        raise RequestError(f"{out} has no saved state to resume from; leave --resume out to start")
    try:
        finished = run.train(report, None if recipe.by_time else seconds)
    finally:
        run.accelerator.end_training()
    folder = out / "checkpoint"
    command = command_line(recipe_path, out, phases, init, threads, minutes if recipe.by_time else None, seed)
    card = make_card(recipe, task.describe(), began, run, command)
    weights = run.averaged()
    if run.shared.first:
        getattr(task, "save", save_checkpoint)(folder, weights, card)
        (folder / "README.md").write_text(read_me(card), encoding="utf-8")
    return folder if finished else None


def command_line(
    recipe: Path,
    out: Path,
    phases: tuple[str, ...],
    init: Path | None,
    threads: int | None,
    minutes: float | None = None,
    seed: int | None = None,
) -> str:
    """The command a person types for this leg; `minutes` where they decide more than the stop."""
    words = ["alaya", "train", str(recipe), "--out", str(out)]
    words += [word for phase in phases for word in ("--phase", phase)]
    words += ["--init", str(init)] if init else []
    words += ["--threads", str(threads)] if threads else []
    words += ["--minutes", f"{minutes:g}"] if minutes is not None else []
    words += ["--seed", str(seed)] if seed is not None else []
    return shlex.join(words)


def make_card(
    recipe: Recipe, network: dict[str, Any], before: dict[str, Any], run: Run, command: str
) -> dict[str, Any]:
    """What the checkpoint says of itself; legs before this one are kept, and how their weights were mixed."""
    earlier = list(before.get("legs", []))
    if earlier and "mixed" in before:
        earlier[-1] = {**earlier[-1], "mixed": before["mixed"]}
    leg = {
        "command": command,
        "steps": run.progress.step,
        "seconds": round(run.progress.seconds),
        "phases": [asdict(phase) for phase in run.schedule.phases()],
        "seed": recipe.seed,
        "clips": len(run.task.data.data),
        "device": str(run.accelerator.device),
        "started_from": before.get("sha256"),
    }
    return {
        "name": recipe.name,
        "stage": recipe.task,
        "licence": "Apache-2.0",
        "network": network,
        "num_frames": 57 if recipe.task == "inverse" else 81,
        "num_steps": 1,
        "depth": {"kind": "relative", "near": netcode.NEAR, "far": netcode.FAR},
        "work_pixels": 256 * 144,
        "data": "synthetic worlds of this project (docs/worlds-dataset.md), no pictures from elsewhere",
        "legs": [*earlier, leg],
    }
