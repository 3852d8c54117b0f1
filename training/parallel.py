"""What a run does differently when processes share it, and when only a part of its network is trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch import Tensor, nn

from alaya.errors import RequestError
from training.recipe import Recipe


class Shared:
    """One process alone does what it would do without this.

    Attributes:
        first: this process writes the log, the sheets and the checkpoint.
    """

    def __init__(self, accelerator: Accelerator, net: nn.Module, recipe: Recipe) -> None:
        self.accelerator = accelerator
        self.first = accelerator.is_main_process
        self.sharded = accelerator.distributed_type == DistributedType.FSDP
        if self.sharded and recipe.ema:
            raise RequestError(
                f"recipe {recipe.name}: ema is {recipe.ema}, sharded weights are not averaged; set ema = 0"
            )
        self.frozen = {name for name, weight in net.named_parameters() if not weight.requires_grad}
        if self.frozen:
            accelerator.register_save_state_pre_hook(self._leave_out)

    def number(self, draw: int) -> int:
        """The number of this process's batch: no two processes see the same."""
        return draw * self.accelerator.num_processes + self.accelerator.process_index

    def wait(self) -> None:
        """Go on when all processes are here."""
        self.accelerator.wait_for_everyone()

    def save(self, folder: Path) -> None:
        """Write what a resumed run needs; weights that are not trained come from where they came from before."""
        self.accelerator.save_state(str(folder))
        self.wait()

    def load(self, folder: Path) -> None:
        """Continue from what `save` wrote."""
        kwargs: dict[str, Any] = {"strict": False} if self.frozen else {}
        self.accelerator.load_state(str(folder), **kwargs)

    def gathered(self, net: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A state of the network, each tensor whole; of shards, the network's own, on the first process."""
        return dict(self.accelerator.get_state_dict(net)) if self.sharded else dict(state)  # pyright: ignore

    def _leave_out(self, models: list[Any], weights: list[dict[str, Tensor]], folder: str) -> None:
        for state in weights:
            for name in self.frozen:
                state.pop(name, None)
