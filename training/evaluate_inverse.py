"""Measures an inverse model on clips with known truth: accuracy, trivial baselines, families, steadiness."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alaya.frames import plan_windows
from alaya.gbuffer import GBuffer
from alaya.metrics import Scores, mean_scores, score_depth, score_gbuffer
from alaya.resize import resize_frame, to_working
from inverse.models import InverseModel
from training.baselines import InverseFloors
from training.foreign import EvalClip, read_eval_clips
from training.results import Report, Result, describe_set, share, silent, summary
from training.steadiness import flicker_of_gbuffer, still_clip, warping_of_gbuffer
from worlds.scene import HELD_OUT_FAMILIES

FLICKER_CLIPS = 24


def measure_inverse(model: InverseModel, set_dir: Path, report: Report = silent) -> Result:
    """Predict every clip of a set and hold it against the truth.

    Returns:
        The result file's part about accuracy: metrics, temporal, families, baselines, per_clip.
    """
    report(f"fitting the trivial baselines on {set_dir.name}")
    floors = InverseFloors.fit(read_eval_clips(set_dir))
    rows, trivial, warping, flicker = [], [], [], []
    names, sky = [], PooledSky()
    for index, clip in enumerate(read_eval_clips(set_dir)):
        predicted, depth = estimate_clip(model, clip.rgb)
        scores = score_gbuffer(predicted, clip.truth)
        rows.append(scores | score_estimate(scores, predicted, depth, clip.truth))
        sky.add(~predicted.mask, ~clip.truth.mask)
        names.append((clip.name, clip.family))
        trivial.append(floors.scores(clip))
        if clip.motion is not None and len(clip.rgb) > 1:
            warping.append(warping_of_gbuffer(predicted, clip.truth, clip.motion))
        if index < FLICKER_CLIPS:
            flicker.append(flicker_of_gbuffer(predict_clip(model, _still(clip, index))))
        report(f"clip {index + 1}: {clip.name}, {_short(rows[-1])}")
    labels = dict.fromkeys(label for row in trivial for label in row)
    return {
        "set": set_dir.name,
        "set_settings": describe_set(set_dir),
        "clips": len(rows),
        "metrics": {"sky_iou_pooled": sky.figure()} | summary(rows),
        "temporal": summary(warping) | summary(flicker),
        "families": _families(names, rows),
        "baselines": {label: mean_scores(row[label] for row in trivial if label in row) for label in labels},
        "per_clip": [
            {"name": name, "family": family, **row} for (name, family), row in zip(names, rows, strict=True)
        ],
    }


@dataclass
class PooledSky:
    """Intersection over union of the sky over all pixels of a set.

    The mean over clips (`sky_iou`) gives a clip with three pixels of sky in a window the weight of a desert; this
    is the figure that says how much of the sky there is was found.
    """

    both: int = 0
    either: int = 0

    def add(self, predicted: np.ndarray, truth: np.ndarray) -> None:
        """Count one clip's bool masks."""
        self.both += int(np.count_nonzero(predicted & truth))
        self.either += int(np.count_nonzero(predicted | truth))

    def figure(self) -> dict[str, float | int | None]:
        """As `share`."""
        return share(self.both, self.either)


def score_estimate(scores: Scores, predicted: GBuffer, depth: np.ndarray, truth: GBuffer) -> Scores:
    """Score depth (T, H, W, 1) as the model has it everywhere, and what was wrongly cut away as background.

    The G-buffer itself has infinite depth there, which no mean survives: `depth_absrel` and `depth_delta1` are of
    the estimate, `false_sky` is the share of true surface that was cut away, `depth_absrel_cut` is the G-buffer's
    own score (`scores`, of `score_gbuffer`) with infinity counted as 10 km, as the formula has it.
    """
    surface = truth.mask
    if not surface.any():
        return {}
    estimated = score_depth(depth[surface][:, 0], truth.depth[surface][:, 0])
    false_sky = float((~predicted.mask)[surface].mean())
    return {**estimated, "depth_absrel_cut": scores["depth_absrel"], "false_sky": false_sky}


def predict_clip(model: InverseModel, rgb: np.ndarray) -> GBuffer:
    """The G-buffers of `estimate_clip`."""
    return estimate_clip(model, rgb)[0]


def estimate_clip(model: InverseModel, rgb: np.ndarray) -> tuple[GBuffer, np.ndarray]:
    """Run a whole clip through a model as the command does: windows of 8n+1, its working size and back.

    Args:
        model: the model.
        rgb: (T, H, W, 3) sRGB, uint8 or float32 in [0, 1].

    Returns:
        T frames of (H, W), and the depth (T, H, W, 1) before background was cut away.
    """
    full = np.stack([resize_frame(frame, *rgb.shape[1:3]) for frame in rgb])
    size = model.working_size(*rgb.shape[1:3])
    parts, depths, done = [], [], 0
    for window in plan_windows(len(rgb), model.info.num_frames, overlap=0):
        small = to_working(full[list(window.sources)], *size)
        coarse, depth = model.estimate(small, first_frame=window.start)
        coarse = coarse.frames(done - window.start, window.num_real)
        depths += [resize_frame(one, *rgb.shape[1:3]) for one in depth[done - window.start : window.num_real]]
        parts.append(coarse if size == rgb.shape[1:3] else model.restore(coarse, full[done : window.stop]))
        done = window.stop
    return GBuffer.concat(parts), np.stack(depths)


def _still(clip: EvalClip, seed: int) -> np.ndarray:
    return still_clip(clip.rgb[len(clip.rgb) // 2] / 255, seed)


def _families(names: list[tuple[str, str]], rows: list[Scores]) -> dict[str, Result]:
    """Mean scores of each family, its number of clips, and whether training never saw it."""
    found = {}
    for family in sorted({family for _, family in names}):
        members = [row for (_, own), row in zip(names, rows, strict=True) if own == family]
        held_out = family in HELD_OUT_FAMILIES
        found[family] = {"clips": len(members), "never_trained_on": held_out, **mean_scores(members)}
    return found


def _short(row: Scores) -> str:
    wanted = ("albedo_psnr_srgb", "normal_mean", "depth_absrel")
    return ", ".join(f"{name} {row[name]:.4g}" for name in wanted if name in row)
