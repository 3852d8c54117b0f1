"""What differs between training the inverse and the editing network; the loop knows neither."""

from __future__ import annotations

from dataclasses import replace
from glob import glob
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alaya.errors import RequestError
from alaya.flow import add_noise
from alaya.netcode import ALBEDO, SKY, pack
from editing.light import row_of
from editing.network import CONFIGS as EDITING_CONFIGS
from editing.network import EditingNet
from inverse.network import CONFIGS as INVERSE_CONFIGS
from inverse.network import InverseNet
from training.data import Augment, Batch, WorldsDataset
from training.losses import editing_loss, inverse_loss
from training.phrases import sample_phrase
from training.recipe import Phase, Recipe
from training.sheet import inverse_sheet, rgb_sheet
from worlds.looks import LOOKS

EXTRA_TEXTS = 48
"""Texts without a picture in each editing step: reading is learned from words, which cost little."""


class Task(Protocol):
    """A network with its data and its charge."""

    data: Samples

    @property
    def net(self) -> nn.Module:
        """The network being trained."""
        ...

    def batch(self, step: int, phase: Phase) -> Batch:
        """The batch of a step; the same step always gives the same."""
        ...

    def loss(self, net: nn.Module, batch: Batch, step: int, phase: Phase) -> tuple[Tensor, dict[str, float]]:
        """The loss and its parts."""
        ...

    def sheet(self, net: nn.Module) -> np.ndarray:
        """(H, W, 3) uint8: held-out samples beside their truth."""
        ...

    def describe(self) -> dict[str, Any]:
        """The network part of the weights' card."""
        ...


def make_task(recipe: Recipe) -> Task:
    """The task a recipe asks for, with fresh weights from the recipe's seed."""
    torch.manual_seed(recipe.seed)
    if recipe.task in ("cosmos", "wan"):
        from training.finetune import make_finetune  # needs what the embedded networks do not

        return make_finetune(recipe)
    return InverseTask(recipe) if recipe.task == "inverse" else EditingTask(recipe)


class InverseTask:
    """RGB in, ten planes out."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.config = recipe, _preset(INVERSE_CONFIGS, recipe)
        self.net = InverseNet(self.config)
        self.data: Samples = Samples(recipe, "inverse")

    def batch(self, step: int, phase: Phase) -> Batch:
        """As `Task.batch`."""
        return self.data.batch(step, phase)

    def loss(self, net: nn.Module, batch: Batch, step: int, phase: Phase) -> tuple[Tensor, dict[str, float]]:
        """As `Task.loss`."""
        rgb, planes = batch["rgb"] * 2 - 1, pack_batch(batch)
        t, noisy = draw_noisy(planes, self.recipe.seed, step, phase.noisy_share)
        return inverse_loss(net(rgb, t, noisy, raw=True), planes)

    def sheet(self, net: nn.Module) -> np.ndarray:
        """As `Task.sheet`."""
        batch = self.data.heldout()
        with torch.no_grad():
            device = next(net.parameters()).device
            rgb = batch["rgb"].to(device)
            planes = net(rgb * 2 - 1, torch.ones(len(rgb), device=device)).cpu()
        return inverse_sheet(batch["rgb"], pack_batch(batch), planes)

    def describe(self) -> dict[str, Any]:
        """As `Task.describe`."""
        return InverseNet.describe(self.config)


class EditingTask:
    """Planes and a text in, RGB out."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.config = recipe, _preset(EDITING_CONFIGS, recipe)
        self.looks = tuple(LOOKS)
        self.net = EditingNet(self.config, self.looks, [row_of(vars(look)) for look in LOOKS.values()])
        self.data: Samples = Samples(recipe, "editing")

    def batch(self, step: int, phase: Phase) -> Batch:
        """As `Task.batch`."""
        return self.data.batch(step, phase)

    def loss(self, net: nn.Module, batch: Batch, step: int, phase: Phase) -> tuple[Tensor, dict[str, float]]:
        """As `Task.loss`; every clip gets a text of its own that asks for its look."""
        rng = np.random.default_rng([self.recipe.seed, step, 2])
        target = batch["rgb"] * 2 - 1
        planes = disturb(pack_batch(batch), rng)
        extra = torch.from_numpy(rng.integers(len(self.looks), size=EXTRA_TEXTS)).to(batch["look"])
        looks = torch.cat([batch["look"], extra])
        texts = [sample_phrase(self.looks[int(look)], rng) for look in looks]
        t, noisy = draw_noisy(target, self.recipe.seed, step, phase.noisy_share)
        picture, logits = net(planes, t, texts, noisy, rng, batch["look"])
        return editing_loss(picture, target, logits, looks)

    def sheet(self, net: nn.Module) -> np.ndarray:
        """As `Task.sheet`."""
        batch = self.data.heldout()
        texts = [sample_phrase(self.looks[int(look)], np.random.default_rng(7)) for look in batch["look"]]
        planes = pack_batch(batch)
        with torch.no_grad():
            device = next(net.parameters()).device
            picture, _ = net(planes.to(device), torch.ones(len(texts), device=device), texts)
        return rgb_sheet([planes[:, :, ALBEDO] / 2 + 0.5, batch["rgb"], picture / 2 + 0.5])

    def describe(self) -> dict[str, Any]:
        """As `Task.describe`."""
        return EditingNet.describe(self.config, self.looks)


class Samples:
    """The recipe's data at whatever size a phase asks for."""

    def __init__(self, recipe: Recipe, kind: Any) -> None:
        folders = sorted(path for pattern in recipe.data for path in glob(pattern))
        if not folders:
            raise RequestError(f"no dataset at {', '.join(recipe.data)}; make one with `alaya worlds make`")
        self.kind = kind
        self.data = WorldsDataset(folders, kind, seed=recipe.seed)
        self.held = WorldsDataset([recipe.heldout], kind, seed=7, augment=Augment.none())

    def batch(self, step: int, phase: Phase) -> Batch:
        """The batch of a global step."""
        self.aim(phase)
        return self.data.batch(step, phase.batch, phase.num_frames)

    def aim(self, phase: Phase) -> None:
        """Give samples of a phase's size from now on."""
        self.data.size = (phase.height, phase.width)
        self.data.augment = replace(Augment.of(self.kind), zoom=1 - phase.whole_share)

    def heldout(self) -> Batch:
        """Eight held-out single frames, always the same."""
        return self.held.batch(0, 8, 1)


def pack_batch(batch: Batch) -> Tensor:
    """(B, T, 10, H, W) planes of a batch."""
    return pack({key: batch[key] for key in ("albedo", "normal", "depth", "roughness", "metallic")})


def draw_noisy(target: Tensor, seed: int, step: int, share: float) -> tuple[Tensor, Tensor | None]:
    """Flow times and, in a share of the steps, the target at those times; otherwise nothing at time 1.

    Drawn on the CPU, so that every device trains on the same noise.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    ones = torch.ones(len(target), device=target.device)
    if float(torch.rand((), generator=generator)) >= share:
        return ones, None
    t = torch.rand(len(target), generator=generator).clamp(0.02, 0.98).to(target.device)
    noise = torch.randn(target.shape, generator=generator).to(target.device)
    return t, add_noise(target, noise, t)


def disturb(planes: Tensor, rng: np.random.Generator, chance: float = 0.5) -> Tensor:
    """Make true planes look a little like predicted ones, so that the editor takes both.

    Half of the clips get soft channels (as an inverse model's are), a wrong depth scale, and offsets of
    roughness and albedo that last for the clip. Sky keeps its code, as it does in what a model predicts.
    """
    disturbed = planes.clone()
    for index in range(len(planes)):
        if rng.random() >= chance:
            continue
        clip = disturbed[index]
        ground = clip[:, SKY] < 0
        if rng.random() < 0.5:
            soft = F.avg_pool2d(clip[:, 3:9], 5, 1, 2, count_include_pad=False)
            soft = torch.lerp(clip[:, 3:9], soft, float(rng.random()))
            clip[:, 3:9] = torch.where(ground, soft, clip[:, 3:9])
        offsets = np.concatenate([rng.normal(0, 0.06, 3), np.zeros(3), rng.normal(0, [0.04, 0.12, 0.05])])
        shifted = clip[:, :9] + torch.tensor(offsets).to(clip).view(1, 9, 1, 1)
        clip[:, :9] = torch.where(ground, shifted, clip[:, :9]).clamp(-1, 1)
    return disturbed


def _preset(configs: dict[str, Any], recipe: Recipe) -> Any:
    if recipe.preset not in configs:
        raise RequestError(
            f"recipe {recipe.name}: no preset {recipe.preset!r}; there are {', '.join(configs)}"
        )
    return configs[recipe.preset]
