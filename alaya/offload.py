"""Where a model's networks lie while they rest: all on the device, one at a time, or one layer at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from alaya.device import OFFLOADS
from alaya.errors import RequestError

CPU = torch.device("cpu")


def check_offload(asked: str) -> str:
    """The same name, if there is such a thing; else RequestError."""
    if asked not in OFFLOADS:
        raise RequestError(f"offload must be one of {', '.join(OFFLOADS)}, got {asked!r}")
    return asked


class Placement:
    """Brings networks to the device when they are used.

    Attributes:
        offload: "none": all of them stay there. "model": only the one at work is there. "group": of the large
            one only the layer at work is there, too.
    """

    def __init__(
        self,
        device: torch.device,
        networks: Sequence[nn.Module],
        layers: Callable[[], Sequence[nn.Module]],
        offload: str = "none",
    ) -> None:
        """`layers` gives the layers of the first network, which is the large one."""
        self.device, self._networks, self._layers = device, tuple(networks), layers
        self.offload = "none"
        self.change(check_offload(offload))

    def change(self, offload: str) -> None:
        """Lie in another way from now on; a network brought layer by layer stays so."""
        if self.offload == "group":
            return
        self.offload = offload
        for network in self._networks:
            network.to(self.device if offload == "none" else CPU)
        if offload == "group":
            stream_layers(self._networks[0], self._layers(), self.device)

    def ease(self) -> str | None:
        """Take less of the device from now on; says how, or None if nothing is left to do."""
        if self.device.type == "cpu" or self.offload == "group":
            return None
        self.change("model" if self.offload == "none" else "group")
        kept = "network" if self.offload == "model" else "layer"
        return f"from now on only the {kept} at work is on {self.device} (--offload {self.offload})"

    @contextmanager
    def using(self, network: nn.Module) -> Iterator[None]:
        """Have a network on the device for a while."""
        streamed = self.offload == "group" and network is self._networks[0]
        if self.offload == "none" or streamed:
            yield
            return
        network.to(self.device)
        try:
            yield
        finally:
            network.to(CPU)


def stream_layers(network: nn.Module, layers: Iterable[nn.Module], device: torch.device) -> None:
    """Bring the layers' tensors to the device only while they are at work; all others stay there.

    The tensors are moved leaf by leaf, so that a layer's parts may also be called on their own.
    """
    from diffusers.hooks.group_offloading import apply_group_offloading

    streams = device.type == "cuda"
    inside = set()
    for layer in layers:
        inside.add(layer)
        apply_group_offloading(
            layer, device, CPU, offload_type="leaf_level", use_stream=streams, low_cpu_mem_usage=streams
        )
    _place_rest(network, inside, device)


def _place_rest(module: nn.Module, inside: set[nn.Module], device: torch.device) -> None:
    if module in inside:
        return
    module._apply(lambda tensor: tensor.to(device), recurse=False)
    for child in module.children():
        _place_rest(child, inside, device)
