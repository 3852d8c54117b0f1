"""Compare what comes out with what a reference gave: relative errors, and what they may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

PIXEL_SHARE = 1e-3
"""Which share of 8-bit values may differ, and then by one level at most."""


@dataclass(frozen=True)
class Comparison:
    """One group of numbers held against the reference's.

    Attributes:
        name: of the group.
        error: ||ours - reference|| / ||reference||, or the share of 8-bit values that differ.
        tolerance: the largest error that is right.
        levels: for 8-bit values, the largest difference.
    """

    name: str
    error: float
    tolerance: float
    levels: int | None = None

    @property
    def good(self) -> bool:
        """Whether the error is within tolerance."""
        return self.error <= self.tolerance and (self.levels or 0) <= 1

    def line(self) -> str:
        """One line for people."""
        verdict = "ok" if self.good else "WRONG"
        if self.levels is None:
            return (
                f"{self.name:<24} relative error {self.error:.2e} (at most {self.tolerance:.0e})  {verdict}"
            )
        return (
            f"{self.name:<24} {1 - self.error:.4%} of the values equal (at least {1 - self.tolerance:.1%}),"
            f" off by {self.levels} at most  {verdict}"
        )


def compare(name: str, ours: Tensor, reference: Tensor, tolerance: float) -> Comparison:
    """Relative error in float64; infinite where shapes differ or something is not finite."""
    if ours.shape != reference.shape or not bool(ours.isfinite().all()):
        return Comparison(name, float("inf"), tolerance)
    ours, wanted = ours.detach().double(), reference.detach().double()
    scale = float(wanted.norm()) or 1.0
    return Comparison(name, float((ours - wanted).norm()) / scale, tolerance)


def compare_levels(name: str, ours: Tensor, reference: Tensor) -> Comparison:
    """Two uint8 tensors, value by value."""
    if ours.shape != reference.shape:
        return Comparison(name, 1.0, PIXEL_SHARE, 255)
    apart = (ours.short() - reference.short()).abs()
    return Comparison(name, float((apart > 0).double().mean()), PIXEL_SHARE, int(apart.max()))
