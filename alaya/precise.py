"""Networks in float32 for a while, whatever they were loaded in: what a window that came out as NaN is tried with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

NARROW = (torch.float16, torch.bfloat16)


@contextmanager
def in_float32(*networks: nn.Module) -> Iterator[None]:
    """Have all tensors of 16 bits in float32 inside the block, and the very same ones again after it.

    They take twice the memory; weights of 8 bits stay, they are brought to the input's dtype as they are used.
    """
    widened: list[tuple[Tensor, torch.dtype]] = []
    try:
        for network in networks:
            for tensor in (*network.parameters(), *network.buffers()):
                if tensor.dtype in NARROW:
                    widened.append((tensor, tensor.dtype))
                    tensor.data = tensor.data.float()
        yield
    finally:
        for tensor, dtype in widened:
            tensor.data = tensor.data.to(dtype)  # exact: each value came from there
