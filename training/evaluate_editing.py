"""Measures an editing model against rendered looks of held-out clips: likeness, free phrases, steadiness.

Pictures are compared at the model's working size, before weather is drawn on top: the targets have none.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alaya.errors import RequestError
from alaya.frames import plan_windows
from alaya.gbuffer import GBuffer
from alaya.metrics import Scores, mean_scores, psnr, static_flicker
from alaya.resize import resize_frame, resize_gbuffer, to_working
from editing.models import EditingModel, Words
from inverse.models import InverseModel
from prompts import LOOKS, list_styles
from training.baselines import EditingFloors
from training.evaluate_inverse import predict_clip
from training.foreign import EvalClip, read_eval_clips
from training.results import Report, Result, describe_set, share, silent, spread, summary
from training.steadiness import still_gbuffer, warping_of_pictures

PHRASES = Path(__file__).parent / "heldout_phrases.toml"
TEMPORAL_CLIPS = 12
TEMPORAL_LOOKS = 4
"""Looks drawn in motion on each of those clips; they go round, so that every look has its turn."""


@dataclass(frozen=True)
class Still:
    """A clip's middle frame at the model's working size.

    Attributes:
        frame: one frame of true G-buffers.
        targets: look -> (h, w, 3) float32 sRGB in [0, 1].
    """

    frame: GBuffer
    targets: dict[str, np.ndarray]

    def nearest(self, picture: np.ndarray) -> str:
        """The look whose target is nearest to a picture (h, w, 3) by mean squared error."""
        errors = {look: float(np.mean((target - picture) ** 2)) for look, target in self.targets.items()}
        return min(errors, key=errors.__getitem__)


def heldout_phrases() -> list[tuple[str, str]]:
    """(text, look) of the phrases that no training text was written from."""
    return [(entry["text"], entry["look"]) for entry in tomllib.loads(PHRASES.read_text("utf-8"))["phrase"]]


def canonical_words() -> dict[str, str]:
    """Each look's own words: those of the first bundled style that means it."""
    found: dict[str, str] = {}
    for style in list_styles(""):
        if style.look is not None:
            found.setdefault(style.look, style.words)
    return {look: found[look] for look in LOOKS}


def measure_editing(
    editor: EditingModel, inverse: InverseModel | None, set_dir: Path, report: Report = silent
) -> Result:
    """Draw every look of every clip and hold it against the rendered one.

    Args:
        editor: the model.
        inverse: what predicts G-buffers for the figures that need no truth at all; None leaves those out.
        set_dir: a worlds dataset with all looks of every clip.
        report: called with lines on what is being done.

    Returns:
        The result file's part about accuracy.
    """
    report(f"fitting the trivial baselines on {set_dir.name}")
    floors, count = EditingFloors(), 0
    for _, still in _stills(editor, set_dir):
        floors.add(still.targets)
        count += 1
    texts = canonical_words()
    words = {look: editor.encode_text(text) for look, text in texts.items()}
    phrases, in_motion = heldout_phrases(), _chosen(count)
    rows, found, temporal = [], [], []
    for index, (clip, still) in enumerate(_stills(editor, set_dir)):
        rows.append(_row(editor, inverse, clip, still, words, floors))
        found += [
            _phrase(editor, clip, still, *phrases[k]) for k in range(len(phrases)) if k % count == index
        ]
        if index in in_motion:
            temporal += _temporal(editor, clip, still, words, in_motion.index(index))
        report(
            f"clip {index + 1} of {count}: {clip.name}, PSNR {np.mean(list(rows[-1]['psnr'].values())):.4g}"
        )
    return {
        "set": set_dir.name,
        "set_settings": describe_set(set_dir),
        "clips": count,
        "metrics": _metrics(rows, found),
        "temporal": summary(temporal),
        "looks": {look: _look(look, rows, texts[look]) for look in LOOKS},
        "baselines": _baselines(rows),
        "phrases": {"count": len(found), "misses": [miss for miss in found if not _right(miss)]},
        "inverse": None if inverse is None else {"model": inverse.info.name, "sha256": inverse.info.sha256},
        "per_clip": [{key: value for key, value in row.items() if key != "baselines"} for row in rows],
    }


def draw(editor: EditingModel, gbuffer: GBuffer, words: Words) -> np.ndarray:
    """Draw a clip in windows of 8n+1 as the command does: T frames at the working size, (T, h, w, 3)."""
    parts, done = [], 0
    for window in plan_windows(gbuffer.num_frames, editor.info.num_frames, overlap=0):
        picked = {name: values[list(window.sources)] for name, values in gbuffer.channels().items()}
        drawn = editor.predict(GBuffer(**picked), words, first_frame=window.start)
        parts.append(drawn[done - window.start : window.num_real])
        done = window.stop
    return np.concatenate(parts)


def _stills(editor: EditingModel, set_dir: Path) -> Iterator[tuple[EvalClip, Still]]:
    """The clips with their middle frames; a clip without all the looks is refused."""
    for clip in read_eval_clips(set_dir):
        if missing := [look for look in LOOKS if look not in clip.looks]:
            raise RequestError(
                f"{set_dir}: clip {clip.name} has no picture of {', '.join(missing)}; measure editing on worlds"
                f" made with all {len(LOOKS)} looks as targets"
            )
        middle = len(clip.rgb) // 2
        size = editor.working_size(*clip.rgb.shape[1:3])
        frame = resize_gbuffer(clip.truth.frames(middle, middle + 1), *size)
        targets = {look: resize_frame(clip.looks[look][middle], *size) for look in LOOKS}
        yield clip, Still(frame, targets)


def _row(
    editor: EditingModel,
    inverse: InverseModel | None,
    clip: EvalClip,
    still: Still,
    words: Mapping[str, Words],
    floors: EditingFloors,
) -> Result:
    """All figures of one clip's middle frame, each by look."""
    drawn = {look: editor.predict(still.frame, words[look])[0] for look in LOOKS}
    row: Result = {
        "name": clip.name,
        "family": clip.family,
        "psnr": {look: psnr(drawn[look], still.targets[look]) for look in LOOKS},
        "nearest": {look: still.nearest(drawn[look]) for look in LOOKS},
        "baselines": {look: floors.scores(look, still.frame, still.targets[look]) for look in LOOKS},
    }
    if inverse is not None:
        middle = len(clip.rgb) // 2
        found = predict_clip(inverse, clip.rgb).frames(middle, middle + 1)
        found = resize_gbuffer(found, still.frame.height, still.frame.width)
        row["psnr_from_predicted"] = {
            look: psnr(editor.predict(found, words[look])[0], still.targets[look]) for look in LOOKS
        }
    return row


def _phrase(editor: EditingModel, clip: EvalClip, still: Still, text: str, look: str) -> Result:
    """How one free phrase was read, and which look its picture is nearest to."""
    words = editor.encode_text(text)
    read_as = max(words.looks, key=words.looks.__getitem__) if words.looks else None
    return {
        "text": text,
        "look": look,
        "clip": clip.name,
        "read_as": read_as,
        "probability": words.looks[read_as] if read_as is not None else None,
        "nearest": still.nearest(editor.predict(still.frame, words)[0]),
    }


def _right(phrase: Result) -> bool:
    return phrase["read_as"] in (None, phrase["look"]) and phrase["nearest"] == phrase["look"]


def _chosen(count: int) -> list[int]:
    """Up to TEMPORAL_CLIPS clip numbers, spread evenly over the set."""
    wanted = min(TEMPORAL_CLIPS, count)
    return [index * count // wanted for index in range(wanted)]


def _temporal(
    editor: EditingModel, clip: EvalClip, still: Still, words: Mapping[str, Words], turn: int
) -> list[Scores]:
    """Warping error along the clip and flicker of its noisy still, for the looks whose turn it is."""
    size = (still.frame.height, still.frame.width)
    truth, motion = resize_gbuffer(clip.truth, *size), _motion(clip, size)
    noisy, rows = still_gbuffer(still.frame, seed=turn), []
    for number in range(TEMPORAL_LOOKS):
        look = LOOKS[(turn * TEMPORAL_LOOKS + number) % len(LOOKS)]
        scores = {"flicker": static_flicker(draw(editor, noisy, words[look]))}
        if motion is not None and len(motion) > 1:
            target = to_working(clip.looks[look], *size)
            scores |= warping_of_pictures(draw(editor, truth, words[look]), target, truth, motion)
        rows.append(scores)
    return rows


def _motion(clip: EvalClip, size: tuple[int, int]) -> np.ndarray | None:
    """The clip's motion vectors in pixels of another size."""
    if clip.motion is None:
        return None
    height, width = clip.motion.shape[1:3]
    scale = np.array([size[1] / width, size[0] / height], np.float32)
    return to_working(clip.motion, *size) * scale


def _metrics(rows: list[Result], phrases: list[Result]) -> Result:
    """The headline figures; each clip counts with its mean over looks."""
    metrics: Result = {"psnr": spread(float(np.mean(list(row["psnr"].values()))) for row in rows)}
    predicted = [row["psnr_from_predicted"] for row in rows if "psnr_from_predicted" in row]
    if predicted:
        metrics["psnr_from_predicted"] = spread(float(np.mean(list(row.values()))) for row in predicted)
    if any(phrase["read_as"] is not None for phrase in phrases):
        metrics["phrases_read_right"] = share(sum(p["read_as"] == p["look"] for p in phrases), len(phrases))
    metrics["phrases_nearest_right"] = share(sum(p["nearest"] == p["look"] for p in phrases), len(phrases))
    own = [look == nearest for row in rows for look, nearest in row["nearest"].items()]
    metrics["styles_nearest_right"] = share(sum(own), len(own))
    return metrics


def _look(look: str, rows: list[Result], text: str) -> Result:
    """One line of the table by look."""
    line: Result = {"words": text, "psnr": spread(row["psnr"][look] for row in rows)}
    if "psnr_from_predicted" in rows[0]:
        line["psnr_from_predicted"] = spread(row["psnr_from_predicted"][look] for row in rows)
    return line | {"baselines": mean_scores(row["baselines"][look] for row in rows)}


def _baselines(rows: list[Result]) -> dict[str, Scores]:
    means = mean_scores(scores for row in rows for scores in row["baselines"].values())
    return {name: {"psnr": value} for name, value in means.items()}
