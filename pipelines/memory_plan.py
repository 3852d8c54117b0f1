"""What a stage of a published model will take, said before it is loaded: memory, arithmetic and time.

Weights and arithmetic follow from the shapes in the files' headers, activations from what was measured for a token or
a pixel. Times come from what the device can do at best and the share of it that large networks reach.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from alaya.cost import Phase, Task
from alaya.device import OFFLOADS, choose_device, dtype_name, free_bytes_on
from alaya.errors import RequestError
from alaya.extra_channels import BLENDED_NORMAL
from alaya.frames import plan_windows
from alaya.model_info import Published
from editing.switches import ALWAYS
from pipelines.plan import Plan, size_text
from pipelines.progress import clock
from pipelines.settings import EditSettings

if TYPE_CHECKING:
    from pipelines.settings import InverseSettings

BASE_BYTES = 1.5e9
"""Python, torch, and what CUDA keeps for itself."""
SLACK = 1.1
"""An estimate may be this much too high before a job is refused for it."""
SHARE = 0.55
"""Of the best rate, what large networks reach."""
CUDA_FLOPS_PER_CLOCK = {(7, 0): 1024, (7, 5): 1024, (8, 0): 2048, (8, 6): 512, (8, 9): 512, (9, 0): 4096}
"""Compute capability -> half-precision arithmetic of a multiprocessor in one clock; newer ones count as the last."""
CPU_THREAD_FLOPS = {"fp32": 6e10, "bf16": 9e10, "fp16": 2e10}


@dataclass(frozen=True)
class Memory:
    """Free bytes: of the device, and of the machine; None where nobody says."""

    device: float | None
    machine: float | None


@dataclass(frozen=True)
class StagePlan:
    """What one stage is going to take.

    Attributes:
        stage: "inverse" or "edit".
        model: as asked for.
        task: one window.
        windows: how many of them.
        phases: of a window, in the order of work.
        device: as torch names it.
        dtype: of the network: "bf16", "fp16" or "fp32".
        offload: see `alaya.offload`.
        rate: arithmetic a second that is expected.
        find_phases: the phases of another task.
        inexact: the switches that make the result another one, in words.
    """

    stage: str
    model: str
    task: Task
    windows: int
    phases: tuple[Phase, ...]
    device: str
    dtype: str
    offload: str
    rate: float
    find_phases: Callable[[Task], tuple[Phase, ...]]
    inexact: tuple[str, ...] = ()

    @property
    def weights(self) -> int:
        """Bytes of the networks that stay for the whole stage."""
        return sum({phase.network: phase.weights for phase in self.phases if not phase.once}.values())

    @property
    def device_bytes(self) -> float:
        """The most that is on the device at once."""
        return BASE_BYTES + max(self._on_device(phase) for phase in self.phases)

    @property
    def machine_bytes(self) -> float:
        """The most of the machine's own memory that is used at once."""
        if self.device == "cpu":
            return self.device_bytes
        resting = max(phase.weights for phase in self.phases)  # each passes through on its way to the device
        if self.offload != "none":
            resting = self.weights + max((phase.weights for phase in self.phases if phase.once), default=0)
        return BASE_BYTES + resting

    @property
    def flops(self) -> float:
        """Of the whole stage."""
        return sum(phase.flops * self._times(phase) for phase in self.phases)

    def _times(self, phase: Phase) -> int:
        return 1 if phase.once else self.windows

    def _on_device(self, phase: Phase) -> float:
        if self.device == "cpu" or self.offload == "none":
            weights = self.weights + (phase.weights if phase.once else 0)
        elif self.offload == "model":
            weights = phase.weights
        else:
            weights = phase.streamed
        return weights + phase.activations

    def seconds(self, phase: Phase) -> float:
        """Expected of a phase, over all windows."""
        return phase.flops * self._times(phase) / self.rate

    def lines(self) -> list[str]:
        """The plan as a person reads it."""
        offload = "" if self.offload == "none" else f", offload {self.offload}"
        activations = max(phase.activations for phase in self.phases)
        first = (
            f"  {self.model} on {self.device} in {self.dtype}{offload}: {size_text(self.weights)} of weights,"
            f" {size_text(activations)} of activations, {size_text(self.device_bytes)} at most"
        )
        phases = [
            f"  {phase.name}: {phase.flops * self._times(phase) / 1e12:,.3g} TFLOP, about"
            f" {clock(self.seconds(phase))}"
            for phase in self.phases
        ]
        inexact = [f"  inexact: {', '.join(self.inexact)}"] if self.inexact else []
        return [first, *inexact, *phases]

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON values."""
        phases = [
            {
                "name": phase.name,
                "weights": phase.weights,
                "activations": phase.activations,
                "flops": phase.flops * self._times(phase),
                "seconds": round(self.seconds(phase), 1),
            }
            for phase in self.phases
        ]
        return {
            "stage": self.stage,
            "model": self.model,
            "device": self.device,
            "dtype": self.dtype,
            "offload": self.offload,
            "device_bytes": round(self.device_bytes),
            "machine_bytes": round(self.machine_bytes),
            "inexact": list(self.inexact),
            "phases": phases,
            "lines": self.lines(),
        }

    def with_window(self, frames: int) -> StagePlan:
        """The same with shorter windows."""
        task = replace(self.task, frames=frames)
        return replace(self, task=task, phases=self.find_phases(task))


def plan_stage(
    settings: InverseSettings | EditSettings, published: Published, size: tuple[int, int], frames: int
) -> StagePlan:
    """Plan a stage of a published model.

    Args:
        settings: of the job.
        published: what is known of the model.
        size: (height, width) of the clip.
        frames: that are to be worked on.
    """
    device = choose_device(settings.device).name
    dtype = dtype_name(settings.dtype, device)
    windows = plan_windows(frames, settings.num_frames or published.num_frames, settings.overlap)
    height, width = settings.working_size or published.working_size(*size)
    editing = isinstance(settings, EditSettings)
    task = Task(
        frames=max(window.num_frames for window in windows),
        height=height,
        width=width,
        num_steps=settings.num_steps or published.num_steps,
        dtype_bytes=4 if dtype == "fp32" else 2,
        codec_bytes=2 if device != "cpu" and not editing else 4,
        guided=getattr(settings, "cfg_scale", None) != 1,
        guided_between=settings.switches.guided if isinstance(settings, EditSettings) else ALWAYS,
        new_words=isinstance(settings, EditSettings) and not published.knows_words(settings.texts, dtype),
        tiled=getattr(settings, "reference", False),
        fp8=settings.fp8,
        extra_pictures=len(set(getattr(settings, "extra_channels", ())) - {BLENDED_NORMAL}),
    )
    return StagePlan(
        "edit" if editing else "inverse",
        settings.model,
        task,
        len(windows),
        published.phases(task),
        device,
        dtype,
        settings.offload,
        expected_rate(device, dtype),
        published.phases,
        tuple(settings.inexact),
    )


def informed(plan: Plan, model: Any) -> Plan:
    """A job's plan with what is known of a published model; that of an embedded one as it is."""
    known: StagePlan | None = getattr(model, "stage_plan", None)
    if known is None:
        return plan
    seconds = sum(known.seconds(phase) for phase in known.phases)
    return replace(
        plan, memory=round(known.machine_bytes), predict_seconds=seconds, where=f"on {known.device}"
    )


def free_memory(device: str) -> Memory:
    """What is free now."""
    return Memory(free_bytes_on(device), free_bytes_on("cpu"))


def check_fits(plan: StagePlan, memory: Memory) -> None:
    """Refuse a stage that has no room, and say what would have.

    Raises:
        RequestError: the device's memory or the machine's is too small.
    """
    lack = _lack(plan, memory)
    if lack is None:
        return
    for advice, other in _easier(plan):
        if _lack(other, memory) is None:
            raise RequestError(f"{lack}; {advice} needs {size_text(other.device_bytes)}")
    raise RequestError(
        f"{lack}, and no setting makes it fit; give a smaller --height and --width, or take another machine"
    )


def _lack(plan: StagePlan, memory: Memory) -> str | None:
    """What is too small, in words."""
    task = plan.task
    what = f"{plan.model} needs about {{}} of {{}} for windows of {task.frames} at {task.width}x{task.height}"
    if memory.device is not None and plan.device_bytes > memory.device * SLACK:
        kind = "memory" if plan.device == "cpu" else f"memory on {plan.device}"
        return what.format(size_text(plan.device_bytes), kind) + f", {size_text(memory.device)} are free"
    if memory.machine is not None and plan.machine_bytes > memory.machine * SLACK:
        return (
            what.format(size_text(plan.machine_bytes), "the machine's memory")
            + f", {size_text(memory.machine)} are free"
        )
    return None


def _easier(plan: StagePlan) -> list[tuple[str, StagePlan]]:
    """What could be asked instead, the least change first."""
    plans, resting = [], []
    if plan.device != "cpu":
        lower = OFFLOADS[OFFLOADS.index(plan.offload) + 1 :]
        resting = [replace(plan, offload=offload) for offload in lower]
        plans += [(f"--offload {other.offload}", other) for other in resting]
    if plan.dtype == "fp32":
        task = replace(plan.task, dtype_bytes=2)
        half = replace(plan, dtype="bf16", task=task, phases=plan.find_phases(task))
        plans.append(("--dtype bf16", half))
    for frames in shorter_windows(plan.task.frames):
        plans.append((f"--num-frames {frames}", plan.with_window(frames)))
        plans += [
            (f"--offload {other.offload} --num-frames {frames}", other.with_window(frames))
            for other in resting[-1:]
        ]
    return plans


def shorter_windows(frames: int) -> list[int]:
    """Lengths 8n+1 to fall back to, each about half of the one before."""
    lengths = []
    while frames > 9:
        frames = max(9, (frames // 2 + 7) // 8 * 8 + 1)
        lengths.append(frames)
    return lengths


def expected_rate(device: str, dtype: str) -> float:
    """Arithmetic a second that a large network is expected to reach."""
    if device == "cpu":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return cores * CPU_THREAD_FLOPS[dtype]
    import torch

    chip = torch.cuda.get_device_properties(torch.device(device))
    known = [key for key in CUDA_FLOPS_PER_CLOCK if key <= (chip.major, chip.minor)]
    per_clock = CUDA_FLOPS_PER_CLOCK[max(known)] if known else 256
    hertz = 1000 * getattr(chip, "clock_rate", 1_700_000)
    rate = SHARE * chip.multi_processor_count * per_clock * hertz
    return rate / 8 if dtype == "fp32" else rate
