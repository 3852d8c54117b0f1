"""The inverse job: a clip of any length and size becomes a G-buffer clip on disk, in constant memory."""

import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from alaya.clip_info import ClipInfo, DepthInfo, ModelNote, SourceInfo
from alaya.clip_writer import INFO_NAME as CLIP_JSON
from alaya.clip_writer import ClipWriter, frame_paths
from alaya.extra_channels import BYTES_PER_PIXEL, extra_paths, write_extras
from alaya.files import atomic_write, content_sha256, lock_folder
from alaya.frames import Window, plan_windows
from alaya.gbuffer import GBuffer
from alaya.video import VideoInfo, check_frames, copy_audio, probe, read_frames, to_float
from pipelines import loading
from pipelines.align import Scale, apply_scale, fit_scale
from pipelines.background import read_ahead, run_behind, settle, side_by_side
from pipelines.folder import AUDIO, check_free, clear_clip, is_done, whole_files
from pipelines.journal import INVERSE_JOB, Journal
from pipelines.loading import Loader
from pipelines.malloc import large_bytes, return_large_blocks, share_one_heap
from pipelines.memory_plan import informed
from pipelines.plan import Plan, chunk_frames, make_plan
from pipelines.progress import Progress, Stage
from pipelines.resume import Ledger, begin_or_resume, rest_of
from pipelines.settings import InverseSettings, check_range, identity_of
from pipelines.soundness import GBUFFERS, MASK_PLANE, Checked, in_single_frames, is_flat
from pipelines.stitch import Carry, next_start, pack, unpack
from pipelines.windows import Sealed, run_windows

GBUFFER_PLANES = MASK_PLANE + 1
"""Planes of `pipelines.stitch.pack`."""
RESULT_VERSION = 5  # raised by hand when the same settings give another result


def run_inverse(
    settings: InverseSettings, *, load: Loader | None = None, progress: Progress | None = None
) -> Path:
    """Make the G-buffer clip that `settings` asks for and return its folder; a finished one is left alone."""
    share_one_heap()
    folder = settings.folder
    with lock_folder(folder):
        check_free(folder, Journal(folder), settings.overwrite)
        video = probe(settings.input)
        return make_clip(settings, video, load or loading.INVERSE, progress or Progress())


def make_clip(settings: InverseSettings, video: VideoInfo, load: Loader, progress: Progress) -> Path:
    """The job itself, inside the folder's lock."""
    folder = settings.folder
    journal = Journal(folder)
    selection = select_frames(settings, video)
    load.check(settings)
    if is_done(journal, INVERSE_JOB, _identity(settings, video, load), settings.overwrite):
        progress.note(f"{folder} holds this run already, complete; nothing to do")
        return folder
    for text in video.notes:
        progress.warn(f"{video.path.name}: {text}")
    return_large_blocks(large_bytes(video.height, video.width))
    job = prepare(settings, video, load, progress)
    ledger, info = job.ledger, job.info
    begin_or_resume(
        ledger, settings.overwrite, lambda: clear_clip(folder), progress, input=str(settings.input.resolve())
    )
    began = time.monotonic()
    _keep_audio(video, folder, selection[0], progress)
    with progress.stage("inverse", *rest_of(job.plan, ledger)) as stage:
        clamped = job.write(stage, progress)
    for limit, count in clamped.items():
        if count:
            progress.warn(
                f"{count} depths lay beyond {limit} ({getattr(info.depth, limit):g}) and were clamped to it"
            )
    seconds = round(time.monotonic() - began, 2)
    journal.finish(INVERSE_JOB, ledger.identity, whole_files(folder), seconds=seconds)
    ledger.end()
    return folder


def prepare(settings: InverseSettings, video: VideoInfo, load: Loader, progress: Progress) -> "_Inverse":
    """The job with its model loaded and its windows planned; nothing is written."""
    selection = select_frames(settings, video)
    frames, size = selection[1] - selection[0], (video.height, video.width)
    model = load.open(settings, size, frames, progress)
    windows = plan_windows(frames, settings.num_frames or model.info.num_frames, settings.overlap)
    working = settings.working_size or model.working_size(video.height, video.width)
    num_steps = settings.num_steps or model.info.num_steps
    plan = make_plan("inverse", video.path.name, windows, size, working, num_steps, settings.format)
    beside = len(settings.extra_channels) * frames * video.height * video.width * BYTES_PER_PIXEL
    plan = informed(replace(plan, disk=plan.disk + round(beside)), model)
    progress.plan(plan)
    identity = _identity(settings, video, load)
    ledger = Ledger(Journal(settings.folder), INVERSE_JOB, identity, windows, settings.overlap)
    info = _clip_info(settings, video, model, selection)
    return _Inverse(settings, info, video, selection, model, plan, ledger)


def _identity(settings: InverseSettings, video: VideoInfo, load: Loader) -> dict[str, Any]:
    """What makes the run itself: its settings, its input, its weights."""
    return {
        **identity_of(settings),
        "source": video.sha256,
        "weights": load.weights(settings),
        "version": RESULT_VERSION,
    }


def select_frames(settings: InverseSettings, video: VideoInfo) -> tuple[int, int]:
    """The (start, stop) asked for; damage is reported here, with counts, unless only a part was asked for."""
    if settings.frames is None:
        check_frames(video)
    return check_range(settings.frames, video.num_frames, video.path.name)


def _keep_audio(video: VideoInfo, folder: Path, start: int, progress: Progress) -> None:
    """Copy the source's audio packets beside the clip, unless the clip starts later than its audio."""
    if not video.has_audio:
        return
    if start > 0:
        progress.note(f"--frames starts at {start}: the audio of {video.path.name} is left out")
        return
    copy_audio(video.path, folder / AUDIO, video.start)


def _clip_info(
    settings: InverseSettings, video: VideoInfo, model: Any, selection: tuple[int, int]
) -> ClipInfo:
    start, stop = selection
    times, has_audio = video.timestamps, video.has_audio and start == 0
    return ClipInfo(
        frames=stop - start,
        width=video.width,
        height=video.height,
        fps=video.fps,
        timestamps=None if times is None else tuple(time - times[start] for time in times[start:stop]),
        channels=settings.channels,
        format=settings.format,
        depth=DepthInfo(model.info.depth_kind, model.info.near, model.info.far),
        source=SourceInfo(video.path.name, video.sha256, AUDIO if has_audio else None),
        model=ModelNote(model.info.name, model.info.sha256),
        settings=identity_of(settings),
        seed=settings.seed,
        complete=False,
    )


@dataclass
class _Inverse:
    """One clip under way: what its parts need to know. It is a `pipelines.windows.Task`."""

    settings: InverseSettings
    info: ClipInfo
    video: VideoInfo
    selection: tuple[int, int]
    model: Any
    plan: Plan
    ledger: Ledger
    checked: Checked = GBUFFERS

    def write(self, stage: Stage, progress: Progress) -> dict[str, int]:
        """Run all windows that are missing, write their frames, and return how many depths were clamped."""
        folder, done = self.settings.folder, self.ledger.frames_done
        if done:
            atomic_write(folder / CLIP_JSON, replace(self.info, complete=False).to_json())
        writer = ClipWriter(folder, self.info, overwrite=True, start=done, room=self.ledger.room)
        step, written = chunk_frames(self.plan.height, self.plan.width), done
        with (
            writer,
            side_by_side() as begin,
            run_behind() as later,
            read_ahead(self._full_size(done), depth=8) as full_size,
        ):
            for piece in run_windows(self, self.ledger, self.plan, step, stage, progress):
                if isinstance(piece, Sealed):
                    later(partial(self._seal, writer, piece))
                    settle(later)
                    continue
                coarse, extras = unpack(piece[..., :GBUFFER_PLANES]), self._split(piece)
                rgb = np.stack([to_float(next(full_size)) for _ in range(coarse.num_frames)])
                if extras:
                    later(partial(write_extras, folder, written, self.model.restore_extra(extras, rgb)))
                later(partial(_store, writer, begin(self._restore, coarse, rgb)))
                written += len(piece)
                stage.advance(self.plan.finish_work(len(piece)), len(piece))
                del coarse, rgb, extras  # the next window is predicted before they would be replaced
            next(full_size, None)  # the end of the range is where damage is reported
        return {
            limit: count + self.ledger.total(f"clamped_{limit}") for limit, count in writer.clamped.items()
        }

    def _full_size(self, done: int) -> Iterator[np.ndarray]:
        start, stop = self.selection
        return read_frames(self.video, start + done, stop) if start + done < stop else iter(())

    def _restore(self, coarse: GBuffer, rgb: np.ndarray) -> GBuffer:
        """The frames at full size."""
        return in_single_frames(
            lambda first, stop: self.model.restore(coarse.frames(first, stop), rgb[first:stop]),
            coarse.num_frames,
            GBuffer.concat,
        )

    def _seal(self, writer: ClipWriter, sealed: Sealed) -> None:
        """Note a window in the journal; all its frames are on the disk."""
        clamped = {f"clamped_{limit}": count for limit, count in writer.clamped.items()}
        noted, self._noted = self._noted, clamped
        fresh = {name: count - noted.get(name, 0) for name, count in clamped.items()}
        window = sealed.window
        frames = range(window.start, next_start(self.ledger.windows, window))
        parts, folder = writer.seal(), self.settings.folder
        outputs = [] if parts else [path for i in frames for path in frame_paths(folder, self.info, i)]
        outputs += [path for i in frames for path in extra_paths(folder, self.settings.extra_channels, i)]
        self.ledger.seal(window, sealed.key, sealed.carry, outputs, parts, sealed.scale, **fresh)

    def __post_init__(self) -> None:
        self._noted: dict[str, int] = {}

    def stream(self, first: int) -> Iterator[np.ndarray]:
        """As `Task.stream`."""
        from alaya.resize import resize_frame  # brings torch, which no refusal should wait for

        size = self.plan.working_height, self.plan.working_width
        start, stop = self.selection
        with read_ahead(read_frames(self.video, start + first, stop)) as frames:
            for frame in frames:
                yield resize_frame(frame, *size)

    def join(self, items: list[np.ndarray]) -> np.ndarray:
        """As `Task.join`: (8n+1, h, w, 3) float32 sRGB."""
        return np.stack(items)

    def split(self, clip: np.ndarray, count: int) -> list[np.ndarray]:
        """As `Task.split`."""
        return list(clip[:count])

    def digest(self, clip: np.ndarray) -> str:
        """As `Task.digest`."""
        return content_sha256([clip])

    def is_flat(self, clip: np.ndarray) -> bool:
        """As `Task.is_flat`."""
        return is_flat(clip)

    def align(self, values: np.ndarray, carry: Carry | None, noted: Scale | None) -> Scale:
        """As `Task.align`: one scale of depth and of albedo for the whole clip."""
        scale = noted
        if scale is None:
            scale = () if carry is None else fit_scale(values, carry)
        apply_scale(values, scale)
        return scale

    def predict(self, clip: np.ndarray, window: Window) -> np.ndarray:
        """As `Task.predict`: packed G-buffers, then three planes of every picture beside them."""
        settings, names = self.settings, self.settings.extra_channels
        given: dict[str, Any] = {"num_steps": settings.num_steps, "seed": settings.seed}
        if not names:
            result = self.model.predict(clip, **given, first_frame=window.start)
            return pack(result.frames(0, window.num_real))
        result, extras = self.model.predict_extra(clip, names, **given, first_frame=window.start)
        packed = pack(result.frames(0, window.num_real))
        return np.concatenate([packed, *(extras[name][: window.num_real] for name in names)], axis=-1)

    def _split(self, packed: np.ndarray) -> dict[str, np.ndarray]:
        """The pictures beside the G-buffers, name -> (T, h, w, 3), of what `predict` packed."""
        names = self.settings.extra_channels
        starts = range(GBUFFER_PLANES, packed.shape[-1], 3)
        return {name: packed[..., start : start + 3] for name, start in zip(names, starts, strict=True)}


def _store(writer: ClipWriter, frames: Future[GBuffer]) -> None:
    """Write frames when they are there."""
    writer.write(frames.result())
