"""The editing job: a G-buffer clip on disk and words become one restyled video, in constant memory."""

import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from alaya.clip import ClipReader, open_clip
from alaya.errors import RequestError
from alaya.files import content_sha256, lock_file, remove_leftovers
from alaya.frames import Window, plan_windows
from alaya.gbuffer import GBuffer
from alaya.video_parts import PartWriter
from alaya.video_write import VideoWriter
from pipelines import loading
from pipelines.align import Scale
from pipelines.background import map_ahead, run_behind, settle, side_by_side
from pipelines.folder import AUDIO, EDITS, is_done
from pipelines.inverse_job import RESULT_VERSION
from pipelines.journal import HIDDEN, Journal, newest_clip
from pipelines.loading import Loader
from pipelines.malloc import large_bytes, return_large_blocks, share_one_heap
from pipelines.memory_plan import informed
from pipelines.plan import Plan, chunk_frames, make_plan
from pipelines.progress import Progress, Stage
from pipelines.resume import Ledger, begin_or_resume, rest_of
from pipelines.settings import OUTPUTS, EditSettings, check_range, hash8, identity_of
from pipelines.soundness import PICTURES, Checked, in_single_frames, is_flat
from pipelines.stitch import Carry, next_start
from pipelines.windows import Sealed, run_windows

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
    share_one_heap()
    progress = progress or Progress()
    if any(settings.gbuffers is None for settings in edits):
        newest = newest_clip(OUTPUTS)
        progress.note(f"no --gbuffers was given; taking the newest complete clip, {newest}")
        edits = tuple(replace(settings, gbuffers=settings.gbuffers or newest) for settings in edits)
    once = (load or loading.EDITING).once()
    for settings in edits:
        once.check(settings)
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
        "weights": load.weights(settings),
        "version": RESULT_VERSION,
    }


def make_video(settings: EditSettings, target: Target, load: Loader, progress: Progress) -> Path:
    """The job itself, inside the folder's lock."""
    info = open_clip(clip_of(settings)).info
    check_range(settings.frames, info.frames, str(settings.gbuffers))
    identity = _identity(settings, load)
    if is_done(target.journal, target.job, identity, settings.overwrite):
        progress.note(f"{target.video} is there already, complete; nothing to do")
        return target.video
    if target.video.exists() and not settings.overwrite and not target.journal.started(target.job):
        raise RequestError(f"{target.video} exists already; choose another --output or add --overwrite")
    return_large_blocks(large_bytes(info.height, info.width))
    job = prepare(settings, target, load, progress)
    _warn_unsure(job.words, settings, progress)
    ledger = job.ledger
    begin_or_resume(ledger, settings.overwrite, lambda: None, progress)
    began = time.monotonic()
    with job.reader, job.full_reader, progress.stage(settings.name, *rest_of(job.plan, ledger)) as stage:
        job.write(target.video, stage, progress)
    seconds = round(time.monotonic() - began, 2)
    target.journal.finish(target.job, identity, [target.video], seconds=seconds, looks=_probable(job.words))
    ledger.end()
    return target.video


def prepare(settings: EditSettings, target: Target, load: Loader, progress: Progress) -> "_Edit":
    """The job with its model loaded and its windows planned; nothing is written."""
    reader = open_clip(clip_of(settings))
    start, stop = check_range(settings.frames, reader.info.frames, str(settings.gbuffers))
    size = reader.info.height, reader.info.width
    model = load.open(settings, size, stop - start, progress)
    words = model.encode_text(*settings.texts)
    working = settings.working_size or model.working_size(*size)
    windows = plan_windows(stop - start, settings.num_frames or model.info.num_frames, settings.overlap)
    num_steps = settings.num_steps or model.info.num_steps
    name = f"{settings.gbuffers} as {settings.name}"
    plan = make_plan("edit", name, windows, size, working, num_steps, "video")
    plan = informed(plan, model)
    progress.plan(plan)
    ledger = Ledger(target.journal, target.job, _identity(settings, load), windows, settings.overlap)
    full_reader = open_clip(reader.folder) if reader.info.format == "mp4" else reader
    return _Edit(settings, reader, full_reader, model, words, plan, ledger, start)


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
    """One edit under way: what its parts need to know. It is a `pipelines.windows.Task`."""

    settings: EditSettings
    reader: ClipReader
    full_reader: ClipReader  # another one for videos, which are read at one place at a time
    model: Any
    words: Any
    plan: Plan
    ledger: Ledger
    start: int
    checked: Checked = PICTURES

    def write(self, path: Path, stage: Stage, progress: Progress) -> None:
        """Run all windows that are missing; the video is coded on the way, first what is there of it in parts."""
        info, first = self.reader.info, self.ledger.frames_done
        fps = self.settings.fps or info.fps
        audio = self._audio(fps, progress)
        remove_leftovers(path)
        size, room, times = (info.height, info.width), self.ledger.room, self._timestamps()
        step = chunk_frames(self.plan.height, self.plan.width)
        with (
            VideoWriter(path, *size, fps, timestamps=times, audio_from=audio, overwrite=True) as video,
            PartWriter(room, "part", *size, fps, start=first, into=video) as parts,
            side_by_side() as begin,
            run_behind() as later,
            closing(self._full_size(first)) as full_size,
        ):
            for piece in run_windows(self, self.ledger, self.plan, step, stage, progress):
                if isinstance(piece, Sealed):
                    later(partial(self._seal, parts, piece))
                    settle(later)
                    continue
                clip = joined([next(full_size) for _ in piece])
                later(partial(_append, parts, begin(self._restored, piece, clip, first, fps)))
                del clip
                first += len(piece)
                stage.advance(self.plan.finish_work(len(piece)), len(piece))

    @property
    def _workers(self) -> int:
        return 1 if self.reader.info.format == "mp4" else 2  # a video is read in order, pictures in any

    def _seal(self, parts: PartWriter, sealed: Sealed) -> None:
        """Close the window's part and note it in the journal."""
        self.ledger.seal(sealed.window, sealed.key, sealed.carry, (), parts.seal())

    def _restored(self, piece: np.ndarray, clip: GBuffer, first: int, fps: Fraction) -> np.ndarray:
        """The pictures from `first` on at the size of their G-buffers."""
        coarse = np.clip(piece, 0, 1)

        def restore(begin: int, stop: int) -> np.ndarray:
            return self.model.restore(
                coarse[begin:stop],
                clip.frames(begin, stop),
                self.words,
                seed=self.settings.seed,
                first_frame=first + begin,
                fps=float(fps),
            )

        return in_single_frames(restore, len(coarse), np.concatenate)

    def stream(self, first: int) -> Generator[GBuffer, None, None]:
        """As `Task.stream`."""
        return self._read(self._working_frame, first, lambda window: window.stop)

    def join(self, items: list[GBuffer]) -> GBuffer:
        """As `Task.join`: 8n+1 frames."""
        return GBuffer.concat(items)

    def split(self, clip: GBuffer, count: int) -> list[GBuffer]:
        """As `Task.split`."""
        return [clip.frames(i, i + 1) for i in range(count)]

    def digest(self, clip: GBuffer) -> str:
        """As `Task.digest`."""
        return content_sha256(clip.channels().values())

    def is_flat(self, clip: GBuffer) -> bool:
        """As `Task.is_flat`."""
        return is_flat(*clip.channels().values())

    def predict(self, clip: GBuffer, window: Window) -> np.ndarray:
        """As `Task.predict`: RGB."""
        return self.model.predict(
            clip,
            self.words,
            num_steps=self.settings.num_steps,
            seed=self.settings.seed,
            first_frame=window.start,
            cfg_scale=self.settings.cfg_scale,
            clip_frames=self.plan.frames,
        )[: window.num_real]

    def align(self, values: np.ndarray, carry: Carry | None, noted: Scale | None) -> Scale:
        """As `Task.align`: pictures have no scale that would be free."""
        return ()

    def _working_frame(self, index: int) -> GBuffer:
        """One frame of the clip at the working size."""
        from alaya.resize import resize_gbuffer  # brings torch, which no refusal should wait for

        frame = self.reader.read(self.start + index, self.start + index + 1)
        return resize_gbuffer(frame, self.plan.working_height, self.plan.working_width)

    def _full_size(self, first: int) -> Generator[GBuffer, None, None]:
        """The clip's frames at their own size from `first` on."""

        def read(index: int) -> GBuffer:
            return self.full_reader.read(self.start + index, self.start + index + 1)

        return self._read(read, first, lambda window: next_start(self.ledger.windows, window))

    def _read(
        self, read: Callable[[int], GBuffer], first: int, end: Callable[[Window], int]
    ) -> Generator[GBuffer, None, None]:
        """Frames from `first` on, read ahead up to a window's `end`: none waits in memory while it is predicted."""
        while first < self.plan.frames:
            stop = next(end(window) for window in self.ledger.windows if end(window) > first)
            with map_ahead(read, range(first, stop), self._workers) as frames:
                yield from frames
            first = stop

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


def joined(frames: list[GBuffer]) -> GBuffer:
    """Frames as one clip; a single one, as large frames come, is not copied."""
    return frames[0] if len(frames) == 1 else GBuffer.concat(frames)


def _append(parts: PartWriter, pictures: Future[np.ndarray]) -> None:
    """Write pictures when they are there."""
    for frame in pictures.result():
        parts.write(frame)
