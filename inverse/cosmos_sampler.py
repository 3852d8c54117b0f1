"""How the published inverse renderer draws its latents: EDM Euler steps, every pass from its own noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import EDMEulerScheduler  # pyright: ignore[reportPrivateImportUsage]
from torch import Tensor

from alaya.errors import RequestError
from inverse.cosmos import CosmosInverseTransformer
from inverse.cosmos_outline import MAX_TOKENS


def make_scheduler() -> EDMEulerScheduler:
    """The reference's noise levels: 80 to 0.02, then 0."""
    return EDMEulerScheduler(
        sigma_min=0.02, sigma_max=80.0, sigma_data=0.5, rho=7.0, final_sigmas_type="zero"
    )


@torch.inference_mode()
def sample(
    net: CosmosInverseTransformer,
    clip: Tensor,
    noise: Tensor,
    passes: Sequence[int],
    num_steps: int,
    scheduler: EDMEulerScheduler | None = None,
) -> Tensor:
    """Draw the latents of some passes over one clip.

    Args:
        net: the network.
        clip: (1, 16, t, h, w) the encoded clip, normalised.
        noise: (passes, 16, t, h, w) of unit variance.
        passes: rows of the network's table.
        num_steps: at least 1.
        scheduler: the reference's when None.

    Returns:
        (passes, 16, t, h, w) float32.

    Raises:
        RequestError: fewer than one step.
    """
    if num_steps < 1:
        raise RequestError(f"num_steps must be at least 1, got {num_steps}")
    scheduler = scheduler or make_scheduler()
    scheduler.set_timesteps(num_steps)
    times = scheduler.timesteps.to(clip.device)
    dtype = net.compute_dtype
    steps = [net.read_step(time[None].to(dtype)) for time in times]
    contexts = net.read_passes(torch.tensor(passes, device=clip.device))
    tokens = net.read_clip(clip)
    together = max(1, MAX_TOKENS // tokens.tokens.shape[1])
    parts = []
    for start in range(0, len(passes), together):
        scheduler.set_timesteps(num_steps)  # it counts its steps, so every run needs it fresh
        chosen = slice(start, start + together)
        latents = noise[chosen].float() * scheduler.init_noise_sigma
        for time, step in zip(scheduler.timesteps, steps, strict=True):
            scaled = scheduler.scale_model_input(latents, time)
            prediction = net.predict(scaled, step, tokens, contexts[chosen])
            latents = scheduler.step(prediction, time, latents, return_dict=False)[0]
        parts.append(latents)
    return torch.cat(parts)
