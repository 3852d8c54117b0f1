"""Which phase a run is in and how far the learning rates have fallen: by counted steps, or by the clock."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import Any, Protocol

from training.recipe import Phase, Recipe


@dataclass
class Progress:
    """Where a run stands; saved with it.

    Attributes:
        step: steps taken.
        seconds: of training, over all legs of a resumed run.
        began: phase -> its first step, of a run by the clock.
    """

    step: int = 0
    seconds: float = 0.0
    began: dict[str, int] = field(default_factory=dict)

    def state_dict(self) -> dict[str, Any]:
        """For the saved state."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From the saved state."""
        self.step, self.seconds = int(state["step"]), float(state["seconds"])
        self.began = dict(state.get("began", {}))


class Schedule(Protocol):
    """The order of a run's phases."""

    def over(self) -> bool:
        """Whether no step is left."""
        ...

    def phase(self, step: int) -> Phase | None:
        """The phase whose batch a step asks for now; None after the end. Steps may ask ahead."""
        ...

    def rates(self, phase: Phase) -> tuple[float, float]:
        """(AdamW's, Muon's) learning rate of the step taken now, with a batch of `phase`."""
        ...

    def phases(self) -> tuple[Phase, ...]:
        """The phases for the card, with the steps that they have by this schedule."""
        ...


def rates(phase: Phase, step: int, done: float | None = None) -> tuple[float, float]:
    """(AdamW's, Muon's) learning rate at a step of a phase: warm-up, plateau, linear fall.

    Args:
        phase: with its rates.
        step: inside the phase.
        done: share of the phase that is over; as the steps have it when None.
    """
    warm = min(1.0, (step + 1) / max(1, phase.warmup))
    done = step / phase.steps if done is None else done
    fall = 1.0
    if done > phase.decay_from:
        fall = 1 - (1 - phase.end) * (done - phase.decay_from) / (1 - phase.decay_from)
    return phase.lr * warm * fall, phase.muon_lr * warm * fall


class BySteps:
    """As many steps of each phase as the recipe says: the same run on every machine."""

    def __init__(self, recipe: Recipe, progress: Progress) -> None:
        self.recipe, self.progress = recipe, progress

    def over(self) -> bool:
        """As `Schedule.over`."""
        return self.progress.step >= self.recipe.steps

    def phase(self, step: int) -> Phase | None:
        """As `Schedule.phase`."""
        return self.recipe.at(step)[0] if step < self.recipe.steps else None

    def rates(self, phase: Phase) -> tuple[float, float]:
        """As `Schedule.rates`."""
        return rates(phase, self.recipe.at(self.progress.step)[1])

    def phases(self) -> tuple[Phase, ...]:
        """As `Schedule.phases`."""
        return self.recipe.phases


class ByTime:
    """Each phase for its share of a time, at whatever pace: the rates have fallen when the time is over."""

    def __init__(self, recipe: Recipe, progress: Progress, seconds: float) -> None:
        self.recipe, self.progress = recipe, progress
        total = sum(phase.share for phase in recipe.phases)
        self.ends = [seconds * share / total for share in accumulate(phase.share for phase in recipe.phases)]

    def over(self) -> bool:
        """As `Schedule.over`."""
        return self.progress.seconds >= self.ends[-1]

    def phase(self, step: int) -> Phase | None:
        """As `Schedule.phase`; the clock alone decides."""
        number = bisect_right(self.ends, self.progress.seconds)
        return self.recipe.phases[number] if number < len(self.ends) else None

    def rates(self, phase: Phase) -> tuple[float, float]:
        """As `Schedule.rates`; batches that were asked for before a phase's end still belong to it."""
        began = self.progress.began.setdefault(phase.name, self.progress.step)
        number = self.recipe.phases.index(phase)
        start = self.ends[number - 1] if number else 0.0
        done = (self.progress.seconds - start) / (self.ends[number] - start)
        return rates(phase, self.progress.step - began, min(max(done, 0.0), 1.0))

    def phases(self) -> tuple[Phase, ...]:
        """As `Schedule.phases`: those that were met."""
        met = [phase for phase in self.recipe.phases if phase.name in self.progress.began]
        starts = [*(self.progress.began[phase.name] for phase in met), self.progress.step]
        steps = [end - start for start, end in pairwise(starts)]
        return tuple(replace(phase, steps=count) for phase, count in zip(met, steps, strict=True))
