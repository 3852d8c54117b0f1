"""How the published editing model draws: flow matching in Euler steps, guided, from noise made on the CPU."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from alaya import flow

NUM_STEPS, SHIFT, CFG_SCALE = 50, 5.0, 5.0

Velocity = Callable[[Tensor, Tensor], list[Tensor]]
"""(latents, timestep (1,)) -> the velocity for the words, and for the words to keep away from if guided."""


def schedule(num_steps: int, shift: float = SHIFT) -> tuple[Tensor, Tensor]:
    """Noise levels and timesteps.

    Returns:
        (num_steps + 1,) sigmas from 1 to 0, of which the last is where the last step ends; and (num_steps,)
        timesteps, rounded to bfloat16: so the network was trained and so the reference asks it.
    """
    line = torch.linspace(1, 0, num_steps + 1)
    sigmas = shift * line / (1 + (shift - 1) * line)
    return sigmas, (1000 * sigmas[:-1]).bfloat16().float()


def sample(
    velocity: Velocity,
    noise: Tensor,
    *,
    num_steps: int = NUM_STEPS,
    shift: float = SHIFT,
    cfg_scale: float = CFG_SCALE,
) -> Tensor:
    """From noise to latents, which stay float32 throughout.

    Args:
        velocity: the network with its conditions bound; with `cfg_scale` 1 only its first answer is used.
        noise: (1, 16, t, h, w).
        num_steps: of Euler.
        shift: how much of the way is spent at high noise.
        cfg_scale: guidance.
    """
    latents = noise.float()
    sigmas, timesteps = schedule(num_steps, shift)
    for step in range(num_steps):
        timestep = timesteps[step : step + 1].to(latents.device)
        wanted = guide(velocity(latents, timestep), cfg_scale)
        latents = latents + float(sigmas[step + 1] - sigmas[step]) * wanted
    return latents


def guide(velocities: list[Tensor], cfg_scale: float) -> Tensor:
    """The velocity to go by: for the words, away from the other if there is one."""
    wanted, *unwanted = velocities
    if unwanted and cfg_scale != 1:
        return unwanted[0] + cfg_scale * (wanted - unwanted[0])
    return wanted


def draw_noise(seed: int, shape: tuple[int, int, int, int], first_frame: int, alone: bool) -> Tensor:
    """Gaussian noise for a window, made on the CPU.

    Args:
        seed: the run's seed.
        shape: (channels, latent frames, rows, columns).
        first_frame: number of the window's first frame in the clip, a multiple of 4.
        alone: the window is the whole clip: one draw, as the reference makes it. Else every latent frame has
            its own noise by its place in the clip, so that windows which overlap share it.

    Returns:
        (1, *shape) float32.
    """
    channels, frames, height, width = shape
    if alone:
        return torch.randn((1, *shape), generator=torch.Generator().manual_seed(seed))
    drawn = flow.frame_noise(seed, first_frame // 4, frames, (channels, height, width))
    return drawn.transpose(0, 1)[None]
