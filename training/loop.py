"""The one training loop: any task, resumable to the same curve, with a log, pictures and averaged weights."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor, nn

from alaya.errors import AlayaError, RequestError
from alaya.files import atomic_write
from training.data import Asked, Loaded, load_steps
from training.ema import Ema
from training.optimizer import make_optimizer
from training.parallel import Shared
from training.recipe import Recipe
from training.schedule import BySteps, ByTime, Progress, Schedule
from training.tasks import Task

LOG_EVERY = 20
MAX_GRAD_NORM = 1.0
Report = Callable[[dict[str, Any]], None]


class Run:
    """A training run in a folder: log.jsonl, sheets/, state/ (for resuming)."""

    def __init__(
        self,
        recipe: Recipe,
        task: Task,
        folder: Path,
        tracker: str | None = None,
        before: int = 0,
        seconds: float | None = None,
    ) -> None:
        """Prepare the network, its optimiser and its average.

        Args:
            recipe: phases, rates, precision.
            task: the network with its data and its charge.
            folder: where log, sheets and state go; made if missing.
            tracker: "wandb" or "tensorboard".
            before: steps of earlier legs: a later leg draws on where they stopped, it sees no batch twice.
            seconds: what the phases share by the clock; None takes the recipe's steps.
        """
        self.recipe, self.task, self.folder, self.before = recipe, task, folder, before
        folder.mkdir(parents=True, exist_ok=True)
        self.accelerator = Accelerator(
            mixed_precision=recipe.precision,
            gradient_accumulation_steps=recipe.accumulate,
            log_with=tracker,
            project_dir=str(folder),
        )
        if tracker:
            self.accelerator.init_trackers("alaya")
        optimizer = getattr(task, "make_optimizer", make_optimizer)(task.net)
        self.net, self.optimizer = self.accelerator.prepare(task.net, optimizer)
        self.shared = Shared(self.accelerator, self.plain_net, recipe)
        self.ema = Ema(self.plain_net, recipe.ema)
        self.progress = Progress()
        self.schedule, self.phase = self._make_schedule(seconds), recipe.phases[0].name
        self.accelerator.register_for_checkpointing(self.ema, self.progress)

    @property
    def plain_net(self) -> nn.Module:
        """The network without accelerate's wrapping."""
        return self.accelerator.unwrap_model(self.net)

    def resume(self) -> bool:
        """Continue from the folder's last state; False where there is none."""
        state, old = self.folder / "state", self.folder / "state.old"
        if self.shared.first and not state.is_dir() and old.is_dir():
            old.rename(state)  # stopped between the two renames of save()
        self.shared.wait()
        if not state.is_dir():
            return False
        self.shared.load(state)
        self._trim_log()
        return True

    def save(self) -> None:
        """Keep a state to resume from, beside the last one until it is whole."""
        fresh, state, old = (self.folder / name for name in ("state.new", "state", "state.old"))
        if self.shared.first:
            shutil.rmtree(fresh, ignore_errors=True)
        self.shared.wait()
        self.shared.save(fresh)
        if not self.shared.first:
            return
        if state.exists():
            shutil.rmtree(old, ignore_errors=True)
            state.rename(old)
        fresh.rename(state)
        shutil.rmtree(old, ignore_errors=True)

    def train(self, report: Report = lambda event: None, stop_after: float | None = None) -> bool:
        """Train to the recipe's end.

        Args:
            report: called with each log line.
            stop_after: seconds after which to save and stop.

        Returns:
            Whether the last step was reached.
        """
        began, window = time.perf_counter(), deque[dict[str, float]](maxlen=LOG_EVERY)
        before = self.progress.seconds
        self.net.train()
        with closing(self._batches()) as batches:
            while not self.schedule.over():
                window.append(self._step(batches))
                self.progress.seconds = before + time.perf_counter() - began
                self._after_step(window, report)
                if stop_after is not None and time.perf_counter() - began > stop_after:
                    self.save()
                    return False
        self.save()
        self._draw()
        return True

    def averaged(self) -> dict[str, Tensor]:
        """The averaged weights, of all that is trained; whole on the first process where several share them."""
        return self.shared.gathered(self.net, self.ema.state)

    def _make_schedule(self, seconds: float | None) -> Schedule:
        if seconds is None:
            return BySteps(self.recipe, self.progress)
        if self.accelerator.num_processes > 1:
            raise RequestError(
                f"recipe {self.recipe.name}: by_time is for one process, there are"
                f" {self.accelerator.num_processes}, whose clocks differ; leave by_time or --minutes out"
            )
        return ByTime(self.recipe, self.progress, seconds)

    def _batches(self) -> Generator[Loaded, None, None]:
        """The run's batches from where it stands, each with its number and phase; close it to end its workers."""
        workers = self.recipe.workers
        return load_steps(self.task.data.batch if workers else self.task.batch, self._asked(), workers)

    def _asked(self) -> Iterator[Asked]:
        step = self.progress.step
        while (phase := self.schedule.phase(step)) is not None:
            for part in range(self.recipe.accumulate):
                yield self.shared.number((self.before + step) * self.recipe.accumulate + part), phase
            step += 1

    def _step(self, batches: Iterator[Loaded]) -> dict[str, float]:
        total: dict[str, float] = {}
        for part in range(self.recipe.accumulate):
            draw, phase, batch = next(batches)
            if part == 0:
                self.phase = phase.name
                self._set_rates(self.schedule.rates(phase))
            batch = {
                key: value.to(self.accelerator.device, non_blocking=True) for key, value in batch.items()
            }
            with self.accelerator.accumulate(self.net), self.accelerator.autocast():
                loss, parts = self.task.loss(self.net, batch, draw, phase)
                self._backward(loss)
            for name, value in {"loss": float(loss.detach()), **parts}.items():
                total[name] = total.get(name, 0.0) + value / self.recipe.accumulate
        self.ema.update(self.plain_net)
        self.progress.step += 1
        return total

    def _set_rates(self, rates: tuple[float, float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, reversed(rates), strict=True):
            group["lr"] = rate

    def _backward(self, loss: Tensor) -> None:
        if not bool(torch.isfinite(loss)):
            raise self._broken("the loss", float(loss.detach()))
        self.accelerator.backward(loss)
        if self.accelerator.sync_gradients:
            norm = self.accelerator.clip_grad_norm_(self.net.parameters(), MAX_GRAD_NORM)
            if norm is not None and not math.isfinite(float(norm)):
                raise self._broken("the gradient's length", float(norm))
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _broken(self, what: str, value: float) -> AlayaError:
        return AlayaError(
            f"{what} is {value} at step {self.progress.step}; lower lr and muon_lr in the recipe and resume"
            f" from {self.folder / 'state'}"
        )

    def _trim_log(self) -> None:
        """Drop the log's lines of steps that were lost with a kill, they will be taken again."""
        path = self.folder / "log.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        kept = [line for line in lines if _step_of(line) <= self.progress.step]
        if kept != lines:
            atomic_write(path, "".join(line + "\n" for line in kept))

    def _after_step(self, window: deque[dict[str, float]], report: Report) -> None:
        step = self.progress.step
        if step % LOG_EVERY == 0 or self.schedule.over():
            means = {key: round(float(np.mean([entry[key] for entry in window])), 5) for key in window[0]}
            event = {"step": step, "phase": self.phase, "seconds": round(self.progress.seconds, 1), **means}
            self.accelerator.log(means, step=step)
            if self.shared.first:
                with (self.folder / "log.jsonl").open("a") as log:
                    log.write(json.dumps(event) + "\n")
                report(event)
        if step % self.recipe.save_every == 0:
            self.save()
        if step % self.recipe.preview_every == 0:
            self._draw()

    def _draw(self) -> None:
        net = self.plain_net
        own = net.state_dict()
        kept = {key: own[key].detach().clone() for key in self.ema.state}
        net.load_state_dict(self.ema.state, strict=False)  # weights that are not trained have no average
        net.eval()
        sheet = self.task.sheet(net)
        net.train()
        net.load_state_dict(kept, strict=False)
        if not self.shared.first:
            return
        folder = self.folder / "sheets"
        folder.mkdir(exist_ok=True)
        Image.fromarray(sheet).save(folder / f"step_{self.progress.step:06d}.png")


def _step_of(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):  # a line that a kill cut short
        return float("inf")
