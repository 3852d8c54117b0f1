"""Trivial baselines fitted on the evaluated set itself, which favours them: a model must beat each of these.

They know the truth's averages but nothing of the picture in front of them, except that one takes the picture
for the albedo.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from alaya.colour import linear_to_srgb, srgb_to_linear
from alaya.errors import ClipError
from alaya.gbuffer import GBuffer
from alaya.metrics import (
    Scores,
    best_gain,
    psnr,
    rmse,
    score_albedo,
    score_depth,
    score_gbuffer,
    score_normal,
    sky_iou,
)
from training.foreign import EvalClip

SEARCHED_PIXELS = 20_000
"""Pixels of a clip that the search for its best gain in sRGB coding looks at."""


@dataclass(frozen=True)
class InverseFloors:
    """Averages over all surface pixels of a set.

    Attributes:
        albedo: (3,) linear.
        normal: (3,) unit length.
        roughness, metallic: one number each.
        normal_rows: (H, 3), the mean of every row of the picture.
        depth_rows: (H,), likewise, in metres.
        relative_rows: (H,), of depths divided by their clip's median first.
        sky_rows: (H,) bool, rows that are background more often than not.
    """

    albedo: np.ndarray
    normal: np.ndarray
    roughness: float
    metallic: float
    normal_rows: np.ndarray
    depth_rows: np.ndarray
    relative_rows: np.ndarray
    sky_rows: np.ndarray

    @classmethod
    def fit(cls, clips: Iterable[EvalClip]) -> InverseFloors:
        """Average a set, one clip in memory at a time; the clips must be of one height."""
        sums: dict[str, np.ndarray] = {}
        for clip in clips:
            parts = _row_sums(clip.truth)
            for name, part in parts.items():
                if name in sums and sums[name].shape != part.shape:
                    raise ClipError(
                        f"{clip.name} has {len(part)} rows, clips before it {len(sums[name])};"
                        " a set needs clips of one size"
                    )
                sums[name] = sums.get(name, 0) + part
        count, total = sums["surface"], max(float(sums["surface"].sum()), 1.0)
        normal = sums["normal"].sum(0)
        return cls(
            albedo=sums["albedo"].sum(0) / total,
            normal=normal / max(float(np.linalg.norm(normal)), 1e-9),
            roughness=float(sums["roughness"].sum() / total),
            metallic=float(sums["metallic"].sum() / total),
            normal_rows=_row_means(sums["normal"], count),
            depth_rows=_row_means(sums["depth"], count)[:, 0],
            relative_rows=_row_means(sums["relative"], count)[:, 0],
            sky_rows=sums["sky"][:, 0] > count[:, 0],
        )

    def scores(self, clip: EvalClip) -> dict[str, Scores]:
        """Score every baseline on a clip, by the baseline's name."""
        truth, surface = clip.truth, clip.truth.mask
        if not surface.any():
            return {}
        linear, albedo = srgb_to_linear(clip.rgb[surface] / np.float32(255)), truth.albedo[surface]
        rows = np.broadcast_to(np.arange(truth.height)[:, None], surface.shape)
        depth = truth.depth[surface][:, 0]
        row, normal = rows[surface], truth.normal[surface]
        sky = np.broadcast_to(self.sky_rows[:, None], surface.shape)
        return {
            "RGB as albedo": score_albedo(linear, albedo),
            "RGB as albedo, best gain": _with_best_gain(linear, albedo),
            "mean of the set": _without_sky(score_gbuffer(self._constant(truth.depth.shape), truth)),
            "mean per row": score_normal(self.normal_rows[row], normal)
            | score_depth(self.depth_rows[row], depth)
            | {"sky_iou": sky_iou(sky, ~surface)},
            "mean per row of clips at one scale": score_depth(self.relative_rows[row], depth),
            "metallic 0": {"metallic_rmse": rmse(np.zeros(1), truth.metallic[surface])},
        }

    def _constant(self, shape: tuple[int, ...]) -> GBuffer:
        def flat(value: np.ndarray | float, width: int) -> np.ndarray:
            return np.broadcast_to(np.asarray(value, np.float32), (*shape[:3], width))

        return GBuffer(
            albedo=flat(self.albedo, 3),
            normal=flat(self.normal, 3),
            depth=flat(1.0, 1),
            roughness=flat(self.roughness, 1),
            metallic=flat(self.metallic, 1),
        )


def _with_best_gain(linear: np.ndarray, albedo: np.ndarray) -> Scores:
    """Score a picture (N, 3) as albedo after the clip's best gain: least squares, and for sRGB coding its own."""
    coded_gain = best_coded_gain(linear, albedo)
    coded = psnr(linear_to_srgb(np.clip(coded_gain * linear, 0, 1)), linear_to_srgb(albedo))
    return score_albedo(best_gain(linear, albedo) * linear, albedo) | {"albedo_psnr_srgb": coded}


def best_coded_gain(linear: np.ndarray, albedo: np.ndarray) -> float:
    """The gain on linear values (N, 3) that comes nearest to the albedo in sRGB coding, to about 1 %."""
    step = max(1, len(linear) // SEARCHED_PIXELS)
    few, wanted = linear[::step], linear_to_srgb(albedo[::step])

    def error(gain: float) -> float:
        return rmse(linear_to_srgb(np.clip(gain * few, 0, 1)), wanted)

    middle = 1.0
    for reach in (16.0, 1.5, 1.06):  # three grids, each around the best of the one before
        middle = min(middle * np.geomspace(1 / reach, reach, 25), key=error)
    return float(middle)


def _without_sky(scores: Scores) -> Scores:
    return {name: value for name, value in scores.items() if name != "sky_iou"}


def _row_sums(truth: GBuffer) -> dict[str, np.ndarray]:
    """Sums over frames and columns of what is surface, (H, C) each, and the counts of surface and sky."""
    mask = truth.mask[..., None]
    depth = np.where(mask, truth.depth, 0).astype(np.float64)
    scale = float(np.median(truth.depth[mask])) if mask.any() else 1.0
    arrays = {**truth.channels(), "depth": depth, "relative": depth / scale, "surface": mask, "sky": ~mask}
    return {name: array.sum((0, 2), dtype=np.float64) for name, array in arrays.items()}


def _row_means(sums: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Row means (H, C); rows that never show a surface take the first one that does."""
    means = sums / np.maximum(count, 1)
    empty = count[:, 0] == 0
    if empty.any() and not empty.all():
        means[empty] = means[~empty][0]
    return means


class EditingFloors:
    """The mean picture and the mean colour of every look over a set, and the albedo as it is."""

    def __init__(self) -> None:
        self._sums: dict[str, np.ndarray] = {}
        self._counts: dict[str, int] = {}

    def add(self, pictures: Mapping[str, np.ndarray]) -> None:
        """Take in one clip's target pictures, look -> (H, W, 3) sRGB in [0, 1]."""
        for look, picture in pictures.items():
            self._sums[look] = self._sums.get(look, 0) + picture.astype(np.float64)
            self._counts[look] = self._counts.get(look, 0) + 1

    def pictures(self, look: str, frame: GBuffer) -> dict[str, np.ndarray]:
        """What each baseline draws for one frame of G-buffers, (H, W, 3) sRGB, or one colour (3,)."""
        mean = self._sums[look] / self._counts[look]
        return {
            "albedo copied": linear_to_srgb(frame.albedo[0]),
            "mean colour of the look": mean.mean((0, 1)),
            "mean picture of the look": mean,
        }

    def scores(self, look: str, frame: GBuffer, target: np.ndarray) -> Scores:
        """PSNR of each baseline against a target (H, W, 3)."""
        return {name: psnr(picture, target) for name, picture in self.pictures(look, frame).items()}
