"""Figures about a result that need no truth: steadiness, unit normals, background, depth range.

All come from pairs of neighbouring frames spread over the clip: a long clip costs no more than a short one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from alaya.gbuffer import CHANNELS, GBuffer
from alaya.seams import pixel_change

STILL = 2 / 255  # a pixel of the source that changes less than this from frame to frame stands still
MAX_PAIRS = 10


def pick_pairs(num_frames: int, most: int = MAX_PAIRS) -> list[int]:
    """First frames of up to `most` pairs of neighbours, spread over a clip; [0] for a clip of one frame."""
    last = max(0, num_frames - 2)
    return sorted({round(i * last / max(1, most - 1)) for i in range(most)})


@dataclass
class Steadiness:
    """How much pictures change from one frame to the next, in steps of 1/255."""

    change: list[float] = field(default_factory=list)
    flicker: list[float] = field(default_factory=list)

    def add(self, before: np.ndarray, after: np.ndarray, still: np.ndarray | None) -> None:
        """Count a pair of (H, W, C) float pictures in [0, 1]; `still` (H, W) marks where the source rests."""
        change = pixel_change(before, after)
        self.change.append(float(change.mean()))
        if still is not None and still.mean() > 0.001:
            self.flicker.append(float(change[still].mean()))

    def figures(self) -> dict[str, float | None]:
        """Mean change, and mean change where the source stands still (None where nothing does)."""
        return {"change": mean_of(self.change), "flicker": mean_of(self.flicker)}


def mean_of(values: Sequence[float]) -> float | None:
    """The mean, or None of nothing."""
    return round(float(np.mean(values)), 4) if values else None


def still_pixels(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(H, W) bool of two (H, W, 3) float frames of the source: where nothing changes."""
    return np.abs(after - before).max(axis=-1) < STILL


def shown(clip: GBuffer, frame: int, name: str, near: float) -> np.ndarray:
    """One channel of a frame, (H, W, C) in [0, 1]; depth as near / depth, so that background is 0."""
    array = getattr(clip, name)[frame]
    if name == "depth":
        return np.clip(near / array, 0, 1)
    return array * 0.5 + 0.5 if name == "normal" else array


@dataclass
class ClipCheck:
    """Truth-free figures of a G-buffer clip, gathered pair by pair."""

    near: float
    steady: dict[str, Steadiness] = field(default_factory=lambda: {name: Steadiness() for name in CHANNELS})
    background: list[float] = field(default_factory=list)
    lengths: list[float] = field(default_factory=list)
    depths: list[np.ndarray] = field(default_factory=list)

    def add(self, pair: GBuffer, still: np.ndarray | None) -> None:
        """Count one pair of frames (or a single frame); `still` as in `Steadiness.add`."""
        mask = pair.mask
        self.background.append(float(1 - mask.mean()))
        if mask.any():
            length = np.linalg.norm(pair.normal[mask], axis=-1)
            self.lengths.append(float(np.abs(length - 1).max()))
            self.depths.append(np.percentile(pair.depth[..., 0][mask], (1, 50, 99)))
        for name in CHANNELS if pair.num_frames > 1 else ():
            before, after = (shown(pair, frame, name, self.near) for frame in (0, 1))
            self.steady[name].add(before, after, still)

    def figures(self) -> dict[str, float | None]:
        """All figures by name."""
        figures: dict[str, float | None] = {"background share": mean_of(self.background)}
        figures["normals: largest | |n| - 1 |"] = max(self.lengths, default=None)
        for place, label in enumerate(("1 %", "median", "99 %")):
            figures[f"depth, {label}"] = mean_of([float(values[place]) for values in self.depths])
        for name, steady in self.steady.items():
            for kind, value in steady.figures().items():
                figures[f"{name}: {kind} /255"] = value
        return figures
