"""Brings features and weights that have grown in training back to size; what the network computes stays the same.

Steps of the optimiser have one size, whatever they meet: where features have grown, what is added to them hardly counts
and learns as slowly, and so does a weight that has grown before a normalisation, which takes its size away again.
Smaller ones learn again.
"""

from __future__ import annotations

import torch
from torch import Tensor

from alaya.unet import Block, FrameAttention, UNet


@torch.no_grad()
def calm(unet: UNet, deep: float = 1.0, grown: float = 1.0, inner: float = 1.0) -> None:
    """Divide what has grown, in place.

    Every block looks at normalised features, so only what writes to the stream and what reads it as it is change.

    Args:
        unet: the network.
        deep: what features of the coarsest level are divided by.
        grown: what the enlarged features beside the skip are divided by.
        inner: what the first convolution of every block is divided by, which a normalisation follows.
    """
    for block in unet.modules():
        if isinstance(block, Block):
            _divide(inner, block.conv1.weight, block.conv1.bias)
    _divide(deep, unet.shrink1.weight, unet.shrink1.bias)
    for block in unet.deep:
        assert isinstance(block, Block)
        _divide(deep, block.conv2.weight, block.conv2.bias)
        if block.mix is not None:  # linear in the stream: only its bias has a size of its own
            _divide(deep, block.mix.conv.bias)
    for attention in unet.attention:
        assert isinstance(attention, FrameAttention)
        _divide(deep, attention.out.weight, attention.out.bias)
    _divide(grown / deep, unet.grow1.weight)
    _divide(grown, unet.grow1.bias)
    joined = unet.up1[0]  # its way past the convolutions reads the enlarged features as they are
    assert isinstance(joined, Block)
    assert isinstance(joined.skip.weight, Tensor)
    _divide(1 / grown, joined.skip.weight[:, : unet.config.widths[1]])


def _divide(by: float, *tensors: Tensor | None) -> None:
    for tensor in tensors:
        assert tensor is not None
        tensor.div_(by)
