"""The averaged weights that are saved: an exponential moving average with a warm-up."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Ema:
    """Follows a network's weights; early steps are forgotten quickly.

    Weights that are not trained are left out. With decay 0 nothing is averaged or copied: `state` is the network's
    own tensors.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay, self.count = decay, 0
        frozen = {name for name, weight in net.named_parameters() if not weight.requires_grad}
        own = {key: value.detach() for key, value in net.state_dict().items() if key not in frozen}
        self.state = {key: value.clone() for key, value in own.items()} if decay else own

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Take one step towards the network."""
        self.count += 1
        if not self.decay:
            return
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        for key, value in net.state_dict().items():
            if key not in self.state:
                continue
            if value.dtype.is_floating_point:
                self.state[key].lerp_(value.detach(), 1 - decay)
            else:
                self.state[key].copy_(value)

    def state_dict(self) -> dict[str, object]:
        """Everything a resumed run needs."""
        return {"count": self.count, "weights": self.state if self.decay else {}}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Continue from a saved average."""
        self.count = int(state["count"])  # pyright: ignore[reportArgumentType]
        weights: dict[str, Tensor] = state["weights"]  # pyright: ignore[reportAssignmentType]
        for key, value in weights.items():
            self.state[key].copy_(value)
