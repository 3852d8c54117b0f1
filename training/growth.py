"""Starts a deeper network from a shallower one's weights: what is added does nothing until it is trained."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import nn

from alaya.errors import WeightsError
from alaya.unet import Block, UNet, config_of
from alaya.weights import load_into, read_card


def load_or_grow(net: nn.Module, folder: Path) -> dict[str, Any]:
    """Load a checkpoint into a network that has as many deep blocks or more.

    Args:
        net: what is to be trained.
        folder: the checkpoint.

    Returns:
        The checkpoint's card.

    Raises:
        WeightsError: the weights are of another network.
    """
    unet = getattr(net, "unet", None)
    card = read_card(folder)
    if not isinstance(unet, UNet) or "widths" not in card.get("network", {}):
        return load_into(net, folder)
    blocks = config_of(card["network"]).deep_blocks
    if blocks >= unet.config.deep_blocks:
        return load_into(net, folder)
    shallow = copy.deepcopy(net)
    del shallow.unet.deep[blocks:], shallow.unet.attention[blocks // 2 :]  # pyright: ignore[reportIndexIssue, reportAttributeAccessIssue, reportArgumentType]
    load_into(shallow, folder)
    missing, unexpected = net.load_state_dict(shallow.state_dict(), strict=False)
    added = {f"unet.deep.{k}." for k in range(blocks, unet.config.deep_blocks)}
    added |= {f"unet.attention.{k}." for k in range(blocks // 2, unet.config.deep_blocks // 2)}
    if unexpected or any(not key.startswith(tuple(added)) for key in missing):
        raise WeightsError(f"{folder}: weights of another network than a shallower one of this kind")
    for block in list(unet.deep)[blocks:]:
        _silence(block)
    return card


def _silence(block: nn.Module) -> None:
    """Make a fresh block the identity: its last convolution starts at zero, bias included."""
    assert isinstance(block, Block)
    assert block.conv2.bias is not None
    with torch.no_grad():
        block.conv2.bias.zero_()
