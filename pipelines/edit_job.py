"""The editing job: a G-buffer clip on disk and words become one restyled video, in constant memory."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from alaya.clip import open_clip
from alaya.errors import RequestError
from alaya.files import lock_file
from alaya.frames import Window, plan_windows
from alaya.gbuffer import GBuffer
from alaya.video import VideoWriter
from pipelines import loading
from pipelines.background import read_ahead, write_behind
from pipelines.folder import AUDIO, EDITS, is_done
from pipelines.inverse_job import RESULT_VERSION, check_finite
from pipelines.journal import HIDDEN, Journal, newest_clip
from pipelines.loading import Loader
from pipelines.plan import Plan, chunk_frames, make_plan
from pipelines.progress import Progress, Stage
from pipelines.settings import OUTPUTS, EditSettings, check_options, check_range, hash8, identity_of
from pipelines.stitch import Lookback, blend_windows

SURE_LOOK = 0.5  # below it no look is called recognised


@dataclass(frozen=True)
class Target:
    """Where one edit goes: the video, the journal that knows it, and the lock beside that."""

    video: Path
    journal: Journal

    @property
    def job(self) -> str:
        """The edit's name in its journal."""
        return self.video.relative_to(self.journal.folder).as_posix()

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Holds the run's folder, or the one video that was named."""
        return lock_file(self.journal.path.with_name("lock"), busy=str(self.video))


def run_edits(
    edits: tuple[EditSettings, ...], *, load: Loader | None = None, progress: Progress | None = None
) -> list[Path]:
    """Make the videos that `edits` ask for, loading the model once; finished ones are left as they are."""
    progress = progress or Progress()
    if any(settings.gbuffers is None for settings in edits):
        newest = newest_clip(OUTPUTS)
        progress.note(f"no --gbuffers was given; taking the newest complete clip, {newest}")
        edits = tuple(replace(settings, gbuffers=settings.gbuffers or newest) for settings in edits)
    once = (load or loading.EDITING).once()
    videos = []
    for settings in edits:
        target = find_target(settings, once)
        with target.lock:
            videos.append(make_video(settings, target, once, progress))
    return videos


def find_target(settings: EditSettings, load: Loader) -> Target:
    """The video's place: `output`, or edits/<name>-<hash8>.mp4 in the clip's own folder if a run made it."""
    if settings.output is not None:
        home = settings.output.with_name(settings.output.name + HIDDEN)
        return Target(settings.output, Journal(settings.output.parent, home))
    clip = clip_of(settings)
    folder = clip if (clip / HIDDEN).is_dir() else OUTPUTS / clip.resolve().name
    journal = Journal(folder)
    name = f"{settings.name}-{hash8(_identity(settings, load))}.mp4"
    return Target(folder / EDITS / name, journal)


def clip_of(settings: EditSettings) -> Path:
    """The folder of the clip to edit; by now it is known."""
    if settings.gbuffers is None:
        raise RequestError("no G-buffers were given; give --gbuffers DIR")
    return settings.gbuffers


def _identity(settings: EditSettings, load: Loader) -> dict[str, Any]:
    """What makes an edit itself: its settings, its text and the clip it starts from."""
    text, negative = settings.texts
    clip = open_clip(clip_of(settings)).info
    source = {
        "source": vars(clip.source),
        "model": vars(clip.model),
        "settings": clip.settings,
        "frames": clip.frames,
    }
    return {
        **identity_of(settings),
        "text": text,
        "negative": negative,
        "clip": hash8(source),
        "weights": load.identify(settings.model),
        "version": RESULT_VERSION,
    }


def make_video(settings: EditSettings, target: Target, load: Loader, progress: Progress) -> Path:
    """The job itself, inside the folder's lock."""
    reader = open_clip(clip_of(settings))
    start, stop = check_range(settings.frames, reader.info.frames, str(settings.gbuffers))
    identity = _identity(settings, load)
    if is_done(target.journal, target.job, identity, settings.overwrite):
        progress.note(f"{target.video} is there already, complete; nothing to do")
        return target.video
    if target.video.exists() and not settings.overwrite and not target.journal.started(target.job):
        raise RequestError(f"{target.video} exists already; choose another --output or add --overwrite")
    model = load.load(settings.model, settings.device)
    check_options(settings, model.info.options)
    words = model.encode_text(*settings.texts)
    _warn_unsure(words, settings, progress)
    size = reader.info.height, reader.info.width
    working = settings.working_size or model.working_size(*size)
    windows = plan_windows(stop - start, settings.num_frames or model.info.num_frames, settings.overlap)
    num_steps = settings.num_steps or model.info.num_steps
    plan = make_plan(
        "edit", f"{settings.gbuffers} as {settings.name}", windows, size, working, num_steps, "video"
    )
    progress.plan(plan)
    target.journal.start(target.job, identity)
    began = time.monotonic()
    job = _Edit(settings, reader, model, words, plan, windows, start)
    with progress.stage(settings.name, plan.seconds, plan.frames) as stage:
        job.write(target.video, stage, progress)
    seconds = round(time.monotonic() - began, 2)
    target.journal.finish(target.job, identity, [target.video], seconds=seconds, looks=_probable(words))
    return target.video


def _probable(words: Any) -> dict[str, float]:
    """The looks that the text means, most probable first, three at most."""
    ranked = sorted(words.looks.items(), key=lambda item: -item[1])
    return {name: round(float(probability), 3) for name, probability in ranked[:3]}


def _warn_unsure(words: Any, settings: EditSettings, progress: Progress) -> None:
    """Say so when the text names no look the model knows for sure."""
    ranked = _probable(words)
    if ranked and max(ranked.values()) < SURE_LOOK:
        guesses = ", ".join(f"{name} {probability:.2f}" for name, probability in ranked.items())
        progress.warn(
            f"the model {settings.model!r} is not sure what {settings.texts[0][:80]!r} looks like"
            f" (nearest: {guesses}); try a style of `alaya styles list`"
        )


@dataclass
class _Edit:
    """One edit under way: what its parts need to know."""

    settings: EditSettings
    reader: Any
    model: Any
    words: Any
    plan: Plan
    windows: tuple[Window, ...]
    start: int

    def write(self, path: Path, stage: Stage, progress: Progress) -> None:
        """Run all windows and write the whole video."""
        info = self.reader.info
        fps = self.settings.fps or info.fps
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = VideoWriter(
            path,
            info.height,
            info.width,
            fps,
            timestamps=self._timestamps(),
            audio_from=self._audio(fps, progress),
            overwrite=True,  # the journal has been asked
        )
        first = 0
        with writer, write_behind(writer.write) as write, read_ahead(self._full_size()) as full_size:
            for coarse in self._predict(stage):
                for begin in range(0, len(coarse), self._step):
                    part = coarse[begin : begin + self._step]
                    rgb = self.model.restore(
                        part,
                        next(full_size),
                        self.words,
                        seed=self.settings.seed,
                        first_frame=first,
                        fps=float(fps),
                    )
                    for frame in rgb:
                        write(frame)
                    first += len(part)
                    stage.advance(self.plan.finish_work(len(part)), len(part))

    @property
    def _step(self) -> int:
        return chunk_frames(self.plan.height, self.plan.width)

    def _predict(self, stage: Stage) -> Iterator[np.ndarray]:
        """Finished RGB (n, h, w, 3) at the working size, in order, as many frames as windows give."""
        recent = Lookback(self._working())

        def predict(window: Window) -> np.ndarray:
            real = GBuffer.concat(recent.take(window.start, window.stop))
            order = [source - window.start for source in window.sources]
            clip = GBuffer.from_channels({name: array[order] for name, array in real.channels().items()})
            rgb = self.model.predict(
                clip,
                self.words,
                num_steps=self.settings.num_steps,
                seed=self.settings.seed,
                first_frame=window.start,
                cfg_scale=self.settings.cfg_scale,
            )[: window.num_real]
            check_finite(rgb, window, "the pictures")
            stage.advance(self.plan.predict_work(window, self.windows))
            return rgb

        for _, rgb in blend_windows(self.windows, predict):
            yield np.clip(rgb, 0, 1)

    def _working(self) -> Iterator[GBuffer]:
        """The clip frame by frame at the working size."""
        from alaya.resize import resize_gbuffer  # brings torch, which no refusal should wait for

        size = self.plan.working_height, self.plan.working_width
        reader = open_clip(self.reader.folder)  # its own: the other one is read on a thread
        for index in range(self.start, self.start + self.plan.frames):
            yield resize_gbuffer(reader.read(index, index + 1), *size)

    def _full_size(self) -> Iterator[GBuffer]:
        """The clip at its own size in the steps in which frames are finished."""
        for begin, end in finished_ranges(self.windows):
            for first in range(begin, end, self._step):
                yield self.reader.read(self.start + first, self.start + min(first + self._step, end))

    def _timestamps(self) -> tuple[Fraction, ...] | None:
        times = self.reader.info.timestamps
        if times is None or self.settings.fps is not None:
            return None
        return tuple(time - times[self.start] for time in times[self.start : self.start + self.plan.frames])

    def _audio(self, fps: Fraction, progress: Progress) -> Path | None:
        """The source's audio, unless the pictures no longer run beside it."""
        audio = clip_of(self.settings) / AUDIO
        if not audio.is_file():
            return None
        if fps != self.reader.info.fps or self.start > 0:
            progress.note("--fps or --frames moves the pictures against the sound; the audio is left out")
            return None
        return audio


def finished_ranges(windows: tuple[Window, ...]) -> Iterator[tuple[int, int]]:
    """The frames that are finished after each window, as `blend_windows` yields them."""
    for index, window in enumerate(windows):
        last = index + 1 == len(windows)
        yield window.start, window.stop if last else windows[index + 1].start
