"""Ways to draw faster that are not exact, each off until asked for: solver, guidance, a kept remainder, 8 bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from diffusers import UniPCMultistepScheduler  # pyright: ignore[reportPrivateImportUsage]
from torch import Tensor

from alaya.fp8 import use_fp8
from editing import wan_sampler
from editing.switches import EXACT, Switches
from editing.wan import ClipTokens, WanEditingTransformer
from editing.wan_attention import TextLayer


class Remainder:
    """What the blocks after the first added last, by text: given again where the first one says the same."""

    def __init__(self, share: float) -> None:
        self.share, self.left_out = share, 0
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, text: int, before: Tensor, after: Tensor, work: Callable[[Tensor], Tensor]) -> Tensor:
        """The rows after all blocks.

        Args:
            text: number of the text.
            before: (1, tokens, width) in front of the first block.
            after: and behind it.
            work: the other blocks.
        """
        change = after - before
        if text in self._kept:
            known, added = self._kept[text]
            if float((change - known).abs().mean()) < self.share * float(known.abs().mean()):
                self.left_out += 1
                return after + added
        done = work(after)
        self._kept[text] = change, done - after
        return done


def apply_fp8(net: WanEditingTransformer, switches: Switches) -> None:
    """Bring a loaded network's blocks to 8 bits if the switches say so; adapters are merged before."""
    if switches.fp8:
        use_fp8(net.blocks)


def draw(
    net: WanEditingTransformer,
    clip: ClipTokens,
    texts: list[tuple[TextLayer, ...]],
    noise: Tensor,
    switches: Switches = EXACT,
    *,
    num_steps: int = wan_sampler.NUM_STEPS,
    shift: float = wan_sampler.SHIFT,
    cfg_scale: float = wan_sampler.CFG_SCALE,
) -> Tensor:
    """Latents of noise (1, 16, t, h, w), as `editing.wan_sampler.sample` draws them but for the switches.

    Args:
        net: the network, to which `apply_fp8` was applied.
        clip: of `read_clip`.
        texts: of `read_text`: the words, and the words to keep away from if guided.
        noise: on the network's device.
        switches: what may be inexact.
        num_steps: of the solver.
        shift: how much of the way is spent at high noise.
        cfg_scale: guidance.
    """
    kept = Remainder(switches.keep) if switches.keep else None
    lowest, highest = switches.guided

    def velocity(latents: Tensor, timestep: Tensor) -> list[Tensor]:
        guided = lowest <= float(timestep) / 1000 <= highest
        return net.velocities(latents, timestep, clip, texts if guided else texts[:1], kept)

    settings: dict[str, Any] = {"num_steps": num_steps, "shift": shift, "cfg_scale": cfg_scale}
    if switches.solver == "unipc":
        return _unipc(velocity, noise, **settings)
    return wan_sampler.sample(velocity, noise, **settings)


def _unipc(
    velocity: wan_sampler.Velocity, noise: Tensor, num_steps: int, shift: float, cfg_scale: float
) -> Tensor:
    """As `wan_sampler.sample` at the same noise levels, with UniPC's steps (Zhao et al. 2023)."""
    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift
    )
    scheduler.set_timesteps(sigmas=np.linspace(1, 0, num_steps + 1)[:-1])  # pyright: ignore[reportArgumentType]
    scheduler.set_begin_index(0)
    _, timesteps = wan_sampler.schedule(num_steps, shift)
    latents = noise.float()
    for step in range(num_steps):
        asked = timesteps[step : step + 1].to(latents.device)
        wanted = wan_sampler.guide(velocity(latents, asked), cfg_scale)
        place: Any = scheduler.timesteps[step]
        latents = scheduler.step(wanted, place, latents, return_dict=False)[0]
    return latents
