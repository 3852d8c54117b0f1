"""How well the windows of a long clip fit together: change at their borders, jumps of scale, drift, flicker.

Everything is gathered from pairs of neighbouring frames, named by the first of the two; nothing needs truth.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from alaya.colour import linear_to_srgb
from alaya.gbuffer import CHANNELS, GBuffer

SCALED = ("albedo", "depth")
"""Channels that a model knows up to a factor: their steps are ratios, given in per cent."""
NEAR, FAR = 0.1, 1e4
"""Depths that are black and white: depth is looked at on a logarithmic scale, and background lies beyond all."""
DARK = 0.02
"""Albedo below which a ratio says nothing."""
END = 0.1
"""Share of a clip that its beginning and its end are, for drift."""
Figures = dict[str, float | int | None]


@dataclass(frozen=True)
class Overlap:
    """Frames [first, stop) that two windows share: where the later begins, and where the earlier has ended.

    Windows that share none have first == stop.
    """

    first: int
    stop: int

    @property
    def pairs(self) -> range:
        """Every pair on the way from the earlier window's own frames to the later one's."""
        return range(self.first - 1, max(self.first, self.stop))

    @property
    def borders(self) -> tuple[int, ...]:
        """The pairs where the later window enters, where it outweighs the earlier one, where that one leaves."""
        return tuple(sorted({self.first - 1, (self.first + self.stop) // 2 - 1, self.stop - 1}))


def border_pairs(overlaps: Iterable[Overlap], num_frames: int) -> list[int]:
    """The pairs at all borders, in order; what lies outside a clip of `num_frames` is left out."""
    pairs = {pair for overlap in overlaps for pair in overlap.borders}
    return sorted(pair for pair in pairs if 0 <= pair < num_frames - 1)


def visible(clip: GBuffer) -> dict[str, np.ndarray]:
    """Each channel (T, H, W, C) as a value in [0, 1] whose steps are about equally visible."""
    nearness = np.log(np.clip(clip.depth, NEAR, FAR) / NEAR) / math.log(FAR / NEAR)
    return {
        "albedo": linear_to_srgb(clip.albedo),
        "normal": clip.normal * 0.5 + 0.5,
        "depth": nearness,
        "roughness": clip.roughness,
        "metallic": clip.metallic,
    }


def ratio_step(before: np.ndarray, after: np.ndarray, floor: float) -> float:
    """By what per cent most pixels grew: the median ratio of values above `floor`, (H, W, C); nan if none are."""
    both = np.isfinite(before) & np.isfinite(after) & (before > floor) & (after > floor)
    if not both.any():
        return math.nan
    return 100 * math.expm1(float(np.median(np.log(after[both] / before[both]))))


def level_step(before: np.ndarray, after: np.ndarray) -> float:
    """By how many 1/255 the mean of pictures (H, W, C) in [0, 1] rose."""
    return 255 * float(np.mean(after, dtype=np.float64) - np.mean(before, dtype=np.float64))


def pixel_change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(H, W) float32: the mean change of each pixel's channels, in 1/255, of (H, W, C) pictures in [0, 1]."""
    change = np.abs(np.asarray(after, np.float32) - before)
    total = change[..., 0]
    for channel in range(1, change.shape[-1]):  # numpy is slow over a last axis of three
        total = total + change[..., channel]
    return total / change.shape[-1] * 255


def mean_colour(picture: np.ndarray) -> np.ndarray:
    """(C,) float64: the mean of each channel of an (H, W, C) picture."""
    return np.array([picture[..., channel].mean(dtype=np.float64) for channel in range(picture.shape[-1])])


@dataclass
class SeamMeter:
    """Gathers one channel or one video, a pair at a time; holds a few numbers a pair."""

    changes: dict[int, float] = field(default_factory=dict)
    steps: dict[int, float] = field(default_factory=dict)
    means: dict[int, np.ndarray] = field(default_factory=dict)
    flicker: list[float] = field(default_factory=list)

    def add(
        self,
        pair: int,
        before: np.ndarray,
        after: np.ndarray,
        still: np.ndarray | None = None,
        step: float | None = None,
    ) -> None:
        """Count two neighbouring frames.

        Args:
            pair: number of the first of them.
            before: (H, W, C) in [0, 1].
            after: likewise.
            still: (H, W) bool, where the source stands still.
            step: by how much the whole grew; how the mean rose when None.
        """
        change = pixel_change(before, after)
        self.changes[pair] = float(change.mean())
        self.steps[pair] = level_step(before, after) if step is None else step
        for frame, picture in ((pair, before), (pair + 1, after)):
            if frame not in self.means:
                self.means[frame] = mean_colour(picture)
        if still is not None and still.any():
            self.flicker.append(float(change[still].mean()))

    def figures(self, overlaps: Sequence[Overlap], num_frames: int) -> Figures:
        """What was found, in steps of 1/255 unless named otherwise; None where nothing could be measured.

        - border: mean change from frame to frame at the borders; interior: 95th percentile of all other pairs' change;
          ratio: the one over the other
        - stands_out: mean of a border pair's change over that of the nearest other pairs around it
        - worst: the largest change at a border; worst_frame: the frame after it
        - jump: the largest step at a border; usual_step: 95th percentile of the others; across: the largest sum of
          steps on the way from one window to the next (per cent for albedo and depth)
        - drift: how far the mean colour of the clip's end lies from that of its beginning
        - flicker: mean change where the source stands still
        """
        at_borders = set(border_pairs(overlaps, num_frames))
        borders = sorted(self.changes.keys() & at_borders)
        others = sorted(self.changes.keys() - at_borders)
        border = float(np.mean([self.changes[pair] for pair in borders])) if borders else None
        interior = _p95([self.changes[pair] for pair in others])
        worst = max(borders, key=lambda pair: self.changes[pair], default=None)
        return {
            "borders": len(overlaps),
            "border": border,
            "interior": interior,
            "ratio": border / interior if border is not None and interior else None,
            "stands_out": self._stands_out(borders, others),
            "worst": None if worst is None else self.changes[worst],
            "worst_frame": None if worst is None else worst + 1,
            "jump": max(self._steps(borders), default=None),
            "usual_step": _p95(self._steps(others)),
            "across": max((way for way in map(self._across, overlaps) if way is not None), default=None),
            "drift": self._drift(num_frames),
            "flicker": float(np.mean(self.flicker)) if self.flicker else None,
        }

    def _stands_out(self, borders: Sequence[int], others: Sequence[int]) -> float | None:
        """How the change at borders compares with the change just before and after; what moves counts in both."""
        found = []
        for pair in borders:
            place = bisect.bisect(others, pair)
            around = [self.changes[other] for other in others[max(0, place - 1) : place + 1]]
            if around and sum(around) > 0:
                found.append(self.changes[pair] / float(np.mean(around)))
        return float(np.mean(found)) if found else None

    def _steps(self, pairs: Iterable[int]) -> list[float]:
        found = (abs(self.steps[pair]) for pair in pairs)
        return [step for step in found if not math.isnan(step)]

    def _across(self, overlap: Overlap) -> float | None:
        """The sum of an overlap's steps; None if one of its pairs was not seen."""
        if any(pair not in self.steps for pair in overlap.pairs):
            return None
        total = sum(self.steps[pair] for pair in overlap.pairs)
        return None if math.isnan(total) else abs(total)

    def _drift(self, num_frames: int) -> float | None:
        """The largest component's difference between the mean colours of the clip's ends."""
        length = max(1, round(END * num_frames))
        first = [mean for frame, mean in self.means.items() if frame < length]
        last = [mean for frame, mean in self.means.items() if frame >= num_frames - length]
        if not first or not last or num_frames < 2:
            return None
        return float(np.abs(np.mean(last, axis=0) - np.mean(first, axis=0)).max() * 255)


def _p95(values: Sequence[float]) -> float | None:
    return float(np.percentile(values, 95)) if values else None


class ClipSeams:
    """The meters of a G-buffer clip's five channels."""

    def __init__(self) -> None:
        self.meters = {name: SeamMeter() for name in CHANNELS}

    def add(self, pair: int, clip: GBuffer, still: np.ndarray | None = None) -> None:
        """Count frames `pair` and `pair` + 1, the two of `clip`; `still` as in `SeamMeter.add`."""
        shown = visible(clip)
        floors = {"albedo": DARK, "depth": 0.0}
        for name, meter in self.meters.items():
            raw, seen = getattr(clip, name), shown[name]
            step = ratio_step(raw[0], raw[1], floors[name]) if name in SCALED else None
            meter.add(pair, seen[0], seen[1], still, step)

    def figures(self, overlaps: Sequence[Overlap], num_frames: int) -> dict[str, Figures]:
        """`SeamMeter.figures` of every channel."""
        return {name: meter.figures(overlaps, num_frames) for name, meter in self.meters.items()}
