"""Seams of what a run left behind: its journal tells where windows meet, its files tell whether that can be seen."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alaya.clip import ClipReader, open_clip
from alaya.errors import AlayaError, ClipError, RequestError
from alaya.gbuffer import GBuffer
from alaya.seams import ClipSeams, Figures, Overlap, SeamMeter
from alaya.video import VideoInfo, probe, read_frames, to_float
from pipelines.folder import EDITS
from pipelines.journal import HIDDEN, INVERSE_JOB, Journal, Run
from pipelines.selfcheck import still_pixels

SCHEMA = "alaya-seams/1"
Result = dict[str, Any]


def measure_seams(target: Path, borders: Sequence[int] | None = None) -> Result:
    """Measure every neighbouring pair of frames of a run's folder, another G-buffer clip or a video.

    Args:
        target: a folder or a video file.
        borders: the first frame of every window after the first, where no journal tells; windows that overlap are
            known from the journal only.

    Returns:
        schema, target, frames, notes; `source`, `channels` and `videos`: names to the figures of
        `alaya.seams.SeamMeter.figures`, empty where there is no such thing.

    Raises:
        RequestError: nothing there, or nobody tells where windows meet.
        ClipError: damaged files.
    """
    result: Result = {"schema": SCHEMA, "target": str(target), "frames": 0, "notes": []}
    result |= {"source": {}, "channels": {}, "videos": {}}
    if target.is_dir():
        _measure_folder(target, borders, result)
    elif target.is_file():
        journal, job = _journal_of(target)
        video = probe(target)
        overlaps = _overlaps(journal.run(job), borders, video.num_frames, target)
        result["frames"] = video.num_frames
        result["videos"][target.stem] = _measure_video(video, None, overlaps)
    else:
        raise RequestError(
            f"{target} is not there; give the folder of a run, such as outputs/<clip>, or a video"
        )
    return result


def overlaps_of(run: Run) -> list[Overlap]:
    """Where the windows of a run meet, as its journal has it."""
    entries = itertools.islice(run.windows, max(0, len(run.windows) - 1))
    return [
        Overlap(entry["frames"][1], entry["frames"][1] + len(entry.get("weights", ()))) for entry in entries
    ]


@dataclass(frozen=True)
class Source:
    """The video that a clip was made from, from the clip's first frame on."""

    video: VideoInfo
    start: int

    def frames(self, skip: int, count: int) -> Iterator[np.ndarray]:
        """`count` frames (H, W, 3) float32, from the clip's frame `skip` on."""
        first = self.start + skip
        return map(to_float, read_frames(self.video, first, first + count))


def find_source(journal: Journal, sha256: str | None) -> Source:
    """The video a run found its frames in, if it still lies there and is the same; else ClipError."""
    entry = journal.started(INVERSE_JOB)
    path = Path(entry.get("input", ""))
    if not entry or not path.is_file():
        raise ClipError(f"{path} is not there any more")
    video = probe(path)
    if video.sha256 != sha256:
        raise ClipError(f"{path} is not the file the clip was made from")
    return Source(video, (entry.get("settings", {}).get("frames") or (0, None))[0])


def as_text(result: Result) -> str:
    """A table for a terminal: one line a channel or video; what the figures are stands below."""
    names = ("ratio", "stands_out", "worst", "jump", "across", "drift", "flicker")
    lines = [f"{result['target']}: {result['frames']} frames"]
    rows: dict[str, Figures] = {**result["source"], **result["channels"], **result["videos"]}
    width = max([8, *map(len, rows)])
    lines.append(f"{'':{width}}  borders " + " ".join(f"{name:>10}" for name in names))
    for row, figures in rows.items():
        cells = ("-" if figures[name] is None else f"{figures[name]:.4g}" for name in names)
        lines.append(f"{row:{width}}  {figures['borders']:>7} " + " ".join(f"{cell:>10}" for cell in cells))
    lines.append(
        "ratio: change at borders over the interior's 95th percentile; stands_out: over that of the frames around;"
    )
    lines.append("worst, drift, flicker and jump in 1/255; jump and across of albedo and depth in per cent")
    return "\n".join([*lines, *result["notes"]])


def _measure_folder(folder: Path, borders: Sequence[int] | None, result: Result) -> None:
    """A run's clip, its source and its edits."""
    journal = Journal(folder)
    with open_clip(folder) as reader:
        frames = reader.info.frames
        overlaps = _overlaps(journal.run(INVERSE_JOB), borders, frames, folder)
        source = None
        try:
            source = find_source(journal, reader.info.source.sha256)
        except (AlayaError, OSError) as error:
            result["notes"].append(
                f"flicker on still pixels was not measured, the source is missing: {error}"
            )
        result["frames"] = frames
        channels = ClipSeams()
        for pair, clip, still in _clip_pairs(reader, source):
            channels.add(pair, clip, still)
        result["channels"] = channels.figures(overlaps, frames)
    if source is not None:
        meter = SeamMeter()
        for pair, (before, after) in enumerate(itertools.pairwise(source.frames(0, frames))):
            meter.add(pair, before, after, still_pixels(before, after))
        result["source"]["source"] = meter.figures(overlaps, frames)
    for path in sorted((folder / EDITS).glob("*.mp4")):
        video, run = probe(path), journal.run(f"{EDITS}/{path.name}")
        begun = run.started.get("settings", {}).get("frames") or (0, None)
        beside = None if source is None else source.frames(begun[0], video.num_frames)
        result["videos"][path.stem] = _measure_video(video, beside, overlaps_of(run))


def _overlaps(run: Run, borders: Sequence[int] | None, frames: int, target: Path) -> list[Overlap]:
    """Where windows meet, as was given or as the journal has it."""
    if borders is not None:
        if bad := [border for border in borders if not 0 < border < frames]:
            raise RequestError(
                f"--borders {bad[0]} is not within {target}; give frames from 1 to {frames - 1}"
            )
        return [Overlap(border, border) for border in sorted(set(borders))]
    if not run.windows:
        raise RequestError(
            f"{target} has no journal that tells where its windows meet; give --borders A,B,..., the first frame of"
            " every window after the first"
        )
    return overlaps_of(run)


def _journal_of(video: Path) -> tuple[Journal, str]:
    """The journal that may know a video, and the video's name in it."""
    if video.parent.name == EDITS:
        return Journal(video.parent.parent), f"{EDITS}/{video.name}"
    return Journal(video.parent, video.with_name(video.name + HIDDEN)), video.name


def _clip_pairs(
    reader: ClipReader, source: Source | None
) -> Iterator[tuple[int, GBuffer, np.ndarray | None]]:
    """(first frame, the two frames, where the source stands still) of every pair; one pair in memory."""
    count = reader.info.frames
    singles = (reader.read(index, index + 1) for index in range(count))
    still = itertools.repeat(None) if source is None else _stills(source.frames(0, count))
    for pair, ((before, after), resting) in enumerate(zip(itertools.pairwise(singles), still, strict=False)):
        yield pair, GBuffer.concat([before, after]), resting


def _stills(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    return (still_pixels(before, after) for before, after in itertools.pairwise(frames))


def _measure_video(
    video: VideoInfo, source: Iterator[np.ndarray] | None, overlaps: Sequence[Overlap]
) -> Figures:
    """The figures of one video; `source` gives the frames it was made from."""
    meter, count = SeamMeter(), video.num_frames
    pictures = itertools.pairwise(map(to_float, read_frames(video, 0, count)))
    still = itertools.repeat(None) if source is None else _stills(source)
    for pair, ((before, after), resting) in enumerate(zip(pictures, still, strict=False)):
        meter.add(pair, before, after, resting)
    return meter.figures(overlaps, count)
