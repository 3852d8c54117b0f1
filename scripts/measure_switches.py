"""Measures how far each inexact switch of the published models' samplers is from the exact way, on small networks."""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from alaya.files import atomic_write
from editing import wan_sampler
from editing.wan import TEXT_TOKENS, WanEditingTransformer
from editing.wan_switches import EXACT, Switches, apply_fp8, draw
from scripts import inverse_switches

OUT = Path(__file__).parent.parent / "benchmarks" / "results" / "switches.json"
SCHEMA = "alaya-switches/1"
SHAPE = (16, 2, 8, 12)
CONFIG: dict[str, Any] = {
    "num_attention_heads": 3,
    "attention_head_dim": 24,
    "in_channels": 96,
    "out_channels": 16,
    "text_dim": 16,
    "freq_dim": 32,
    "ffn_dim": 192,
    "num_layers": 4,
    "cross_attn_norm": True,
}
TRAIN_STEPS, BATCH = 150, 4
NUM_STEPS, CASES = wan_sampler.NUM_STEPS, 2


@dataclass(frozen=True)
class Measured:
    """One way to draw against the exact one.

    Attributes:
        name: what is on.
        num_steps: of the solver.
        switches: as `editing.wan_switches.Switches`.
        error: ||latents - exact|| / ||exact||, the mean over cases.
        worst: the largest of them.
        blocks: share of the exact way's block calls that were made.
    """

    name: str
    num_steps: int
    switches: dict[str, Any]
    error: float
    worst: float
    blocks: float


WAYS = {
    "euler 25 steps": (25, Switches()),
    "unipc 50 steps": (50, Switches(solver="unipc")),
    "unipc 25 steps": (25, Switches(solver="unipc")),
    "unipc 15 steps": (15, Switches(solver="unipc")),
    "guided 0.3-0.95": (50, Switches(guided=(0.3, 0.95))),
    "guided 0.5-1": (50, Switches(guided=(0.5, 1.0))),
    "keep 0.06": (50, Switches(keep=0.06)),
    "keep 0.1": (50, Switches(keep=0.1)),
    "fp8": (50, Switches(fp8=True)),
    "unipc 25 steps, guided 0.3-0.95, keep 0.06, fp8": (
        25,
        Switches(solver="unipc", guided=(0.3, 0.95), keep=0.06, fp8=True),
    ),
}


def make_case(seed: int, texts: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """A made-up clip: what is to be drawn (1, 16, t, h, w), what is given (1, 80, ...), words (texts, 4, 16).

    The picture is the first given channels seen through a curve, moved by the words.
    """
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, 80, SHAPE[1], 3, 4, generator=generator)
    given = F.interpolate(coarse, SHAPE[1:], mode="trilinear", align_corners=False) * 1.5
    words = torch.randn(texts, 4, CONFIG["text_dim"], generator=generator)
    moved = 0.7 * words[0].mean(0).view(1, 16, 1, 1, 1) * given[:, 16:32]
    return torch.tanh(1.5 * given[:, :16]) + moved, given, words


def train_small(num_steps: int = TRAIN_STEPS) -> WanEditingTransformer:
    """A small network of the published layout that has learned something, so that its paths bend as real ones do."""
    torch.manual_seed(0)
    net = WanEditingTransformer(**CONFIG)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, betas=(0.9, 0.98))
    sigmas, timesteps = wan_sampler.schedule(1000)
    generator = torch.Generator().manual_seed(1)
    for step in range(num_steps):
        cases = [make_case(step * BATCH + slot) for slot in range(BATCH)]
        clean, given, words = (torch.cat(parts) for parts in zip(*cases, strict=True))
        words = words * (torch.rand(BATCH, generator=generator) > 0.15).view(-1, 1, 1)
        level = torch.randint(1000, (BATCH,), generator=generator)
        noise = torch.randn(clean.shape, generator=generator)
        noisy = torch.lerp(clean, noise, sigmas[level].view(-1, 1, 1, 1, 1))
        answer = net(torch.cat([noisy, given], 1), timesteps[level], words, return_dict=False)[0]
        optimizer.param_groups[0]["lr"] = 2e-3 * min(1, (step + 1) / 20) * (1 - step / num_steps)
        loss = (answer - (noise - clean)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval().requires_grad_(False)


@torch.no_grad()
def draw_case(
    net: WanEditingTransformer, seed: int, num_steps: int, switches: Switches
) -> tuple[Tensor, int]:
    """Latents of a made-up clip nobody trained on, and how many blocks were called."""
    _, given, words = make_case(1_000_000 + seed)
    clip = net.read_clip(given)
    texts = [net.read_text(rows) for rows in (words, torch.zeros_like(words))]
    calls = 0

    def counted(*_: object) -> None:
        nonlocal calls
        calls += 1

    blocks: Any = net.blocks
    hooks = [block.register_forward_pre_hook(counted) for block in blocks]
    noise = wan_sampler.draw_noise(seed, SHAPE, 0, alone=True)
    latents = draw(net, clip, texts, noise, switches, num_steps=num_steps)
    for hook in hooks:
        hook.remove()
    return latents, calls


def measure(
    make: Callable[[], WanEditingTransformer], names: list[str], cases: int = CASES
) -> list[Measured]:
    """Hold some of `WAYS` against the exact one.

    Args:
        make: gives the network afresh: 8 bits are for good.
        names: keys of `WAYS`.
        cases: made-up clips.
    """
    whole = make()
    exact = [draw_case(whole, seed, NUM_STEPS, EXACT) for seed in range(cases)]
    measured = []
    for name in names:
        num_steps, switches = WAYS[name]
        net = make()
        apply_fp8(net, switches)
        drawn = [draw_case(net, seed, num_steps, switches) for seed in range(cases)]
        errors = [relative(latents, wanted) for (latents, _), (wanted, _) in zip(drawn, exact, strict=True)]
        blocks = sum(calls for _, calls in drawn) / sum(calls for _, calls in exact)
        numbers = (sum(errors) / cases, max(errors), blocks)
        measured.append(
            Measured(name, num_steps, asdict(switches), *(round(number, 5) for number in numbers))
        )
    return measured


def relative(one: Tensor, other: Tensor) -> float:
    """How far one is from the other."""
    return float((one - other).norm() / other.norm())


def copies_of(net: WanEditingTransformer) -> Callable[[], WanEditingTransformer]:
    """Gives the network again and again."""
    state = net.state_dict()

    def make() -> WanEditingTransformer:
        copy = WanEditingTransformer(**CONFIG)
        copy.load_state_dict(state)
        return copy.eval().requires_grad_(False)

    return make


def main() -> None:
    """Measure everything and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    out = parser.parse_args().out
    began = time.perf_counter()
    net = train_small()
    make = copies_of(net)
    measured = measure(make, list(WAYS))
    inverse = inverse_switches.measure(inverse_switches.copies_of(inverse_switches.train_small()))
    result = {
        "schema": SCHEMA,
        "what": "relative error of the latents against 50 Euler steps, all guided, in float32",
        "network": {**CONFIG, "trained_steps": TRAIN_STEPS, "text_tokens": TEXT_TOKENS},
        "latents": SHAPE,
        "cases": CASES,
        "torch": torch.__version__,
        "ways": [asdict(way) for way in measured],
        "inverse": inverse,
    }
    atomic_write(out, json.dumps(result, indent=2) + "\n")
    for way in measured:
        print(f"{way.name:48} error {way.error:.4f} (worst {way.worst:.4f}), blocks {way.blocks:.0%}")
    print(f"inverse, exact: {inverse['exact_to_limit']:.4f} from the limit")
    for way in inverse["ways"]:
        print(f"inverse, {way['name']:39} error {way['error']:.4f}, {way['to_limit']:.4f} from the limit")
    print(f"{out} written in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
