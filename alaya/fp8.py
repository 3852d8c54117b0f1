"""Linear layers kept in 8 bits: e4m3 numbers with one scale an output, worked with in the layer's own dtype."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KIND = torch.float8_e4m3fn
LARGEST = torch.finfo(KIND).max


class Fp8Linear(nn.Module):
    """A linear layer whose weight takes a quarter of float32's memory, or half of bfloat16's; inexact.

    The weight is brought back to the input's dtype in every call, on all devices, so that the error is the same
    everywhere.
    """

    weight: Tensor
    scale: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        small, scale = to_fp8(layer.weight.detach())
        self.register_buffer("weight", small)
        self.register_buffer("scale", scale)
        self.bias = layer.bias

    def forward(self, input: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs) in the input's dtype."""
        weight = self.weight.to(input.dtype) * self.scale.to(input.dtype)
        return F.linear(input, weight, self.bias)


def to_fp8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(outputs, inputs) to e4m3 of that shape and float32 scales (outputs, 1): weight is about their product."""
    largest = weight.float().abs().amax(1, keepdim=True)
    scale = torch.where(largest > 0, largest / LARGEST, torch.ones_like(largest))
    return (weight.float() / scale).clamp(-LARGEST, LARGEST).to(KIND), scale


def use_fp8(blocks: Iterable[Any]) -> int:
    """Bring every linear layer inside some modules to 8 bits, for good; how many there were."""
    count = 0
    for block in blocks:
        for name, layer in list(block.named_modules()):
            if isinstance(layer, nn.Linear):
                block.set_submodule(name, Fp8Linear(layer))
                count += 1
    return count
