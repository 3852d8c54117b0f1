"""The x-prediction flow both embedded models sample with: from nothing at time 1, in one step or several."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from alaya.errors import RequestError

Predict = Callable[[Tensor, Tensor | None], Tensor]
"""(t: (B,), noisy target or None) -> clean target, both (B, T, C, H, W)."""


def frame_noise(seed: int, first_frame: int, num_frames: int, shape: tuple[int, int, int]) -> Tensor:
    """Gaussian noise that depends on the seed and each frame's absolute number only.

    Args:
        seed: the run's seed.
        first_frame: number of the first frame in its clip.
        num_frames: frames to draw.
        shape: (C, H, W) of one frame.

    Returns:
        (num_frames, C, H, W), drawn on the CPU, so that windows that overlap share it.
    """
    frames = []
    for frame in range(first_frame, first_frame + num_frames):
        generator = torch.Generator().manual_seed((seed * 1_000_003 + frame) % 2**63)
        frames.append(torch.randn(shape, generator=generator))
    return torch.stack(frames)


def add_noise(clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """The target at time ``t``: (1 - t) clean + t noise. ``t``: (B,); the others (B, T, C, H, W)."""
    t = t.view(-1, 1, 1, 1, 1)
    return (1 - t) * clean + t * noise


def sample(
    predict: Predict, num_steps: int, noise: Callable[[], Tensor] | None, device: torch.device
) -> Tensor:
    """Predict a clip in ``num_steps`` steps.

    The first step starts from nothing (time 1, no target). Each further step puts the last prediction
    back to an earlier time with the clip's own noise and predicts again, which is how the network saw
    noisy targets in training.

    Args:
        predict: the network with its conditions bound.
        num_steps: at least 1.
        noise: draws (1, T, C, H, W) noise, called once and only if there is a second step.
        device: where ``t`` lives.

    Returns:
        (1, T, C, H, W), the last prediction.

    Raises:
        RequestError: fewer than one step.
    """
    if num_steps < 1:
        raise RequestError(f"num_steps must be at least 1, got {num_steps}")
    clean = predict(torch.ones(1, device=device), None)
    if num_steps > 1 and noise is not None:
        drawn = noise()
        for step in range(1, num_steps):
            t = torch.full((1,), 1 - step / num_steps, device=device)
            clean = predict(t, add_noise(clean, drawn, t))
    return clean
