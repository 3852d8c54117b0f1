"""Fine-tuning the published models, all weights or a LoRA: what both have in common for the training loop."""

from __future__ import annotations

import json
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from alaya.errors import RequestError
from alaya.files import atomic_write, file_sha256, joint_sha256
from alaya.lora import attach_lora, lora_state
from alaya.lora_files import FILE_NAMES, write_lora
from alaya.shards import write_shards
from alaya.weights import CARD_NAME
from training.data import Batch
from training.latents import LatentCache
from training.optimizer import Muon, make_adamw
from training.recipe import Phase, Recipe
from training.sheet import rgb_sheet
from training.tasks import Samples

PRESETS = ("full", "lora")
SIDE = 16
"""Sides of both models' pictures are multiples of it."""
SHEET_CLIPS = 2
STEM = "diffusion_pytorch_model"


def make_finetune(recipe: Recipe) -> FineTune:
    """The task of a recipe whose task is "wan" or "cosmos"."""
    if recipe.preset not in PRESETS:
        raise RequestError(
            f"recipe {recipe.name}: no preset {recipe.preset!r}; a published model is tuned {' or '.join(PRESETS)}"
        )
    if (recipe.rank > 0) != (recipe.preset == "lora"):
        raise RequestError(
            f"recipe {recipe.name}: rank is {recipe.rank}; it must be above 0 for a lora, and left out for full"
        )
    if recipe.task == "wan":
        from training.finetune_wan import WanTask

        return WanTask(recipe)
    from training.finetune_cosmos import CosmosTask

    return CosmosTask(recipe)


class FineTune(ABC):
    """See `training.tasks.Task` for the methods' contract; a subclass knows the model.

    Samples, noise and noise levels hang on a sample's number alone, so that two batches of one, accumulated,
    are one batch of two.

    Attributes:
        stage: of the checkpoint.
        every: a clip has `every` * n + 1 frames.
        usual: layers that get a pair when the recipe names none.
    """

    stage: str
    every: int
    usual: tuple[str, ...]

    def __init__(self, recipe: Recipe, net: Any) -> None:
        self.recipe, self.net = recipe, net
        for phase in recipe.phases:
            if phase.width % SIDE or phase.height % SIDE or (phase.num_frames - 1) % self.every:
                raise RequestError(
                    f"recipe {recipe.name}: phase {phase.name} has {phase.num_frames} frames of"
                    f" {phase.width}x{phase.height}; {recipe.task} takes {self.every}n+1 of multiples of {SIDE}"
                )
        self.alpha = recipe.alpha or float(recipe.rank)
        if recipe.preset == "lora":
            attach_lora(net, recipe.targets or self.usual, recipe.rank, self.alpha)
        net.enable_gradient_checkpointing()
        kind: Any = self.stage
        self.data: Samples = Samples(recipe, kind)
        self.latents = LatentCache(self.encode)

    @staticmethod
    def base_dtype(recipe: Recipe) -> torch.dtype:
        """What the start is held in: weights that are trained in float32, others as they will be used."""
        frozen = recipe.preset == "lora" and recipe.precision == "bf16"
        return torch.bfloat16 if frozen else torch.float32

    def make_optimizer(self, net: nn.Module) -> Muon:
        """AdamW: Muon's steps are for networks that start from nothing, and need whole matrices."""
        return make_adamw(net)

    def batch(self, step: int, phase: Phase) -> Batch:
        """As `Task.batch`: "videos" (B, n, 3, T, H, W) in [-1, 1], "index" (B,), and what else the model needs."""
        self.data.aim(phase)
        indices = range(step * phase.batch, (step + 1) * phase.batch)
        rows = [self.show(self.data.data.sample(index, 0, phase.num_frames), index) for index in indices]
        return _stacked(rows) | {"index": torch.tensor(indices)}

    def draw(self, index: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Per sample: a generator's first numbers (B,) normal, and noise shaped as `like`; made on the CPU."""
        first, noise = [], []
        for number in index.tolist():
            generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + number)
            first.append(torch.randn((), generator=generator))
            noise.append(torch.randn(like.shape[1:], generator=generator))
        return torch.stack(first), torch.stack(noise).to(like.device)

    def sheet(self, net: nn.Module) -> np.ndarray:
        """As `Task.sheet`: what is to be drawn, and what the network makes of it half-way in the noise."""
        phase, held = self.recipe.phases[-1], self.data.held
        held.size = (phase.height, phase.width)
        batch = _stacked([self.show(held.sample(0, slot, 1), slot) for slot in range(SHEET_CLIPS)])
        device = next(net.parameters()).device
        batch = {key: value.to(device) for key, value in batch.items()}
        with torch.no_grad():
            clean = self.guess(net, batch, torch.arange(SHEET_CLIPS))
            drawn = torch.cat([self.decode(latents) for latents in clean.split(1)])
        return rgb_sheet([video.movedim(1, 2) / 2 + 0.5 for video in (batch["videos"][:, 0], drawn)])

    def describe(self) -> dict[str, Any]:
        """As `Task.describe`."""
        settings = {"rank": self.recipe.rank, "alpha": self.alpha} if self.recipe.rank else {}
        return {"class": type(self.net).__name__, "trained": self.recipe.preset, **settings}

    def save(self, folder: Path, state: dict[str, Tensor], card: dict[str, Any]) -> None:
        """Write the checkpoint: a LoRA as diffusers reads it, or the whole model as a diffusers folder."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.recipe.preset == "lora":
            path = folder / FILE_NAMES[0]
            note = {"base": self.start(), "made_by": card["legs"][-1]["command"]}
            write_lora(path, lora_state(state), self.recipe.rank, self.alpha, note)
            sha256 = file_sha256(path)
        else:
            shutil.rmtree(folder / "transformer", ignore_errors=True)
            written = self._write_network(folder / "transformer", state)
            sha256 = joint_sha256([*written, *self.write_rest(folder)])
        card = card | {"stage": self.stage, "base": self.start(), "sha256": sha256, **self.facts()}
        card["licence"] = "that of the model it was tuned from"
        atomic_write(folder / CARD_NAME, json.dumps(card, indent=2) + "\n")

    def _write_network(self, folder: Path, state: dict[str, Tensor]) -> list[Path]:
        """bfloat16, but for the tensors that the network keeps exact."""
        folder.mkdir(parents=True)
        exact = set(self.net._keep_in_fp32_modules or ())
        tensors = {**self.net.state_dict(), **state}
        header = {
            key: ("BF16" if exact.isdisjoint(key.split(".")) else "F32", tuple(value.shape))
            for key, value in tensors.items()
        }
        self.net.save_config(folder)
        return write_shards(folder, STEM, header, tensors.__getitem__)

    @abstractmethod
    def start(self) -> str:
        """The sha256 of what was loaded."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What the card of this model says besides: how it is sampled."""

    @abstractmethod
    def show(self, sample: Batch, index: int) -> Batch:
        """A sample as the model's videos (n, 3, T, H, W) in [-1, 1], what is to be drawn first."""

    @abstractmethod
    def encode(self, video: Tensor) -> Tensor:
        """One video (1, 3, T, H, W) to latents (1, 16, t, h, w)."""

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """The way back."""

    @abstractmethod
    def loss(self, net: nn.Module, batch: Batch, step: int, phase: Phase) -> tuple[Tensor, dict[str, float]]:
        """As `Task.loss`."""

    @abstractmethod
    def guess(self, net: nn.Module, batch: Batch, index: Tensor) -> Tensor:
        """The clean latents (B, 16, t, h, w) that the network sees behind noise."""

    @abstractmethod
    def write_rest(self, folder: Path) -> list[Path]:
        """Write what a whole model has besides the network; which files identify it."""


def _stacked(rows: list[Batch]) -> Batch:
    return {key: torch.stack([row[key] for row in rows]) for key in rows[0]}
