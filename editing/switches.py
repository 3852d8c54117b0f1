"""Which of the published editing model's inexact ways to draw faster are on; as this is made, none is."""

from __future__ import annotations

from dataclasses import dataclass

from alaya.errors import RequestError

SOLVERS = ("euler", "unipc")
ALWAYS = (0.0, 1.0)
"""Guided at every noise level."""


@dataclass(frozen=True)
class Switches:
    """What may differ from the exact way; as it is made, nothing does.

    Their errors are measured by `scripts/measure_switches.py` and stand in `benchmarks/results/switches.json`.

    Attributes:
        solver: "unipc" is of second order and takes fewer steps for a path that bends little.
        guided: noise levels (lowest, highest) in [0, 1] between which the words to keep away from are asked too;
            elsewhere the words alone decide, which halves a step.
        keep: the blocks after the first are left out, and what they added last is added again, while the first
            one's change moved by less than this share since. 0 never does.
        fp8: the blocks' linear layers are kept in 8 bits.
    """

    solver: str = "euler"
    guided: tuple[float, float] = ALWAYS
    keep: float = 0.0
    fp8: bool = False

    def __post_init__(self) -> None:
        if self.solver not in SOLVERS:
            raise RequestError(f"--scheduler must be one of {', '.join(SOLVERS)}, got {self.solver!r}")
        lowest, highest = self.guided
        if not 0 <= lowest <= highest <= 1:
            raise RequestError(
                f"--guidance-interval must be two noise levels in [0, 1], the lower first, got {lowest:g}:{highest:g};"
                " try 0.3:0.95"
            )
        if not 0 <= self.keep < 1:
            raise RequestError(f"--first-block-cache must be a share in [0, 1), got {self.keep:g}; try 0.06")

    @property
    def labels(self) -> list[str]:
        """The switches that are on, in words, for reports; empty when the result is exact."""
        said = {
            "unipc": self.solver == "unipc",
            f"guided {self.guided[0]:g}-{self.guided[1]:g}": self.guided != ALWAYS,
            f"keep {self.keep:g}": self.keep > 0,
            "fp8": self.fp8,
        }
        return [label for label, on in said.items() if on]


EXACT = Switches()
