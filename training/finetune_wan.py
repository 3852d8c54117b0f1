"""Fine-tuning the published editing model: the velocity from noise to pictures, given G-buffers and words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from alaya.errors import RequestError
from alaya.files import atomic_write
from editing import wan_sampler, wan_vae
from editing.text import NEGATIVE, TextReader
from editing.wan import CONDITIONS, pad_text
from editing.wan_files import find_wan
from editing.wan_load import load_transformer, load_vae
from editing.wan_planes import condition_video
from training.data import Batch
from training.finetune import FineTune
from training.latents import to_gbuffer, to_video
from training.phrases import load_lexicon
from training.recipe import Phase, Recipe

LEVELS = 1000
"""Noise levels that training draws from, spread as sampling's are."""
PHRASES = 6
"""Texts a look: each is read once by the large encoder and kept."""


class WanTask(FineTune):
    """Rectified flow on 96 channels: 16 of noisy pictures, then 80 of five encoded G-buffers."""

    stage, every = "editing", wan_vae.TIME
    usual = ("to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2")

    def __init__(self, recipe: Recipe) -> None:
        files = find_wan(recipe.model)
        if files is None:
            raise RequestError(f"recipe {recipe.name}: model {recipe.model!r} is no published editing model")
        self.files = files
        net = load_transformer(files.transformer, self.base_dtype(recipe), "cpu")
        net.requires_grad_(recipe.preset == "full")
        self.vae = load_vae(files.vae, torch.float32, "cpu")
        super().__init__(recipe, net)
        sigmas, self.timesteps = wan_sampler.schedule(LEVELS)
        self.sigmas, self.weights = sigmas[:-1], level_weights(self.timesteps)
        self.texts = self._read_texts()

    def _read_texts(self) -> dict[str, list[Tensor]]:
        """Look -> rows (1, n, width) of its texts; the look that has no light of its own has no text either."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        reader = TextReader(self.files, self.base_dtype(self.recipe), device)
        looks = self.data.data.looks
        texts = {look: [reader(text) for text in load_lexicon(look).phrases[:PHRASES]] for look in looks}
        reader(NEGATIVE)  # so that it is known where the tuned model is used
        reader.close()
        return texts

    def start(self) -> str:
        """As `FineTune.start`."""
        return self.files.identity()

    def facts(self) -> dict[str, Any]:
        """As `FineTune.facts`."""
        return {"num_frames": 81, "num_steps": wan_sampler.NUM_STEPS}

    def show(self, sample: Batch, index: int) -> Batch:
        """Six videos: the picture in a look, then the G-buffers in the network's order; a text for the look."""
        gbuffer = to_gbuffer(sample)
        conditions = [condition_video(gbuffer, name)[0] * 2 - 1 for name in CONDITIONS]
        look = self.data.data.looks[int(sample["look"])]
        rng = np.random.default_rng([self.recipe.seed, index, 3])
        rows = self.texts[look][rng.integers(len(self.texts[look]))]
        return {"videos": torch.stack([to_video(sample), *conditions]), "text": pad_text(rows)[0]}

    def encode(self, video: Tensor) -> Tensor:
        """As `FineTune.encode`."""
        return wan_vae.encode(self.vae.to(video.device), video)

    def decode(self, latents: Tensor) -> Tensor:
        """As `FineTune.decode`."""
        return wan_vae.decode(self.vae.to(latents.device), latents)

    def loss(self, net: nn.Module, batch: Batch, step: int, phase: Phase) -> tuple[Tensor, dict[str, float]]:
        """As `Task.loss`: the squared error of the velocity, levels weighted as where the model comes from."""
        clean, given = _split(self.latents(batch["videos"]))
        first, noise = self.draw(batch["index"], clean)
        level = (torch.special.ndtr(first) * LEVELS).long().clamp(max=LEVELS - 1)  # uniform
        noisy = torch.lerp(clean, noise, _each(self.sigmas[level], clean))
        velocity = self._velocity(net, noisy, given, level, batch["text"])
        errors = (velocity - (noise - clean)).square().flatten(1).mean(1)
        loss = (self.weights[level].to(errors) * errors).mean()
        return loss, {"velocity": float(errors.detach().mean())}

    def guess(self, net: nn.Module, batch: Batch, index: Tensor) -> Tensor:
        """As `FineTune.guess`, from the middle level."""
        clean, given = _split(self.latents(batch["videos"]))
        _, noise = self.draw(index, clean)
        level = torch.full_like(index, LEVELS // 2)
        sigma = _each(self.sigmas[level], clean)
        noisy = torch.lerp(clean, noise, sigma)
        return noisy - sigma * self._velocity(net, noisy, given, level, batch["text"])

    def _velocity(self, net: nn.Module, noisy: Tensor, given: Tensor, level: Tensor, text: Tensor) -> Tensor:
        times = self.timesteps[level].to(noisy.device)
        dtype = self.net.compute_dtype
        planes = torch.cat([noisy, given], dim=1).to(dtype)
        return net(planes, times, text.to(dtype), return_dict=False)[0].float()

    def write_rest(self, folder: Path) -> list[Path]:
        """The autoencoder, and what is known of texts; the text encoder stays where it is."""
        self.vae.save_pretrained(folder / "vae")
        for source, name in ((self.files.words, "words"), (self.files.tokenizer, "tokenizer")):
            if source is not None and source.is_dir():
                shutil.copytree(source, folder / name, dirs_exist_ok=True)
        index = {
            "_class_name": "WanPipeline",
            "transformer": ["diffusers", "WanTransformer3DModel"],
            "vae": ["diffusers", "AutoencoderKLWan"],
        }
        atomic_write(folder / "model_index.json", json.dumps(index, indent=2) + "\n")
        return []


def level_weights(timesteps: Tensor) -> Tensor:
    """How much each level counts: most in the middle, none at the purest noise; 1 on average.

    As DiffSynth's trainer weights them, which the published model was tuned with.
    """
    bell = torch.exp(-2 * ((timesteps - LEVELS / 2) / LEVELS).square())
    above = bell - bell.min()
    return above / above.mean()


def _split(latents: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 6, 16, t, h, w) to what is drawn (B, 16, ...) and what is given (B, 80, ...)."""
    return latents[:, 0], latents[:, 1:].flatten(1, 2)


def _each(numbers: Tensor, like: Tensor) -> Tensor:
    """(B,) numbers so that they multiply (B, 16, t, h, w)."""
    return numbers.to(like).view(-1, 1, 1, 1, 1)
