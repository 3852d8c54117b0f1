"""The inverse job: a clip of any length and size becomes a G-buffer clip on disk, in constant memory."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from alaya.clip_info import ClipInfo, DepthInfo, ModelNote, SourceInfo
from alaya.clip_writer import ClipWriter
from alaya.errors import AlayaError
from alaya.files import lock_folder
from alaya.frames import Window, plan_windows
from alaya.gbuffer import GBuffer
from alaya.video import VideoInfo, check_frames, copy_audio, probe, read_frames, to_float
from pipelines import loading
from pipelines.background import read_ahead, write_behind
from pipelines.folder import AUDIO, check_free, clear_clip, clip_files, is_done
from pipelines.journal import INVERSE_JOB, Journal
from pipelines.loading import Loader
from pipelines.malloc import return_large_blocks
from pipelines.plan import Plan, chunk_frames, make_plan
from pipelines.progress import Progress, Stage
from pipelines.settings import InverseSettings, check_options, check_range, identity_of
from pipelines.stitch import Lookback, blend_windows, next_start, pack, unpack

RESULT_VERSION = 1  # raised by hand when the same settings give another result


def run_inverse(
    settings: InverseSettings, *, load: Loader | None = None, progress: Progress | None = None
) -> Path:
    """Make the G-buffer clip that `settings` asks for and return its folder; a finished one is left alone."""
    folder = settings.folder
    check_free(folder, Journal(folder), settings.overwrite)
    video = probe(settings.input)
    with lock_folder(folder):
        return make_clip(settings, video, load or loading.INVERSE, progress or Progress())


def make_clip(settings: InverseSettings, video: VideoInfo, load: Loader, progress: Progress) -> Path:
    """The job itself, inside the folder's lock."""
    folder = settings.folder
    journal = Journal(folder)
    start, stop = select_frames(settings, video)
    weights = load.identify(settings.model)
    identity = {
        **identity_of(settings),
        "source": video.sha256,
        "weights": weights,
        "version": RESULT_VERSION,
    }
    if is_done(journal, INVERSE_JOB, identity, settings.overwrite):
        progress.note(f"{folder} holds this run already, complete; nothing to do")
        return folder
    return_large_blocks()
    model = load.load(settings.model, settings.device)
    check_options(settings, model.info.options)
    windows = plan_windows(stop - start, settings.num_frames or model.info.num_frames, settings.overlap)
    working = settings.working_size or model.working_size(video.height, video.width)
    plan = make_plan(
        "inverse",
        video.path.name,
        windows,
        (video.height, video.width),
        working,
        settings.num_steps or model.info.num_steps,
        settings.format,
    )
    progress.plan(plan)
    clear_clip(folder)
    journal.start(INVERSE_JOB, identity, input=str(settings.input.resolve()))
    began = time.monotonic()
    has_audio = _keep_audio(video, folder, start, progress)
    info = _clip_info(settings, video, model, (start, stop), has_audio)
    with progress.stage("inverse", plan.seconds, plan.frames) as stage:
        clamped = _write_clip(settings, info, video, model, windows, plan, stage)
    for limit, count in clamped.items():
        if count:
            progress.warn(
                f"{count} depths lay beyond {limit} ({getattr(info.depth, limit):g}) and were clamped to it"
            )
    journal.finish(INVERSE_JOB, identity, clip_files(folder), seconds=round(time.monotonic() - began, 2))
    return folder


def select_frames(settings: InverseSettings, video: VideoInfo) -> tuple[int, int]:
    """The (start, stop) asked for; damage is reported here, with counts, unless only a part was asked for."""
    if settings.frames is None:
        check_frames(video)
    return check_range(settings.frames, video.num_frames, video.path.name)


def _keep_audio(video: VideoInfo, folder: Path, start: int, progress: Progress) -> bool:
    """Copy the source's audio packets beside the clip, unless the clip starts later than its audio."""
    if not video.has_audio:
        return False
    if start > 0:
        progress.note(f"--frames starts at {start}: the audio of {video.path.name} is left out")
        return False
    return copy_audio(video.path, folder / AUDIO, video.start)


def _clip_info(
    settings: InverseSettings, video: VideoInfo, model: Any, selection: tuple[int, int], has_audio: bool
) -> ClipInfo:
    start, stop = selection
    times = video.timestamps
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


def _write_clip(
    settings: InverseSettings,
    info: ClipInfo,
    video: VideoInfo,
    model: Any,
    windows: tuple[Window, ...],
    plan: Plan,
    stage: Stage,
) -> dict[str, int]:
    """Run all windows and write all frames; returns how many depths were clamped to near and to far."""
    start = check_range(settings.frames, 2**62, "")[0]
    stop = start + info.frames
    with (
        ClipWriter(settings.folder, info, overwrite=True) as writer,
        write_behind(writer.write) as write,
        read_ahead(read_frames(video, start, stop), depth=8) as full_size,
    ):
        for coarse in _predict(settings, video, (start, stop), model, windows, plan, stage):
            rgb = np.stack([to_float(next(full_size)) for _ in range(coarse.num_frames)])
            write(model.restore(coarse, rgb))
            stage.advance(plan.finish_work(coarse.num_frames), coarse.num_frames)
        next(full_size, None)  # the end of the range is where damage is reported
    return writer.clamped


def _predict(
    settings: InverseSettings,
    video: VideoInfo,
    selection: tuple[int, int],
    model: Any,
    windows: tuple[Window, ...],
    plan: Plan,
    stage: Stage,
) -> Iterator[GBuffer]:
    """Finished G-buffers at the working size, in order, a few frames at a time."""
    from alaya.resize import resize_frame  # brings torch, which no refusal should wait for

    size = plan.working_height, plan.working_width
    frames = (resize_frame(frame, *size) for frame in read_frames(video, *selection))
    recent = Lookback(frames)

    def predict(window: Window) -> np.ndarray:
        rgb = np.stack(recent.take(window, next_start(windows, window)))  # (8n+1, h, w, 3)
        clip = model.predict(rgb, num_steps=settings.num_steps, seed=settings.seed, first_frame=window.start)
        values = pack(clip.frames(0, window.num_real))
        check_finite(values, window, "the G-buffers")
        stage.advance(plan.predict_work(window, windows))
        return values

    for packed in blend_windows(windows, predict, chunk_frames(plan.height, plan.width)):
        yield unpack(packed)


def check_finite(values: np.ndarray, window: Window, what: str) -> None:
    """Stop rather than write a window that is not numbers."""
    if not np.isfinite(values).all():
        raise AlayaError(
            f"{what} of frames {window.start} to {window.stop - 1} came out as NaN or infinity;"
            " try another --seed or --device cpu"
        )
