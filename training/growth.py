"""Starts a larger network from a smaller one's weights: what is added does nothing until it is trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from alaya.errors import WeightsError
from alaya.unet import UNet, UNetConfig, config_of
from alaya.unet_blocks import Block
from alaya.weights import load_into, read_card


def load_or_grow(net: nn.Module, folder: Path) -> dict[str, Any]:
    """Load a checkpoint into a network that has as many deep blocks and conditions, or more.

    Deep blocks that are added start as the identity, a context that is told more starts by saying nothing. Where
    conditions are added (the editing network's draft), they are not looked at yet. The way out starts at zero with
    them, as what it adds to is new, and where features are normalised before it, as they are not what it knew.

    Args:
        net: what is to be trained.
        folder: the checkpoint.

    Returns:
        The checkpoint's card.

    Raises:
        WeightsError: the weights are of another network.
    """
    unet, card = getattr(net, "unet", None), read_card(folder)
    if not isinstance(unet, UNet) or "widths" not in card.get("network", {}):
        return load_into(net, folder)
    old, new = config_of(card["network"]), unet.config
    if old == new or _grown(old, new) != new:
        return load_into(net, folder)  # says what does not fit
    smaller = _Holder(net, UNet(old), buffers=old.in_channels == new.in_channels)
    load_into(smaller, folder)
    state = smaller.state_dict()
    if old.in_channels < new.in_channels:
        _widen(state, old, new)
    if (old.in_channels, old.exit_groups) != (new.in_channels, new.exit_groups):
        _leave_anew(state)
    if old.statistics < new.statistics:
        _retell(state)
    missing, unexpected = net.load_state_dict(state, strict=False)
    if unexpected or any(not key.startswith(tuple(_added(old, new))) for key in missing):
        raise WeightsError(f"{folder}: weights of another network than a smaller one of this kind")
    for block in list(unet.deep)[old.deep_blocks :]:
        _silence(block)
    return card


class _Holder(nn.Module):
    """What a network has beside its U-Net, and a smaller U-Net; its own buffers where the checkpoint has them too."""

    def __init__(self, net: nn.Module, unet: UNet, buffers: bool) -> None:
        super().__init__()
        for name, part in net.named_children():
            setattr(self, name, unet if name == "unet" else part)
        for name, buffer in net.named_buffers(recurse=False):
            if buffers:
                self.register_buffer(name, buffer)


def _grown(old: UNetConfig, new: UNetConfig) -> UNetConfig:
    """The old sizes with what may grow taken from the new ones."""
    return replace(
        old,
        deep_blocks=max(old.deep_blocks, new.deep_blocks),
        in_channels=max(old.in_channels, new.in_channels),
        statistics=max(old.statistics, new.statistics),
        exit_groups=old.exit_groups or new.exit_groups,
    )


def _added(old: UNetConfig, new: UNetConfig) -> set[str]:
    """Names that a smaller checkpoint need not have."""
    names = {f"unet.deep.{k}." for k in range(old.deep_blocks, new.deep_blocks)}
    names |= {"unet.context.inner."} if new.statistics > old.statistics else set()
    names |= {"unet.exit_norm."} if new.exit_groups and not old.exit_groups else set()
    names |= {f"unet.attention.{k}." for k in range(old.deep_blocks // 2, new.deep_blocks // 2)}
    return names | ({"light"} if new.in_channels > old.in_channels else set())


def _widen(state: dict[str, Tensor], old: UNetConfig, new: UNetConfig) -> None:
    """Make room for more conditions, in place: their weights are zero."""
    more, patch = new.in_channels - old.in_channels, new.patch**2
    state["unet.stem.weight"] = _insert(state["unet.stem.weight"], old.in_channels * patch, more * patch)
    state["unet.head.1.weight"] = _insert(state["unet.head.1.weight"], old.in_channels * 4, more * 4)


def _leave_anew(state: dict[str, Tensor]) -> None:
    """Let the way out start at zero, in place."""
    for name in ("unet.exit", "unet.head.5"):
        for part in ("weight", "bias"):
            state[f"{name}.{part}"] = torch.zeros_like(state[f"{name}.{part}"])


def _retell(state: dict[str, Tensor]) -> None:
    """Let a context that is told more begin anew, in place: it says what it said of no clip in particular."""
    for part in ("weight", "bias"):
        del state[f"unet.context.inner.{part}"]
    state["unet.context.out.weight"] = torch.zeros_like(state["unet.context.out.weight"])


def _insert(weight: Tensor, place: int, count: int) -> Tensor:
    """(O, I, k, k) with `count` inputs of zeros before input `place`."""
    zeros = weight.new_zeros(weight.shape[0], count, *weight.shape[2:])
    return torch.cat([weight[:, :place], zeros, weight[:, place:]], 1)


def _silence(block: nn.Module) -> None:
    """Make a fresh block the identity: its last convolution starts at zero, bias included."""
    assert isinstance(block, Block)
    assert block.conv2.bias is not None
    with torch.no_grad():
        block.conv2.bias.zero_()
