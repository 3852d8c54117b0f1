"""How far the inverse renderer's inexact switches are from the exact way, on a small network, for measure_switches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from inverse.cosmos import CosmosInverseTransformer
from inverse.cosmos_codec import SIGMA_DATA
from inverse.cosmos_outline import NUM_STEPS
from inverse.cosmos_sampler import sample
from inverse.cosmos_switches import apply_fp8, make_fast_scheduler
from training.finetune_cosmos import draw_sigmas

SHAPE = (16, 2, 8, 12)
CONFIG: dict[str, Any] = {
    "num_attention_heads": 3,
    "attention_head_dim": 24,
    "num_layers": 4,
    "adaln_lora_dim": 16,
    "text_embed_dim": 16,
    "mlp_ratio": 4.0,
    "in_channels": 32,
    "out_channels": 16,
}
PASSES = (0, 3, 4, 2, 1)
TRAIN_STEPS, BATCH, RATE, LIMIT_STEPS, CASES = 300, 4, 6e-3, 240, 2


@dataclass(frozen=True)
class Way:
    """How to draw: steps of which solver, and whether the blocks are kept in 8 bits."""

    num_steps: int = NUM_STEPS
    fast_scheduler: bool = False
    fp8: bool = False


WAYS = {
    "euler 10 steps": Way(10),
    "euler 8 steps": Way(8),
    "dpm-solver++ 15 steps": Way(15, fast_scheduler=True),
    "dpm-solver++ 10 steps": Way(10, fast_scheduler=True),
    "dpm-solver++ 8 steps": Way(8, fast_scheduler=True),
    "fp8": Way(fp8=True),
    "dpm-solver++ 10 steps, fp8": Way(10, fast_scheduler=True, fp8=True),
}


def make_case(seed: int) -> tuple[Tensor, Tensor]:
    """A made-up clip (1, 16, t, h, w) and what is to be drawn of it (passes, 16, t, h, w), of the usual spread.

    The clip is seen through a curve; every picture is moved by amounts of its own.
    """
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, 16, SHAPE[1], 3, 4, generator=generator)
    clip = SIGMA_DATA * 1.4 * F.interpolate(coarse, SHAPE[1:], mode="trilinear", align_corners=False)
    moved = 0.5 * torch.randn(len(PASSES), 16, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    return clip, SIGMA_DATA * (torch.tanh(1.5 * clip / SIGMA_DATA) + moved)


def train_small(num_steps: int = TRAIN_STEPS) -> CosmosInverseTransformer:
    """A small network of the published layout that has learned something, so that its paths bend as real ones do."""
    torch.manual_seed(0)
    net = CosmosInverseTransformer(**CONFIG)
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, betas=(0.9, 0.98))
    generator = torch.Generator().manual_seed(1)
    for step in range(num_steps):
        cases = [make_case(step * BATCH + slot) for slot in range(BATCH)]
        which = torch.randint(len(PASSES), (BATCH,), generator=generator)
        clip = torch.cat([clip for clip, _ in cases])
        target = torch.stack([pictures[i] for (_, pictures), i in zip(cases, which, strict=True)])
        sigma = draw_sigmas(torch.randn(BATCH, generator=generator), SHAPE[1])
        noisy = target + _each(sigma) * torch.randn(target.shape, generator=generator)
        clean = _denoise(net, noisy, sigma, clip, torch.tensor(PASSES)[which])
        errors = (clean - target).square().flatten(1).mean(1)
        loss = (errors * (sigma**2 + SIGMA_DATA**2) / (sigma * SIGMA_DATA) ** 2).mean()
        optimizer.param_groups[0]["lr"] = RATE * min(1, (step + 1) / 20) * (1 - step / num_steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval().requires_grad_(False)


def _denoise(
    net: CosmosInverseTransformer, noisy: Tensor, sigma: Tensor, clip: Tensor, rows: Tensor
) -> Tensor:
    """The network as a denoiser, as `training.finetune_cosmos` has it."""
    power = sigma**2 + SIGMA_DATA**2
    planes = torch.cat([noisy * _each(power.rsqrt()), clip], 1)
    answer = net(planes, 0.25 * sigma.log(), rows, return_dict=False)[0]
    return _each(SIGMA_DATA**2 / power) * noisy + _each(sigma * SIGMA_DATA * power.rsqrt()) * answer


def _each(numbers: Tensor) -> Tensor:
    return numbers.view(-1, 1, 1, 1, 1)


def draw_case(net: CosmosInverseTransformer, seed: int, way: Way) -> Tensor:
    """Latents (passes, 16, t, h, w) of a made-up clip nobody trained on."""
    clip, _ = make_case(1_000_000 + seed)
    noise = torch.randn(len(PASSES), *SHAPE, generator=torch.Generator().manual_seed(seed))
    scheduler = make_fast_scheduler() if way.fast_scheduler else None
    return sample(net, clip, noise, PASSES, way.num_steps, scheduler)


def copies_of(net: CosmosInverseTransformer) -> Callable[[], CosmosInverseTransformer]:
    """Gives the network again and again: 8 bits are for good."""
    state = net.state_dict()

    def make() -> CosmosInverseTransformer:
        copy = CosmosInverseTransformer(**CONFIG)
        copy.load_state_dict(state)
        return copy.eval().requires_grad_(False)

    return make


def measure(make: Callable[[], CosmosInverseTransformer], cases: int = CASES) -> dict[str, Any]:
    """Hold `WAYS` against the reference's steps, and against the limit that many more steps come to."""
    whole = make()
    exact, limit = (
        [draw_case(whole, seed, way) for seed in range(cases)] for way in (Way(), Way(LIMIT_STEPS))
    )
    ways = []
    for name, way in WAYS.items():
        net = make()
        if way.fp8:
            apply_fp8(net)
        drawn = [draw_case(net, seed, way) for seed in range(cases)]
        errors = relative(drawn, exact)
        ways.append(
            {
                "name": name,
                **asdict(way),
                "error": round(sum(errors) / cases, 5),
                "worst": round(max(errors), 5),
                "to_limit": round(sum(relative(drawn, limit)) / cases, 5),
            }
        )
    return {
        "what": f"relative error of five pictures' latents against {NUM_STEPS} Euler steps, in float32;"
        f" to_limit: against {LIMIT_STEPS}",
        "network": {**CONFIG, "trained_steps": TRAIN_STEPS},
        "latents": SHAPE,
        "cases": cases,
        "exact_to_limit": round(sum(relative(exact, limit)) / cases, 5),
        "ways": ways,
    }


def relative(some: list[Tensor], others: list[Tensor]) -> list[float]:
    """How far each is from its other."""
    return [float((one - other).norm() / other.norm()) for one, other in zip(some, others, strict=True)]
