"""The report of a run: one self-contained HTML page of pictures, settings and figures that need no truth."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from alaya.clip import open_clip
from alaya.errors import AlayaError, ClipError, RequestError
from alaya.files import atomic_write
from alaya.gbuffer import CHANNELS
from alaya.picture import as_uint8, contact_sheet, depth_limits, jpeg_uri, paint_frame, png_bytes
from alaya.seams import ClipSeams, Figures, Overlap, SeamMeter, border_pairs
from alaya.video import probe, read_frames, to_float
from pipelines.background import map_ahead, run_behind
from pipelines.folder import EDITS, REPORT
from pipelines.journal import INVERSE_JOB, Journal
from pipelines.seams import overlaps_of
from pipelines.selfcheck import ClipCheck, Steadiness, mean_of, pick_pairs, still_pixels

SHEET_COLUMNS = 6
SHOWN_BORDERS = 2  # of a clip's windows; `alaya eval seams` measures them all
SEAMS = {
    "ratio": "change at borders over the interior",
    "jump": "largest step at a border",
    "drift": "drift /255",
}
SHEET = Path("previews") / "contact_sheet.png"


@dataclass
class Shown:
    """What the page is made of: sheet rows, (title, before, after) sliders, settings, figures."""

    name: str
    rows: list[tuple[str, list[np.ndarray]]] = field(default_factory=list)
    sliders: list[tuple[str, np.ndarray, np.ndarray]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, float | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def write_report(folder: Path, credit: str | None = None) -> Path:
    """Write report.html (and the contact sheet as a picture) into a run's folder; returns the page's path."""
    if not folder.is_dir():
        raise RequestError(f"{folder} is not a folder; give the folder of a run, such as outputs/<clip>")
    journal = Journal(folder)
    reader = open_clip(folder)
    info = reader.info
    shown = Shown(name=info.source.name or folder.resolve().name)
    overlaps = overlaps_of(journal.run(INVERSE_JOB))
    pairs = _pairs(overlaps, info.frames)
    columns = sorted({round(i * (info.frames - 1) / max(1, SHEET_COLUMNS - 1)) for i in range(SHEET_COLUMNS)})
    source = _source_frames(journal, info, shown, columns, pairs)
    _add_clip(shown, reader, source, columns, pairs, overlaps)
    for video in sorted((folder / EDITS).glob("*.mp4")):
        edit = overlaps_of(journal.run(f"{EDITS}/{video.name}"))
        _add_edit(shown, video, source, columns, pairs, edit)
    _add_settings(shown, journal, info)
    sheet = contact_sheet(shown.rows, credit=credit)
    atomic_write(folder / SHEET, png_bytes(sheet))
    page = _page(shown, jpeg_uri(sheet, max_width=1400, quality=88), credit)
    atomic_write(folder / REPORT, page)
    return folder / REPORT


def _pairs(overlaps: Sequence[Overlap], frames: int) -> list[int]:
    """Pairs spread over a clip, and those at some of its windows' borders."""
    some = overlaps[:: max(1, -(-len(overlaps) // SHOWN_BORDERS))]
    return sorted({*pick_pairs(frames), *border_pairs(some, frames)})


def _add_seams(shown: Shown, name: str, figures: Figures) -> None:
    shown.figures |= {f"{name}: {label}": figures[key] for key, label in SEAMS.items() if figures["borders"]}


def _wanted(columns: list[int], pairs: list[int]) -> list[int]:
    return sorted({*columns, *pairs, *(first + 1 for first in pairs)})


def _pick_frames(path: Path, start: int, wanted: list[int], count: int) -> dict[int, np.ndarray]:
    """Frames `wanted` (counted from `start`) of a video of `count` frames in one pass, as they are stored."""
    keep = {index for index in wanted if index < count}
    found = {}
    for index, frame in enumerate(read_frames(path, start, start + max(keep) + 1)):
        if index in keep:
            found[index] = frame
    return found


def _source_frames(
    journal: Journal, info: Any, shown: Shown, columns: list[int], pairs: list[int]
) -> dict[int, np.ndarray]:
    """Frames of the source video, if it still lies where the run found it and is still the same."""
    entry = journal.started(INVERSE_JOB)
    path = Path(entry.get("input", ""))
    start = (entry.get("settings", {}).get("frames") or (0, None))[0]
    try:
        if not entry or probe(path).sha256 != info.source.sha256:
            raise ClipError(f"{path} is not the file the clip was made from")
        frames = _pick_frames(path, start, _wanted(columns, pairs), info.frames)
    except (AlayaError, OSError) as error:
        shown.notes.append(f"The source video could not be shown: {error}")
        return {}
    shown.rows.append(("source", [as_uint8(frames[index]) for index in columns]))
    return frames


def _add_clip(
    shown: Shown,
    reader: Any,
    source: dict[int, np.ndarray],
    columns: list[int],
    pairs: list[int],
    overlaps: Sequence[Overlap],
) -> None:
    """Sheet rows, one slider for each channel, and the figures of the G-buffer clip."""
    workers = 1 if reader.info.format == "mp4" else 2  # a video is read in order, pictures in any
    with map_ahead(lambda index: reader.read(index, index + 1), columns, workers) as frames:
        picked = list(frames)
    limits = depth_limits(np.concatenate([clip.depth[:, ::4, ::4] for clip in picked]))
    painted = [paint_frame(clip, 0, limits) for clip in picked]
    names = [name for name in CHANNELS if name in reader.info.channels]
    shown.rows += [(name, [frame[name] for frame in painted]) for name in names]
    middle = len(columns) // 2
    before = as_uint8(source[columns[middle]]) if source else painted[middle]["albedo"]
    shown.sliders += [(name, before, painted[middle][name]) for name in names]
    check, seams, last = ClipCheck(near=limits[0]), ClipSeams(), reader.info.frames
    with (
        run_behind() as later,
        map_ahead(lambda first: reader.read(first, min(first + 2, last)), pairs, workers) as clips,
    ):
        for first, pair in zip(pairs, clips, strict=True):
            still = None
            if source and pair.num_frames > 1:
                still = still_pixels(to_float(source[first]), to_float(source[first + 1]))
            later(partial(check.add, pair, still))
            if pair.num_frames > 1:
                seams.add(first, pair, still)
    shown.figures |= check.figures()
    for name, figures in seams.figures(overlaps, reader.info.frames).items():
        _add_seams(shown, name, figures)


def _add_edit(
    shown: Shown,
    video: Path,
    source: dict[int, np.ndarray],
    columns: list[int],
    pairs: list[int],
    overlaps: Sequence[Overlap],
) -> None:
    """A sheet row, a slider and the figures of one restyled video."""
    count = probe(video).num_frames
    pairs = sorted({*pairs, *_pairs(overlaps, count)})
    frames = _pick_frames(video, 0, _wanted(columns, pairs), count)
    row = [as_uint8(frames[index]) for index in columns if index in frames]
    shown.rows.append((video.stem, row))
    middle = columns[len(columns) // 2]
    if middle in frames:
        before = as_uint8(source[middle]) if source else shown.sliders[0][1]
        shown.sliders.append((video.stem, before, as_uint8(frames[middle])))
    steady, seams, base = Steadiness(), SeamMeter(), []
    for first in pairs:
        if first + 1 not in frames:
            continue
        still = None
        if first in source and first + 1 in source:
            one, two = to_float(source[first]), to_float(source[first + 1])
            still = still_pixels(one, two)
            base.append(float(np.abs(two - one).mean() * 255))
        before, after = to_float(frames[first]), to_float(frames[first + 1])
        steady.add(before, after, still)
        seams.add(first, before, after, still)
    for kind, value in steady.figures().items():
        shown.figures[f"{video.stem}: {kind} /255"] = value
    _add_seams(shown, video.stem, seams.figures(overlaps, count))
    shown.figures["source: change /255"] = mean_of(base)


def _add_settings(shown: Shown, journal: Journal, info: Any) -> None:
    shown.settings["clip"] = (
        f"{info.frames} frames of {info.width}x{info.height} at {float(info.fps):g} frames per second"
    )
    shown.settings["model"] = f"{info.model.name} (sha256 {str(info.model.sha256)[:16]})"
    near, far = info.depth.near, info.depth.far
    shown.settings["depth"] = (
        f"{info.depth.kind}, coded between {near:g} and {far:g}" if near else info.depth.kind
    )
    for key, value in info.settings.items():
        shown.settings[f"inverse: {key}"] = value
    for job in journal.jobs():
        entry = journal.finished(job)
        if entry is None or job == INVERSE_JOB:
            continue
        shown.settings[f"{job}: text"] = entry["settings"].get("text", "")
        if entry["settings"].get("inexact"):
            shown.settings[f"{job}: inexact"] = ", ".join(entry["settings"]["inexact"])
        if entry.get("looks"):
            shown.settings[f"{job}: recognised as"] = ", ".join(
                f"{k} {v:.2f}" for k, v in entry["looks"].items()
            )


STYLE = """
body{background:#121214;color:#e1e1e1;font:15px/1.5 system-ui,sans-serif;
max-width:1000px;margin:2em auto;padding:0 1em}
h1,h2{font-weight:600}h2{margin-top:2em}img{max-width:100%;display:block}a{color:#9cf}
.pair{position:relative;margin:.5em 0 0}.pair img{width:100%}
.pair .after{position:absolute;inset:0;clip-path:inset(0 0 0 50%)}
input[type=range]{width:100%;margin:.3em 0 1.2em}
table{border-collapse:collapse;width:100%}
td{border-bottom:1px solid #333;padding:.25em .6em;vertical-align:top}
td:first-child{white-space:nowrap;color:#aaa}.note{color:#fc9}footer{margin:3em 0;color:#999}
"""
SCRIPT = """
document.querySelectorAll('input[type=range]').forEach(s=>s.addEventListener('input',()=>{
s.previousElementSibling.querySelector('.after').style.clipPath='inset(0 0 0 '+s.value+'%)'}))
"""


def _page(shown: Shown, sheet: str, credit: str | None) -> str:
    """The HTML text. Every name and text of the run is escaped; nothing is loaded from outside."""
    sliders = "".join(_slider(title, before, after) for title, before, after in shown.sliders)
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in shown.notes)
    footer = f"<footer>{escape(credit)}</footer>" if credit else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(shown.name)}</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(shown.name)}</h1>{notes}"
        f'<h2>Contact sheet</h2><img alt="contact sheet" src="{sheet}">'
        f"<h2>Before and after</h2>{sliders}"
        f"<h2>Figures that need no truth</h2><p>Change: mean difference of neighbouring frames."
        f" Flicker: the same where the source stands still. Both in steps of 1/255,"
        f" over pairs spread over the clip. Borders are where two windows meet; the largest step there is in per"
        f" cent for albedo and depth, else in 1/255.</p>"
        f"{_table(shown.figures)}<h2>Settings</h2>{_table(shown.settings)}{footer}"
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def _slider(title: str, before: np.ndarray, after: np.ndarray) -> str:
    name = escape(title, quote=True)
    return (
        f'<h3>{name}</h3><div class="pair"><img alt="before" src="{jpeg_uri(before)}">'
        f'<img class="after" alt="{name}" src="{jpeg_uri(after)}"></div>'
        f'<input type="range" min="0" max="100" value="50" aria-label="{name}: before and after">'
    )


def _table(values: dict[str, Any]) -> str:
    rows = ((key, "-" if value is None else value) for key, value in values.items())
    shown = ((key, f"{value:.4g}" if isinstance(value, float) else str(value)) for key, value in rows)
    return (
        "<table>"
        + "".join(f"<tr><td>{escape(k)}</td><td>{escape(v)}</td></tr>" for k, v in shown)
        + "</table>"
    )
