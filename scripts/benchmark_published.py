"""The published networks' speed against diffusers and DiffSynth in one run: random weights, outputs compared first."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alaya.attention import attending
from alaya.cost import Shapes
from alaya.files import atomic_write
from editing import wan_outline
from editing.wan_sampler import NUM_STEPS as EDITING_STEPS
from inverse import cosmos_outline
from inverse.cosmos_outline import NUM_PICTURES
from inverse.cosmos_outline import NUM_STEPS as INVERSE_STEPS
from scripts.benchmark import describe_machine
from scripts.published_jobs import Codec, editing_codec, editing_job, inverse_codec, inverse_job
from scripts.published_sizes import SIZES, Size, Window
from scripts.published_ways import (
    CONTEXT_TOKENS,
    OURS,
    Case,
    Way,
    editing_case,
    editing_state,
    inverse_case,
    inverse_state,
)

RESULT = Path(__file__).parent.parent / "benchmarks" / "results" / "published.json"
SCHEMA = "alaya-published/1"
TOLERANCES = {torch.float32: 2e-5, torch.bfloat16: 3e-2}
"""Relative; bfloat16's own rounding through thirty layers is half of it."""
FLOORS = {"editing": 35.8, "inverse": 70.3}
"""Seconds of the whole denoising loop on an H200 at the rate of its largest matrix product, 790 TFLOP/s."""
COMPILE_S, JOB_S = 60.0, 60.0
"""Seconds that must be left to begin with what takes long."""
REAL_STEPS = 4


@dataclass(frozen=True)
class Bench:
    """Where and how it is measured.

    Attributes:
        size: of the networks.
        device: where they are.
        dtype: of the networks.
        rounds: at most, each of all ways.
        until: of `time.perf_counter`, when the last measurement must have ended.
    """

    size: Size
    device: torch.device
    dtype: torch.dtype
    rounds: int
    until: float

    @property
    def left(self) -> float:
        """Seconds to go."""
        return self.until - time.perf_counter()

    @property
    def clock(self) -> str:
        """What seconds are: a single thread's own time does not depend on what else the machine does."""
        single = self.device.type == "cpu" and torch.get_num_threads() == 1
        return "processor time" if single else "wall time"

    def timed(self, run: Callable[[], object]) -> float:
        """Seconds of one call."""
        now = time.process_time if self.clock == "processor time" else time.perf_counter
        self._settle()
        began = now()
        run()
        self._settle()
        return now() - began

    def watched(self, run: Callable[[], object]) -> tuple[float, float | None]:
        """Seconds of one call, and on a GPU the GiB it needs with all weights that lie there."""
        if self.device.type != "cuda":
            return self.timed(run), None
        torch.cuda.reset_peak_memory_stats(self.device)
        seconds = self.timed(run)
        return seconds, torch.cuda.max_memory_allocated(self.device) / 2**30

    def _settle(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def relative(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """The largest ||a - b|| / ||b|| of outputs."""
    pairs = zip(found, expected, strict=True)
    return max(float((a.float() - b.float()).norm() / b.float().norm()) for a, b in pairs)


def checked(bench: Bench, ways: list[Way], tolerance: float) -> dict[str, float]:
    """Each way's distance from the first; one call of all of them, so that nothing cold is timed.

    Raises:
        SystemExit: one is too far away: what does not give the same is not timed.
    """
    expected: list[Tensor] = []
    distances = {}
    for way in ways:
        found = called(bench, way)
        expected = expected or found
        distances[way.name] = relative(found, expected)
        if not distances[way.name] <= tolerance:
            raise SystemExit(
                f"{way.name} is off by {distances[way.name]:.1e} from {ways[0].name}, more than {tolerance:.0e};"
                " it is not timed"
            )
    return distances


def called(bench: Bench, way: Way) -> list[Tensor]:
    """A way's outputs."""
    with attending(way.attention, bench.device):
        return way.run()


@torch.inference_mode()
def compare(bench: Bench, ways: list[Way], tflop: float, tolerance: float) -> list[dict[str, Any]]:
    """Hold ways against each other, round by round, forth and back.

    Args:
        bench: where.
        ways: of which the first is the one to agree with and the last is ours.
        tflop: what one call takes when nothing is saved.
        tolerance: of the outputs.

    Returns:
        One row a way. `times_ours` is the median over rounds of its seconds by ours of the same round.
    """
    if bench.left < COMPILE_S * sum(way.compiled for way in ways) + JOB_S:
        ways = [way for way in ways if not way.compiled]
    distances = checked(bench, ways, tolerance)
    peaks: dict[str, float | None] = {}
    seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    for number in range(bench.rounds):
        for way in ways if number % 2 == 0 else reversed(ways):
            taken, peaks[way.name] = bench.watched(lambda way=way: called(bench, way))
            seconds[way.name].append(taken)
        if bench.left < 2 * JOB_S and number >= 2:
            break
    rows = []
    for name, rounds in seconds.items():
        median = statistics.median(rounds)
        ratios = [one / other for one, other in zip(rounds, seconds[ways[-1].name], strict=True)]
        rows.append(
            {
                "name": name,
                "seconds": median,
                "rounds": len(rounds),
                "tflop_per_s": tflop / median,
                "times_ours": statistics.median(ratios),
                "peak_gib": peaks[name],
                "off_by": distances[name],
            }
        )
    return rows


def tokens_tflop(model: str, shapes: Shapes, tokens: int) -> float:
    """TFLOP of the timed unit without any saving: a step of two texts, or one pass."""
    if model == "editing":
        return 2 * wan_outline.network_flops(shapes, tokens, 1, texts=1) / 1e12
    flops = cosmos_outline.network_flops(shapes, tokens, 1, passes=1)
    width, reads = shapes["transformer_blocks.0.attn2.to_v.weight"]
    depth = sum(name.endswith(".attn2.to_v.weight") for name in shapes)
    looking = tokens * width * (4 * width + 4 * CONTEXT_TOKENS)
    return (flops + depth * (looking + 4 * CONTEXT_TOKENS * reads * width)) / 1e12


def forward(bench: Bench, model: str, state: dict[str, Tensor], window: Window) -> dict[str, Any]:
    """One model's network over one window."""
    editing = model == "editing"
    config = bench.size.editing if editing else bench.size.inverse
    make: Callable[..., Case] = editing_case if editing else inverse_case
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    with torch.inference_mode():
        case = make(config, state, window)
        case.once()
        once = bench.timed(case.once)
    tflop = tokens_tflop(model, shapes, case.tokens)
    ways = compare(bench, case.ways, tflop, TOLERANCES[bench.dtype])
    talk(f"{model}, {case.tokens} tokens", ways)
    unit = "step of two texts" if editing else "one pass"
    return {
        "unit": unit,
        "latents": window,
        "tokens": case.tokens,
        "tflop": tflop,
        "ours_once_s": once,
        "ways": ways,
    }


def codecs(bench: Bench, model: str, codec: Codec) -> list[dict[str, Any]]:
    """One model's autoencoder, both ways."""
    results = []
    for task, ways, tflop in (
        ("encode", codec.encoding, codec.encode_tflop),
        ("decode", codec.decoding, codec.decode_tflop),
    ):
        if bench.left < JOB_S:
            return results
        rows = compare(bench, ways, tflop, TOLERANCES[codec.dtype])
        results.append({"task": task, "video": codec.video, "tflop": tflop, "ways": rows})
        talk(f"{model}, {task}", rows)
    return results


def extrapolated(model: str, forward: dict[str, Any], codec: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A whole clip of one window by every way, from its parts."""
    editing = model == "editing"
    calls = EDITING_STEPS if editing else NUM_PICTURES * INVERSE_STEPS
    jobs = []
    for way in forward["ways"]:
        ours = way["name"].startswith(OURS)
        loop = calls * way["seconds"] + (forward["ours_once_s"] if ours else 0)
        parts = {part["task"]: _seconds(part["ways"], OURS if ours else "diffusers") for part in codec}
        whole = None
        if len(parts) == 2:
            many = NUM_PICTURES * parts["encode" if editing else "decode"]
            whole = loop + many + parts["decode" if editing else "encode"]
        jobs.append({"name": way["name"], "loop_s": loop, "job_s": whole})
    return jobs


def _seconds(rows: list[dict[str, Any]], name: str) -> float:
    return next(row["seconds"] for row in rows if row["name"] == name)


def measure(bench: Bench, model: str, found: dict[str, Any]) -> Iterator[None]:
    """All of one model, part by part: the network, the autoencoder, jobs from their parts, and a short one for real."""
    editing = model == "editing"
    size = bench.size
    state = (editing_state if editing else inverse_state)(
        size.editing if editing else size.inverse, bench.dtype, bench.device
    )
    found["networks"] = []
    for window in size.editing_windows if editing else size.inverse_windows:
        found["networks"].append(forward(bench, model, state, window))
        yield
    codec = (editing_codec if editing else inverse_codec)(size, bench.device)
    found["autoencoder"] = codecs(bench, model, codec)
    found["jobs"] = extrapolated(model, found["networks"][0], found["autoencoder"])
    if size.name == "full":
        for job in found["jobs"]:
            job["share_of_h200_floor"] = FLOORS[model] / job["loop_s"]
    yield
    if bench.left > JOB_S:
        run = (editing_job if editing else inverse_job)(size, state, codec, REAL_STEPS)
        seconds, peak = bench.watched(run)
        found["real"] = {"steps": REAL_STEPS, "seconds": seconds, "peak_gib": peak}
        yield


def talk(what: str, ways: list[dict[str, Any]]) -> None:
    """Say what was measured."""
    for way in ways:
        print(
            f"{what}: {way['name']:38} {way['seconds']:.4g} s, {way['times_ours']:.2f} x ours,"
            f" off by {way['off_by']:.0e}",
            file=sys.stderr,
        )


def benchmark(
    size: Size, device: torch.device, rounds: int, minutes: float, models: Sequence[str] = tuple(FLOORS)
) -> Iterator[dict[str, Any]]:
    """Measure the models of a size; gives the whole result, for JSON, again with every part that is done."""
    began = time.perf_counter()
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    bench = Bench(size, device, dtype, rounds, began + 60 * minutes)
    result: dict[str, Any] = {
        "size": size.name,
        "editing": size.editing,
        "inverse": size.inverse,
        "weights": "random: N(0, 0.02), gains of normalisations 1 + N(0, 0.02), modulation tables N(0, 0.5)",
        "dtype": str(dtype).removeprefix("torch."),
        "clock": bench.clock,
        "threads": torch.get_num_threads(),
        "machine": describe_machine(device.type),
        "models": {},
    }
    for model in models:
        result["models"][model] = {}
        for _ in measure(bench, model, result["models"][model]):
            result["took_s"] = time.perf_counter() - began
            yield result


def main() -> None:
    """Measure, and put the run beside those of other devices and sizes."""
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=list(SIZES), help="default: full on CUDA, tiny on a CPU")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if cuda else "cpu")
    parser.add_argument("--model", choices=list(FLOORS), action="append", help="default: both")
    parser.add_argument("--rounds", type=int, default=5, help="calls of every way (default 5)")
    parser.add_argument(
        "--minutes", type=float, default=9.0, help="what does not fit is left out (default 9)"
    )
    parser.add_argument("--out", type=Path, default=RESULT, help="where the figures go, as JSON")
    request = parser.parse_args()
    name = request.size or ("full" if request.device == "cuda" else "tiny")
    device, models = torch.device(request.device), request.model or tuple(FLOORS)
    known = json.loads(request.out.read_text()) if request.out.is_file() else {"schema": SCHEMA, "runs": {}}
    for run in benchmark(SIZES[name], device, request.rounds, request.minutes, models):
        known["runs"][f"{request.device} {name}"] = run
        atomic_write(request.out, json.dumps(known, indent=2) + "\n")
    print(request.out)


if __name__ == "__main__":
    main()
