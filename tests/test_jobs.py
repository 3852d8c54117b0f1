"""Whole jobs with models that need no weights: counts, sizes, sound, sameness, refusals, leftovers."""

import json
import os
import shutil
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from fakes import NEVER_LOAD, FakeEditor, FakeInfo, FakeInverse, fake_loader
from media import half_a_second

from alaya.clip import open_clip
from alaya.errors import AlayaError, ClipError, FolderBusyError, RequestError
from alaya.files import lock_folder
from alaya.video import VideoWriter, probe, read_frames, to_float
from pipelines.edit_job import run_edits
from pipelines.inverse_job import run_inverse
from pipelines.journal import INVERSE_JOB, Journal, newest_clip
from pipelines.progress import Progress
from pipelines.render import run_render
from pipelines.settings import EditSettings, InverseSettings, RenderSettings

GROUND, SKY, BALL = (0.5, 0.3, 0.2), (0.4, 0.6, 0.98), (0.9, 0.1, 0.1)


def picture(index, height=36, width=64):
    """Sky above ground, and a ball that moves by a pixel a frame."""
    frame = np.empty((height, width, 3), np.float32)
    frame[: height // 3] = SKY
    frame[height // 3 :] = GROUND
    frame[height // 2 : height // 2 + 6, index % (width - 8) :][:, :8] = BALL
    return frame


def make_clip(path, num_frames, height=36, width=64, **options):
    with VideoWriter(path, height, width, Fraction(30), **options) as writer:
        for index in range(num_frames):
            writer.write(picture(index, height, width))
    return path


def add_sound(path, num_frames, target):
    """The clip with half a second of noise as AAC."""
    sound = half_a_second(target.with_name("sound.mka"))
    return make_clip(target, num_frames, audio_from=sound)


def sound_bytes(path):
    with av.open(str(path)) as container:
        return b"".join(bytes(packet) for packet in container.demux(audio=0) if packet.size)


class Heard(Progress):
    """Keeps what a person would have been told."""

    def __init__(self):
        self.plans, self.notes, self.warnings = [], [], []

    def plan(self, plan):
        self.plans.append(plan)

    def note(self, text):
        self.notes.append(text)

    def warn(self, text):
        self.warnings.append(text)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path / "clip.mp4", 20)


def inverse(settings, model=None, **options):
    return run_inverse(settings, load=fake_loader(model or FakeInverse()), **options)


def edit(settings, model=None, **options):
    return run_edits((settings,), load=fake_loader(model or FakeEditor()), **options)[0]


@pytest.mark.parametrize(
    ("num_frames", "calls"),
    [
        (1, [(0, 1)]),
        (2, [(0, 9)]),
        (9, [(0, 9)]),
        (57, [(0, 17), (8, 17), (16, 17), (24, 17), (32, 17), (40, 17)]),
        (60, [(0, 17), (8, 17), (16, 17), (24, 17), (32, 17), (40, 17), (48, 17)]),
    ],
)
def test_frames_in_are_frames_out(tmp_path, num_frames, calls):
    source = make_clip(tmp_path / "clip.mp4", num_frames)
    model, editor = FakeInverse(), FakeEditor()
    done = run_render(
        RenderSettings(source, ("night",)), load_inverse=fake_loader(model), load_editor=fake_loader(editor)
    )
    assert done.folder.as_posix() == "outputs/clip"
    assert [call[:2] for call in model.calls] == calls
    assert [call[:2] for call in editor.calls] == calls
    assert open_clip(done.folder).info.frames == num_frames
    result = probe(done.videos[0])
    assert (result.num_frames, result.height, result.width, result.fps) == (num_frames, 36, 64, 30)


def test_values_arrive_whole(tmp_path, clip):
    folder = inverse(InverseSettings(clip))
    clip_out = open_clip(folder).read()
    clip_out.check()
    source = np.stack([to_float(frame) for frame in read_frames(clip)])
    expected = FakeInverse._clip(source)
    assert np.array_equal(clip_out.mask, expected.mask)
    assert np.abs(clip_out.albedo - expected.albedo).max() < 1e-4
    assert np.abs(clip_out.depth[clip_out.mask] - 2).max() < 1e-3
    video = edit(EditSettings(folder, style="snowy_winter"))
    white = linear_picture(source, expected.mask) * np.array([0.5, 0.7, 1.0])
    shown = np.stack([to_float(frame) for frame in read_frames(video)])
    assert np.abs(shown - white).mean() < 4 / 255  # what H.264 costs


def linear_picture(source, mask):
    """What the fake editor sees: the source, black where there is sky."""
    return source * mask[..., None]


@pytest.mark.parametrize(("height", "width"), [(37, 63), (1, 1), (16, 129)])
def test_odd_sizes(tmp_path, height, width):
    path = tmp_path / "odd.mp4"
    with VideoWriter(path, height, width, Fraction(25)) as writer:
        for _ in range(3):
            writer.write(np.full((height, width, 3), 0.5, np.float32))
    folder = inverse(InverseSettings(path))
    info = probe(edit(EditSettings(folder, prompt="at night")))
    assert (info.num_frames, info.height, info.width) == (3, height, width)


def test_a_part_of_a_clip(clip):
    model = FakeInverse()
    folder = inverse(InverseSettings(clip, frames=(3, 14)), model)
    reader = open_clip(folder)
    assert reader.info.frames == 11
    source = np.stack([to_float(frame) for frame in read_frames(clip, 3, 14)])
    assert np.abs(reader.read().albedo - FakeInverse._clip(source).albedo).max() < 1e-4


def test_window_and_working_size_can_be_asked(clip):
    model = FakeInverse()
    inverse(InverseSettings(clip, num_frames=9, overlap=1, height=24, width=48), model)
    assert model.calls == [(0, 9, (24, 48)), (8, 9, (24, 48)), (16, 9, (24, 48))]


def test_overlap_must_fit_the_models_own_window(clip):
    with pytest.raises(RequestError, match="overlap 20 does not fit windows of 17"):
        inverse(InverseSettings(clip, overlap=20))


def test_some_channels_and_other_formats(tmp_path, clip):
    some = inverse(InverseSettings(clip, output=tmp_path / "some", channels=("depth", "normal")))
    assert open_clip(some).channels == ("normal", "depth")
    assert not (some / "albedo").exists()
    exr = open_clip(inverse(InverseSettings(clip, output=tmp_path / "exr", format="exr"))).read(0, 1)
    source = to_float(next(read_frames(clip)))[None]
    assert np.array_equal(exr.depth, FakeInverse._clip(source).depth)


def test_sound_comes_through_both_stages(tmp_path):
    source = add_sound(tmp_path, 15, tmp_path / "loud.mp4")
    folder = inverse(InverseSettings(source))
    assert (folder / "audio.mka").is_file()
    assert open_clip(folder).info.source.audio == "audio.mka"
    video = edit(EditSettings(folder, style="night"))
    assert sound_bytes(video) == sound_bytes(source)


def test_sound_that_no_longer_fits_is_left_out_and_said(tmp_path):
    source = add_sound(tmp_path, 15, tmp_path / "loud.mp4")
    heard = Heard()
    late = inverse(InverseSettings(source, output=tmp_path / "late", frames=(5, 15)), progress=heard)
    assert not (late / "audio.mka").exists()
    assert "audio of loud.mp4 is left out" in heard.notes[0]
    whole = inverse(InverseSettings(source, output=tmp_path / "whole"))
    fast = edit(EditSettings(whole, style="night", fps=Fraction(60)), progress=heard)
    assert not probe(fast).has_audio
    assert probe(fast).fps == 60
    assert "the audio is left out" in heard.notes[-1]


def test_variable_rates_are_kept(tmp_path):
    times = tuple(Fraction(n, 100) for n in (0, 3, 10, 11, 20, 34))
    source = make_clip(tmp_path / "vfr.mp4", 6, timestamps=times)
    folder = inverse(InverseSettings(source))
    assert open_clip(folder).info.timestamps == times
    assert probe(edit(EditSettings(folder, style="night"))).timestamps == times


def test_images_are_inputs(tmp_path):
    from PIL import Image

    folder = tmp_path / "shots"
    folder.mkdir()
    for index in range(3):
        Image.fromarray(np.rint(picture(index) * 255).astype(np.uint8)).save(folder / f"shot{index}.png")
    assert open_clip(inverse(InverseSettings(folder))).info.frames == 3
    assert open_clip(inverse(InverseSettings(folder / "shot1.png"))).info.frames == 1


def test_a_finished_run_is_left_alone(clip):
    folder = inverse(InverseSettings(clip))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}
    heard = Heard()
    assert run_inverse(InverseSettings(clip), load=NEVER_LOAD, progress=heard) == folder
    assert "complete; nothing to do" in heard.notes[0]
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*.png")}


def test_another_run_in_the_folder_is_refused_by_what_differs(clip):
    folder = inverse(InverseSettings(clip))
    with pytest.raises(RequestError, match="seed was 0, asked 3; choose another --output or add --overwrite"):
        run_inverse(InverseSettings(clip, seed=3), load=NEVER_LOAD)
    inverse(InverseSettings(clip, seed=3, overwrite=True))
    assert open_clip(folder).info.seed == 3


def test_other_weights_are_another_run(clip):
    inverse(InverseSettings(clip))
    other = FakeInverse(info=FakeInfo(sha256="1" * 64))
    with pytest.raises(RequestError, match="weights was '0000"):
        inverse(InverseSettings(clip), other)


def test_a_folder_of_something_else_is_refused(tmp_path, clip):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter.txt").write_text("dear")
    with pytest.raises(RequestError, match=r"holds something else \(chapter.txt\)"):
        run_inverse(InverseSettings(clip, output=folder), load=NEVER_LOAD)
    inverse(InverseSettings(clip, output=folder, overwrite=True))
    assert (folder / "chapter.txt").read_text() == "dear"


def test_equal_runs_give_equal_files(tmp_path, clip):
    one, two = (inverse(InverseSettings(clip, output=tmp_path / name)) for name in "ab")
    files = sorted(
        path.relative_to(one) for path in one.rglob("*") if path.is_file() and ".alaya" not in path.parts
    )
    assert len(files) == 5 * 20 + 1
    for path in files:
        assert (one / path).read_bytes() == (two / path).read_bytes(), path
    videos = [edit(EditSettings(folder, style="night")) for folder in (one, two)]
    assert videos[0].name == videos[1].name
    assert videos[0].read_bytes() == videos[1].read_bytes()


def test_a_busy_folder_is_refused(clip):
    folder = InverseSettings(clip).folder
    with lock_folder(folder), pytest.raises(FolderBusyError):
        run_inverse(InverseSettings(clip), load=NEVER_LOAD)


def test_a_damaged_clip_is_reported_before_weights_are_loaded(tmp_path):
    source = make_clip(tmp_path / "clip.mp4", 40)
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(ClipError, match=r"clip\.mp4.*(good frames|missing)"):
        run_inverse(InverseSettings(source), load=NEVER_LOAD)


@pytest.mark.parametrize("name", ["clip.mp4", "empty.mp4"])
def test_what_is_no_video_is_reported_by_name(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"" if name == "empty.mp4" else b"not a video at all" * 99)
    with pytest.raises(ClipError, match=name):
        run_inverse(InverseSettings(path), load=NEVER_LOAD)


class Broken(FakeInverse):
    def predict(self, rgb, **options):
        clip = super().predict(rgb, **options)
        if options["first_frame"] > 0:
            clip.albedo[2] = np.nan
        return clip


def test_a_window_of_nan_is_never_written(clip):
    with pytest.raises(AlayaError, match="the G-buffers of frames 8 to 19 came out as NaN"):
        inverse(InverseSettings(clip), Broken())
    folder = InverseSettings(clip).folder
    assert json.loads((folder / "clip.json").read_text())["complete"] is False
    with pytest.raises(RequestError, match="no complete clip under outputs"):
        run_edits((EditSettings(style="night"),), load=NEVER_LOAD)
    assert open_clip(inverse(InverseSettings(clip))).info.frames == 20  # the same run can be done again


def test_edit_takes_the_newest_complete_clip_and_names_it(tmp_path, clip):
    first = inverse(InverseSettings(clip))
    second = inverse(InverseSettings(make_clip(tmp_path / "later.mp4", 3)))
    heard = Heard()
    video = edit(EditSettings(style="night"), progress=heard)
    assert str(second) in heard.notes[0]
    assert video.parent == second / "edits"
    assert video.name.startswith("night-")
    inverse(InverseSettings(clip, overwrite=True))
    assert newest_clip(first.parent) == first


def test_without_any_clip_edit_cannot_work():
    with pytest.raises(RequestError, match=r"run `alaya inverse --input clip\.mp4` first") as error:
        run_edits((EditSettings(style="night"),), load=NEVER_LOAD)
    assert error.value.exit_code == 2


def test_an_edit_to_a_file_keeps_its_journal_beside_it(tmp_path, clip):
    folder = inverse(InverseSettings(clip))
    target = tmp_path / "films" / "a.mp4"
    settings = EditSettings(folder, style="night", output=target)
    assert edit(settings) == target
    assert (tmp_path / "films" / "a.mp4.alaya" / "journal.jsonl").is_file()
    assert run_edits((settings,), load=NEVER_LOAD) == [target]
    with pytest.raises(RequestError, match=r"holds another run: prompt was None, asked 'x'"):
        run_edits((replace(settings, prompt="x"),), load=NEVER_LOAD)
    other = tmp_path / "mine.mp4"
    other.write_bytes(b"holiday")
    with pytest.raises(RequestError, match=r"mine\.mp4 exists already"):
        run_edits((replace(settings, output=other),), load=NEVER_LOAD)
    assert other.read_bytes() == b"holiday"


def test_edits_of_a_foreign_clip_go_to_outputs(tmp_path, clip):
    folder = inverse(InverseSettings(clip))
    foreign = tmp_path / "theirs"
    shutil.copytree(folder, foreign)
    shutil.rmtree(foreign / ".alaya")
    video = edit(EditSettings(foreign, style="night"))
    assert video.parent.as_posix() == "outputs/theirs/edits"


def test_styles_share_one_inverse_run_and_one_editor(clip):
    loaded = []
    model, editor = FakeInverse(), FakeEditor()
    loader = replace(fake_loader(editor), load=lambda name, device: loaded.append(name) or editor)
    settings = RenderSettings(clip, ("night", "snowy_winter"), prompt="A hut.")
    done = run_render(settings, load_inverse=fake_loader(model), load_editor=loader)
    assert len(model.calls) == 2
    assert loaded == ["small"]
    assert [video.name.split("-")[0] for video in done.videos] == ["night", "snowy_winter"]
    night, snow = (to_float(next(read_frames(video))).mean() for video in done.videos)
    assert night < snow * 0.7
    assert done.report.is_file()


def test_an_unsure_prompt_is_warned_about(clip):
    folder = inverse(InverseSettings(clip))
    heard = Heard()
    edit(EditSettings(folder, prompt="with rather more zest"), progress=heard)
    assert "not sure what 'with rather more zest' looks like (nearest: snow 0.30" in heard.warnings[0]
    edit(EditSettings(folder, style="night"), progress=heard)
    assert len(heard.warnings) == 1


def test_options_a_model_cannot_use_are_refused(clip):
    folder = inverse(InverseSettings(clip))
    with pytest.raises(RequestError, match="--cfg-scale was given"):
        edit(EditSettings(folder, style="night", cfg_scale=3.0))


def test_the_plan_comes_first_and_is_right(clip):
    heard = Heard()
    inverse(InverseSettings(clip), progress=heard)
    plan = heard.plans[0]
    assert (plan.frames, plan.windows, plan.window_frames, plan.overlap) == (20, 2, 17, 9)
    text = "\n".join(plan.lines())
    assert "clip.mp4, 20 frames of 64x36" in text
    assert "2 windows of 17 (overlap 9)" in text


def test_the_journal_names_every_file_and_survives_a_torn_line(clip):
    folder = inverse(InverseSettings(clip))
    journal = Journal(folder)
    outputs = {entry["path"]: entry for entry in journal.outputs(INVERSE_JOB)}
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert outputs.keys() == {name for name in files if not name.startswith(".alaya")}
    with open(journal.path, "a") as file:
        file.write('{"job": "inverse", "eve')
    assert journal.finished(INVERSE_JOB) is not None
    (folder / "albedo" / "frame_000003.png").write_bytes(b"")
    assert journal.finished(INVERSE_JOB) is None
