"""Where tokens are, as the published inverse renderer's network is told: sinusoids in every block, rotary angles."""

from __future__ import annotations

import torch
from einops import repeat
from torch import Tensor, nn


class PlaceTable(nn.Module):
    """The sinusoids added in every block: time, row and column side by side, neither summed nor normalised."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, latents: Tensor) -> Tensor:
        """(B, C, t, h, w) latents to (1, tokens, width) in their dtype; rounded once, from float64."""
        t, h, w = latents.shape[2], latents.shape[3] // 2, latents.shape[4] // 2
        plane = self.width // 6 * 2
        table = torch.cat(
            [
                repeat(_sinusoids(t, self.width - 2 * plane), "t d -> 1 (t h w) d", h=h, w=w),
                repeat(_sinusoids(h, plane), "h d -> 1 (t h w) d", t=t, w=w),
                repeat(_sinusoids(w, plane), "w d -> 1 (t h w) d", t=t, h=h),
            ],
            dim=-1,
        )
        return table.to(latents.device, latents.dtype)


def _sinusoids(length: int, width: int) -> Tensor:
    """Sines, then cosines, of 0 ... length - 1: (length, width) float32."""
    rates = 10000.0 ** (-torch.arange(width // 2, dtype=torch.float64) / (width / 2))
    angles = torch.arange(length, dtype=torch.float64)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1).float()


class RoundedRotary(nn.Module):
    """Rotary angles worked out in bfloat16 throughout, as the reference does when all of it is cast to bfloat16."""

    def __init__(self, head_width: int) -> None:
        super().__init__()
        self.plane = head_width // 6 * 2
        self.time = head_width - 2 * self.plane

    def forward(self, hidden_states: Tensor, fps: float | None = None) -> tuple[Tensor, Tensor]:
        """(B, C, t, h, w) latents to cosines and sines, (tokens, head width) float32 each."""
        t, h, w = hidden_states.shape[2], hidden_states.shape[3] // 2, hidden_states.shape[4] // 2
        rows, columns = self._angles(h, self.plane), self._angles(w, self.plane)
        parts = [
            repeat(self._angles(t, self.time), "t d -> (t h w) d", h=h, w=w),
            repeat(rows, "h d -> (t h w) d", t=t, w=w),
            repeat(columns, "w d -> (t h w) d", t=t, h=h),
        ]
        angles = torch.cat(parts * 2, dim=-1).float().to(hidden_states.device)
        return angles.cos(), angles.sin()

    @staticmethod
    def _angles(length: int, width: int) -> Tensor:
        steps = (torch.arange(0, width, 2).float() / width).bfloat16()
        return torch.outer(torch.arange(length).bfloat16(), 1.0 / 10000.0**steps)
