"""Low-rank adapters on a network's linear layers: beside the weights to train, merged into them to run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from alaya.errors import RequestError, WeightsError
from alaya.lora_files import Pair, Wish, read_lora

Rename = Callable[[str], str]
"""A published tensor's name -> the network's."""


class LowRankLinear(nn.Linear):
    """A linear layer with a pair of small matrices beside its weight, which keeps its name and its values."""

    def __init__(self, base: nn.Linear, rank: int, scale: float) -> None:
        super().__init__(base.in_features, base.out_features, bias=base.bias is not None, device="meta")
        self.weight, self.bias, self.scale = base.weight, base.bias, scale
        device = base.weight.device
        self.lora_A = nn.Linear(base.in_features, rank, bias=False, device=device)
        self.lora_B = nn.Linear(rank, base.out_features, bias=False, device=device)
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, input: Tensor) -> Tensor:  # the base class's name
        """(..., inputs) to (..., outputs); the small matrices work in their own precision, float32."""
        low = self.lora_B(self.lora_A(input.to(self.lora_A.weight.dtype)))
        out = F.linear(input, self.weight, self.bias)
        return out + (self.scale * low).to(out.dtype)


def attach_lora(net: nn.Module, targets: Sequence[str], rank: int, alpha: float) -> list[str]:
    """Give every linear layer whose name ends in one of `targets` a fresh pair, to train.

    Nothing else of the network is trained from now on. Drawn from torch's own random numbers; the network
    gives what it gave before, until the pairs are trained.

    Returns:
        The layers' names.
    """
    ends = tuple(f".{target}" for target in targets)
    names = [name for name, _ in net.named_modules() if f".{name}".endswith(ends)]
    silent = [target for target in targets if not any(f".{name}".endswith(f".{target}") for name in names)]
    if silent or not targets:
        raise RequestError(f"no layer of the network is called {', '.join(silent) or 'nothing'}; see targets")
    net.requires_grad_(False)
    for name in names:
        layer = LowRankLinear(_linear(net, name, "targets"), rank, alpha / rank)
        nn.init.kaiming_uniform_(layer.lora_A.weight, a=math.sqrt(5))
        net.set_submodule(name, layer)
    return names


def lora_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What of a network's state belongs to its pairs."""
    return {key: value for key, value in state.items() if ".lora_A." in key or ".lora_B." in key}


def fit_lora(net: nn.Module, path: Path, rename: Rename | None = None) -> dict[str, Pair]:
    """An adapter's pairs by the network's own names, each held against the layer it is for.

    Args:
        net: the network.
        path: of the adapter.
        rename: turns published names into the network's, where the file has those.

    Raises:
        WeightsError: a layer the network does not have, or pairs of other sizes; naming the first.
    """
    pairs = {}
    modules = dict(net.named_modules())
    for module, pair in read_lora(path).items():
        name = module
        if name not in modules and rename is not None:
            name = rename(f"{module}.weight").removesuffix(".weight")
        layer = _linear(net, name, str(path))
        here, there = (pair.up.shape[0], pair.down.shape[1]), tuple(layer.weight.shape)
        if here != there:
            raise WeightsError(
                f"{path}: made for a {module} of {here}, the network's is {there}; it belongs to another model"
            )
        pairs[name] = pair
    return pairs


def add_lora(net: nn.Module, path: Path, scale: float = 1.0, rename: Rename | None = None) -> None:
    """Put an adapter beside the weights it changes; as `merge_loras`, without changing them."""
    for name, pair in fit_lora(net, path, rename).items():
        layer = LowRankLinear(_linear(net, name, str(path)), len(pair.down), scale * pair.scale)
        layer.lora_A.weight = nn.Parameter(pair.down.to(layer.weight.device), requires_grad=False)
        layer.lora_B.weight = nn.Parameter(pair.up.to(layer.weight.device), requires_grad=False)
        net.set_submodule(name, layer)


@torch.no_grad()
def merge_loras(net: nn.Module, wishes: Sequence[Wish], rename: Rename | None = None) -> None:
    """Add adapters into the weights they change, worked out in float32 and rounded once to the weights' dtype.

    Args:
        net: the network, on any device; its other tensors are not touched.
        wishes: files or folders, and how much of each.
        rename: see `fit_lora`.

    Raises:
        WeightsNotFoundError: no such adapter.
        WeightsError: it does not fit the network; nothing was changed then.
    """
    sums: dict[str, Tensor] = {}
    for path, scale in wishes:
        for name, pair in fit_lora(net, path, rename).items():
            change = (scale * pair.scale) * (pair.up @ pair.down)
            sums[name] = sums[name] + change if name in sums else change
    for name, change in sums.items():
        layer = _linear(net, name, name)
        merged = layer.weight.float() + change.to(layer.weight.device)
        # a new tensor: the old one may be a window on the checkpoint's file
        layer.weight = nn.Parameter(merged.to(layer.weight.dtype), requires_grad=layer.weight.requires_grad)


def _linear(net: nn.Module, name: str, where: str) -> nn.Linear:
    try:
        layer = net.get_submodule(name)
    except AttributeError:
        raise WeightsError(f"{where}: the network has no layer {name}; it belongs to another model") from None
    if not isinstance(layer, nn.Linear):
        raise WeightsError(f"{where}: {name} is no linear layer, LoRA is read for those only")
    return layer
