"""Fine-tuning the published inverse renderer: denoising a clip's channels, given its encoded pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from einops import rearrange
from safetensors.torch import save
from torch import Tensor, nn

from alaya.errors import RequestError
from alaya.files import atomic_write
from inverse.cosmos_codec import RATIO, SIGMA_DATA
from inverse.cosmos_convert import model_index
from inverse.cosmos_files import STATISTICS_NAME, find_cosmos
from inverse.cosmos_load import load_parts, statistics_tensors
from inverse.cosmos_model import NUM_FRAMES, NUM_STEPS
from inverse.cosmos_pictures import PASSES, to_pictures
from inverse.cosmos_sampler import make_scheduler
from training.data import Batch
from training.finetune import FineTune
from training.latents import to_gbuffer, to_video
from training.recipe import Phase, Recipe

NAMES = tuple(PASSES)
DEAD = ("attn2.to_q", "attn2.to_k", "attn2.norm_q", "attn2.norm_k")
"""Layers that change nothing: the context is one token, whatever asks for it."""
SHEET_SIGMA = 1.0


class CosmosTask(FineTune):
    """EDM denoising of one of the five channels, drawn at random for each sample."""

    stage, every = "inverse", RATIO
    usual = ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "ff.net.0.proj", "ff.net.2")

    def __init__(self, recipe: Recipe) -> None:
        files = find_cosmos(recipe.model)
        if files is None:
            raise RequestError(
                f"recipe {recipe.name}: model {recipe.model!r} is no published inverse renderer"
            )
        self.files = files
        net, self.codec = load_parts(files, self.base_dtype(recipe), torch.float32)
        self.codec.vae.requires_grad_(False)
        net.requires_grad_(recipe.preset == "full")
        for name, weight in net.named_parameters():
            if any(f".{dead}." in name for dead in DEAD):
                weight.requires_grad_(False)
        super().__init__(recipe, net)

    def start(self) -> str:
        """As `FineTune.start`."""
        return self.files.identity()

    def facts(self) -> dict[str, Any]:
        """As `FineTune.facts`."""
        return {"num_frames": NUM_FRAMES, "num_steps": NUM_STEPS}

    def show(self, sample: Batch, index: int) -> Batch:
        """Two videos: the picture of one channel, and the clip; which row of the network's table asks for it."""
        name = NAMES[np.random.default_rng([self.recipe.seed, index, 4]).integers(len(NAMES))]
        target = torch.from_numpy(to_pictures(to_gbuffer(sample))[name])
        videos = torch.stack([rearrange(target, "t h w c -> c t h w"), to_video(sample)])
        return {"videos": videos, "row": torch.tensor(PASSES[name])}

    def encode(self, video: Tensor) -> Tensor:
        """As `FineTune.encode`."""
        self.codec.vae.to(video.device)  # pyright: ignore[reportArgumentType]
        return self.codec.encode(video)

    def decode(self, latents: Tensor) -> Tensor:
        """As `FineTune.decode`."""
        return self.codec.decode(latents)

    def loss(self, net: nn.Module, batch: Batch, step: int, phase: Phase) -> tuple[Tensor, dict[str, float]]:
        """As `Task.loss`: the squared error of the clean latents, weighted so that all levels count the same."""
        target, clip = self.latents(batch["videos"]).unbind(1)
        first, noise = self.draw(batch["index"], target)
        sigma = draw_sigmas(first, target.shape[2]).to(target)
        clean = self._denoise(net, target + _each(sigma) * noise, sigma, clip, batch["row"])
        errors = (clean - target).square().flatten(1).mean(1)
        loss = (errors * (sigma**2 + SIGMA_DATA**2) / (sigma * SIGMA_DATA) ** 2).mean()
        return loss, {"error": float(errors.detach().mean())}

    def guess(self, net: nn.Module, batch: Batch, index: Tensor) -> Tensor:
        """As `FineTune.guess`, from noise twice as wide as latents."""
        target, clip = self.latents(batch["videos"]).unbind(1)
        _, noise = self.draw(index, target)
        sigma = torch.full((len(target),), SHEET_SIGMA).to(target)
        return self._denoise(net, target + _each(sigma) * noise, sigma, clip, batch["row"])

    def _denoise(self, net: nn.Module, noisy: Tensor, sigma: Tensor, clip: Tensor, row: Tensor) -> Tensor:
        """The network as a denoiser, with the preconditioning of Karras et al. 2022; the clip is not scaled."""
        power = sigma**2 + SIGMA_DATA**2
        dtype = self.net.compute_dtype
        planes = torch.cat([noisy * _each(power.rsqrt()), clip], dim=1).to(dtype)
        answer = net(planes, (0.25 * sigma.log()).to(dtype), row, return_dict=False)[0].float()
        return _each(SIGMA_DATA**2 / power) * noisy + _each(sigma * SIGMA_DATA * power.rsqrt()) * answer

    def write_rest(self, folder: Path) -> list[Path]:
        """The tokenizer, its statistics and the schedule."""
        statistics = {
            name: value.contiguous() for name, value in statistics_tensors(self.codec.statistics).items()
        }
        atomic_write(folder / STATISTICS_NAME, save(statistics))
        self.codec.vae.save_pretrained(folder / "vae")
        make_scheduler().save_pretrained(folder / "scheduler")
        atomic_write(folder / "model_index.json", json.dumps(model_index(), indent=2) + "\n")
        return [*sorted((folder / "vae").glob("*.safetensors")), folder / STATISTICS_NAME]


def draw_sigmas(normal: Tensor, num_latents: int) -> Tensor:
    """Noise levels (B,) of standard normal numbers: log-normal, wider for clips, whose frames tell of each other."""
    return normal.exp() * num_latents**0.5


def _each(numbers: Tensor) -> Tensor:
    """(B,) numbers so that they multiply (B, 16, t, h, w)."""
    return numbers.view(-1, 1, 1, 1, 1)
