"""A recipe: the TOML file that says how a checkpoint is trained, read strictly."""

from __future__ import annotations

import math
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from alaya.errors import RequestError
from prompts.strict_toml import read_toml

EMBEDDED, PUBLISHED = ("inverse", "editing"), ("cosmos", "wan")
TASKS = EMBEDDED + PUBLISHED
"""The embedded networks, and fine-tuning the published ones."""
PRECISIONS = ("no", "bf16")


@dataclass(frozen=True)
class Phase:
    """One stretch of training at one picture size and clip length.

    Attributes:
        name: what logs call it.
        steps: optimiser steps.
        width, height: training pictures in pixels, multiples of 8.
        num_frames: frames a clip.
        batch: clips a step.
        lr: AdamW's rate; Muon's is ``muon_lr``. Both warm up over ``warmup`` steps.
        muon_lr: rate of the inner weights.
        decay_from: share of the phase after which the rates fall linearly to ``end`` times their value.
        end: what is left of the rates at the end of the phase.
        warmup: steps.
        noisy_share: share of steps that start from a noisy target, for more than one sampling step.
        whole_share: share of clips seen whole instead of cropped.
        share: parts of the time that the phase takes in a run by the clock.
    """

    name: str
    steps: int
    width: int
    height: int
    num_frames: int = 1
    batch: int = 8
    lr: float = 1e-3
    muon_lr: float = 0.02
    decay_from: float = 1.0
    end: float = 1.0
    warmup: int = 50
    noisy_share: float = 0.1
    whole_share: float = 0.5
    share: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run.

    Attributes:
        task: "inverse" or "editing"; "cosmos" or "wan" fine-tune the published models of these stages.
        name: of the checkpoint.
        preset: key of the network's CONFIGS; for a published model "full" or "lora".
        seed: decides initial weights, batches and noise.
        data: dataset folders (globs allowed).
        heldout: dataset folder that previews are drawn from.
        phases: in order.
        ema: decay of the averaged weights that are saved; 0 saves the weights as they are.
        accumulate: batches a step.
        precision: "no" or "bf16" (autocast).
        save_every, preview_every: steps.
        workers: processes that prepare batches ahead, for a GPU; 0 prepares each when it is needed. The samples
            are the same.
        by_time: `--minutes` is what the phases share by the clock, instead of an early stop: rates fall in time.
        calm_deep, calm_grown, calm_inner, calm_middle: what features of the coarsest level, what is enlarged from
            them, the first convolutions of blocks, and features of the middle level are divided by in the weights
            that a leg starts from (`training.calm`); 1 leaves them.
        model: the published model that fine-tuning starts from, a name or a folder.
        rank: of a LoRA's pairs.
        alpha: the pairs are scaled by alpha / rank; as the rank when 0.
        targets: ends of the names of the layers that get a pair; the usual ones when empty.
    """

    task: str
    name: str
    preset: str
    seed: int
    data: tuple[str, ...]
    heldout: str
    phases: tuple[Phase, ...]
    ema: float = 0.998
    accumulate: int = 1
    precision: str = "no"
    save_every: int = 200
    preview_every: int = 500
    workers: int = 0
    by_time: bool = False
    calm_deep: float = 1.0
    calm_grown: float = 1.0
    calm_inner: float = 1.0
    calm_middle: float = 1.0
    model: str = ""
    rank: int = 0
    alpha: float = 0.0
    targets: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        """Steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    @property
    def calming(self) -> tuple[float, float, float, float]:
        """What `training.calm.calm` is told, in its order."""
        return self.calm_deep, self.calm_grown, self.calm_inner, self.calm_middle

    def at(self, step: int) -> tuple[Phase, int]:
        """The phase a global step falls into, and the step's number inside it."""
        for phase in self.phases:
            if step < phase.steps:
                return phase, step
            step -= phase.steps
        raise IndexError(step)

    def only(self, names: tuple[str, ...]) -> Recipe:
        """The same recipe with some of its phases, in the recipe's order."""
        known = [phase.name for phase in self.phases]
        if unknown := [name for name in names if name not in known]:
            raise RequestError(
                f"recipe {self.name} has no phase {unknown[0]!r}; its phases are {', '.join(known)}"
            )
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Recipe(**{**values, "phases": tuple(phase for phase in self.phases if phase.name in names)})


def read_recipe(path: Path) -> Recipe:
    """Read a recipe; every unknown, missing or wrong key is refused by name."""
    if not path.is_file():
        raise RequestError(f"no recipe at {path}; the bundled ones lie in training/recipes/")
    try:
        table = read_toml(path)
    except (OSError, ValueError) as error:
        raise RequestError(f"{path}: not TOML ({error})") from error
    phases = table.pop("phases", None)
    if not isinstance(phases, list) or not phases:
        raise RequestError(f"{path}: a recipe needs at least one [[phases]] table")
    read = tuple(_build(Phase, phase, f"{path}: phase {number}") for number, phase in enumerate(phases, 1))
    recipe = _build(Recipe, {**table, "phases": read}, str(path))
    _check(recipe, path)
    return recipe


def _build(kind: type, table: Any, where: str) -> Any:
    if not isinstance(table, dict):
        raise RequestError(f"{where}: must be a table, got {repr(table)[:60]}")
    known = {field.name: field for field in fields(kind)}
    if unknown := sorted(set(table) - set(known)):
        raise RequestError(f"{where}: unknown key {unknown[0][:60]!r}; known are {', '.join(known)}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    if missing := [key for key, field in known.items() if field.default is MISSING and key not in values]:
        raise RequestError(f"{where}: needs the key {missing[0]!r}")
    for key, value in values.items():
        if not _fits(value, str(known[key].type)):
            raise RequestError(f"{where}: {key} must be {known[key].type}, got {repr(value)[:60]}")
    return kind(**values)


def _fits(value: Any, annotation: str) -> bool:
    if annotation == "tuple[str, ...]":
        return isinstance(value, tuple) and all(isinstance(part, str) for part in value)
    if annotation == "bool" or isinstance(value, bool):
        return annotation == "bool" and isinstance(value, bool)
    allowed = {"int": (int,), "float": (int, float), "str": (str,)}.get(annotation, (tuple,))
    return isinstance(value, allowed)


def _check(recipe: Recipe, path: Path) -> None:
    for key, value, known in (("task", recipe.task, TASKS), ("precision", recipe.precision, PRECISIONS)):
        if value not in known:
            raise RequestError(f"{path}: {key} must be one of {', '.join(known)}, got {repr(value)[:60]}")
    _check_numbers(
        str(path),
        {
            "accumulate": recipe.accumulate,
            "save_every": recipe.save_every,
            "preview_every": recipe.preview_every,
        },
        {"ema": recipe.ema},
    )
    if len({phase.name for phase in recipe.phases}) != len(recipe.phases):
        raise RequestError(f"{path}: two phases have the same name")
    if recipe.rank < 0 or not 0 <= recipe.alpha < math.inf:
        raise RequestError(f"{path}: rank and alpha must be at least 0, got {recipe.rank}, {recipe.alpha}")
    if recipe.workers < 0 or (recipe.workers and recipe.task not in EMBEDDED):
        raise RequestError(
            f"{path}: workers must be at least 0, and 0 for {', '.join(PUBLISHED)}, got {recipe.workers}"
        )
    if not all(0 < share < math.inf for share in recipe.calming):
        names = "calm_deep, calm_grown, calm_inner, calm_middle"
        raise RequestError(f"{path}: {names} must be above 0, got {recipe.calming}")
    if recipe.task not in EMBEDDED and recipe.calming != (1, 1, 1, 1):
        raise RequestError(f"{path}: calm_deep and the like are for {', '.join(EMBEDDED)}, not {recipe.task}")
    for phase in recipe.phases:
        _check_phase(phase, f"{path}: phase {phase.name}")


def _check_phase(phase: Phase, where: str) -> None:
    counts = {key: getattr(phase, key) for key in ("steps", "width", "height", "num_frames", "batch")}
    shares = {key: getattr(phase, key) for key in ("decay_from", "end", "noisy_share", "whole_share")}
    _check_numbers(where, counts, shares)
    if phase.width % 8 or phase.height % 8:
        raise RequestError(
            f"{where}: width and height must be multiples of 8, got {phase.width}x{phase.height}"
        )
    if not 0 < phase.share < math.inf:
        raise RequestError(f"{where}: share must be above 0, got {phase.share}")
    for key in ("lr", "muon_lr", "warmup"):
        if not 0 <= getattr(phase, key) < math.inf:
            raise RequestError(f"{where}: {key} must be at least 0, got {getattr(phase, key)}")


def _check_numbers(where: str, counts: dict[str, int], shares: dict[str, float]) -> None:
    for key, count in counts.items():
        if count < 1:
            raise RequestError(f"{where}: {key} must be at least 1, got {count}")
    for key, share in shares.items():
        if not 0 <= share <= 1:
            raise RequestError(f"{where}: {key} must lie in [0, 1], got {share}")
