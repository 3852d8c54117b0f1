"""Brings features and weights that have grown in training back to size; what the network computes stays the same.

Steps of the optimiser have one size, whatever they meet: where features have grown, what is added to them hardly counts
and learns as slowly, and so does a weight that has grown before a normalisation, which takes its size away again.
Smaller ones learn again.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from alaya.unet import UNet
from alaya.unet_blocks import Block, FrameAttention


@torch.no_grad()
def calm(unet: UNet, deep: float = 1.0, grown: float = 1.0, inner: float = 1.0, middle: float = 1.0) -> None:
    """Divide what has grown, in place.

    Every block looks at normalised features, so only what writes to the stream and what reads it as it is change.

    Args:
        unet: the network.
        deep: what features of the coarsest level are divided by.
        grown: what the enlarged features beside the skip are divided by.
        inner: what the first convolution of every block is divided by, which a normalisation follows.
        middle: what features of the middle level are divided by, on the way down and on the way up.
    """
    for block in unet.modules():
        if isinstance(block, Block):
            _divide(inner, block.conv1.weight, block.conv1.bias)
    joined = unet.up1[0]  # its way past the convolutions reads what it joins as it is
    assert isinstance(joined, Block)
    assert isinstance(joined.skip, nn.Conv2d)
    enlarged, skipped = joined.skip.weight.split(unet.config.widths[1], 1)
    # each stretch: by how much, what begins it, the blocks that add to it, and what reads it as it is
    _calm_stretch(middle, [unet.shrink0], unet.down1, [unet.shrink1.weight, skipped])
    _calm_stretch(deep, [unet.shrink1], unet.deep, [unet.grow1.weight])
    for attention in unet.attention:
        assert isinstance(attention, FrameAttention)
        _divide(deep, attention.out.weight, attention.out.bias)
    _calm_stretch(grown, [unet.grow1], (), [enlarged])
    _calm_stretch(middle, [joined.skip], unet.up1, [unet.grow0.weight])


def _calm_stretch(
    by: float,
    begun: Iterable[nn.Conv2d | nn.ConvTranspose2d],
    blocks: Iterable[nn.Module],
    read: Iterable[Tensor],
) -> None:
    for layer in begun:
        _divide(by, layer.weight, layer.bias)
    for block in blocks:
        assert isinstance(block, Block)
        _divide(by, block.conv2.weight, block.conv2.bias)
        if block.mix is not None:  # linear in the stream: only its bias has a size of its own
            _divide(by, block.mix.conv.bias)
    for weight in read:
        _divide(1 / by, weight)


def _divide(by: float, *tensors: Tensor | None) -> None:
    for tensor in tensors:
        assert tensor is not None
        tensor.div_(by)
