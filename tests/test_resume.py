"""Interrupted runs: stopped anywhere they go on to the same bytes, and nothing broken is taken for done."""

import contextlib
import errno
import hashlib
import json
import os

import numpy as np
import pytest
from fakes import FakeEditor, FakeInverse, bigger, fake_loader
from test_jobs import Heard, make_clip

from alaya.clip import open_clip
from alaya.errors import AlayaError, RequestError
from alaya.video import probe
from pipelines import resume, windows
from pipelines.edit_job import run_edits
from pipelines.inverse_job import run_inverse
from pipelines.journal import INVERSE_JOB, Journal
from pipelines.ladder import Easing
from pipelines.settings import EditSettings, InverseSettings


class Killed(BaseException):
    """Stands for a signal: nothing on the way catches it."""


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path / "clip.mp4", 36, 16, 32)


class Wobbly(FakeInverse):
    """Its G-buffers depend on the window, so that blending shows; fails as told on some calls."""

    def __init__(self, fail=None):
        super().__init__()
        self.fail = fail or {}

    def predict(self, rgb, **options):
        result = super().predict(rgb, **options)
        error = self.fail.get(len(self.calls))
        if error is not None:
            raise error
        result.albedo[:] *= 1 - 0.01 * (options["first_frame"] % 24)
        return result


class WobblyEditor(FakeEditor):
    def __init__(self, fail=None):
        super().__init__()
        self.fail = fail or {}

    def predict(self, gbuffer, words, **options):
        result = super().predict(gbuffer, words, **options)
        if error := self.fail.get(len(self.calls)):
            raise error
        return np.clip(result * (1 - 0.01 * (options["first_frame"] % 24)), 0, 1)


def tree(folder):
    """sha256 of every file but the journal's folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and ".alaya" not in "".join(path.relative_to(folder).parts)
    }


def inverse(settings, model, **options):
    return run_inverse(settings, load=fake_loader(model), **options)


def edit(settings, model, **options):
    return run_edits((settings,), load=fake_loader(model), **options)[0]


@pytest.mark.parametrize("call", [1, 2, 3, 4])
@pytest.mark.parametrize("format", ["png", "exr", "mp4"])
def test_an_inverse_run_goes_on_to_the_same_bytes(tmp_path, clip, call, format):
    whole = inverse(InverseSettings(clip, output=tmp_path / "whole", format=format), Wobbly())
    settings = InverseSettings(clip, output=tmp_path / "torn", format=format)
    with pytest.raises(Killed):
        inverse(settings, Wobbly({call: Killed()}))
    model, heard = Wobbly(), Heard()
    inverse(settings, model, progress=heard)
    assert tree(tmp_path / "torn") == tree(whole)
    assert len(model.calls) == 4 - (call - 1)  # only what was under way is computed again
    assert any("going on from there" in note for note in heard.notes) == (call > 1)
    assert not (tmp_path / "torn" / ".alaya" / "work").exists()


@pytest.mark.parametrize("call", [1, 2, 4])
def test_an_edit_goes_on_to_the_same_bytes(tmp_path, clip, call):
    folder = inverse(InverseSettings(clip, output=tmp_path / "clip"), FakeInverse())
    whole = edit(EditSettings(folder, style="night", output=tmp_path / "whole.mp4"), WobblyEditor())
    settings = EditSettings(folder, style="night", output=tmp_path / "torn.mp4")
    with pytest.raises(Killed):
        edit(settings, WobblyEditor({call: Killed()}))
    assert not settings.output.exists()
    model = WobblyEditor()
    assert edit(settings, model).read_bytes() == whole.read_bytes()
    assert len(model.calls) == 4 - (call - 1)
    assert probe(whole).num_frames == 36


@pytest.mark.parametrize("where", ["save", "note", "end", "start"])
def test_a_run_killed_between_two_steps_goes_on(tmp_path, clip, monkeypatch, where):
    whole = inverse(InverseSettings(clip, output=tmp_path / "whole"), Wobbly())
    settings = InverseSettings(clip, output=tmp_path / "torn")
    place, name = {
        "save": (Journal, "window"),  # the sums are stored, the window is not noted
        "note": (windows, "blend"),
        "end": (resume.Ledger, "end"),  # all is noted, the working files are still there
        "start": (Journal, "finish"),
    }[where]
    before, seen = getattr(place, name), []

    def die(*args, **options):
        seen.append(1)
        if len(seen) == (2 if where in ("save", "note") else 1):
            raise Killed
        return before(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(place, name, die)
        with pytest.raises(Killed):
            inverse(settings, Wobbly())
    inverse(settings, Wobbly())
    assert tree(tmp_path / "torn") == tree(whole)


@pytest.mark.parametrize("harm", ["truncate", "flip", "remove", "tail", "clip.json"])
def test_what_is_broken_is_done_again(tmp_path, clip, harm):
    whole = inverse(InverseSettings(clip, output=tmp_path / "whole"), Wobbly())
    folder = tmp_path / "torn"
    with pytest.raises(Killed):
        inverse(InverseSettings(clip, output=folder), Wobbly({4: Killed()}))
    path = folder / "depth" / "frame_000009.png"
    if harm == "remove":
        path.unlink()
    elif harm in ("tail", "clip.json"):
        broken = (
            next((folder / ".alaya" / "work" / "inverse").glob("tail-*")) if harm == "tail" else folder / harm
        )
        broken.write_bytes(broken.read_bytes()[:-9])
    else:
        data = bytearray(path.read_bytes())
        data[60] ^= 4
        path.write_bytes(data[: 50 if harm == "truncate" else None])
    inverse(InverseSettings(clip, output=folder), Wobbly())
    assert tree(folder) == tree(whole)


def test_an_input_that_became_another_is_refused(tmp_path, clip, monkeypatch):
    settings = InverseSettings(clip, output=tmp_path / "torn")
    with pytest.raises(Killed):
        inverse(settings, Wobbly({3: Killed()}))
    journal = Journal(settings.folder)
    text = journal.path.read_text()
    key = journal.run(INVERSE_JOB).windows[1]["key"]
    journal.path.write_text(text.replace(key, "0" * 64))
    with pytest.raises(AlayaError, match="frames 8 to 24 of the input are not what they were"):
        inverse(settings, Wobbly())
    with pytest.raises(RequestError, match="seed was 0, asked 1"):
        inverse(InverseSettings(clip, output=settings.folder, seed=1), Wobbly())


@pytest.mark.parametrize(
    ("code", "write"),
    [(errno.ENOSPC, 1), (errno.EDQUOT, 7), (errno.EROFS, 60), (errno.EIO, 100), (errno.ENOSPC, 150)],
)
def test_a_failing_disk_stops_cleanly_and_the_run_goes_on(tmp_path, clip, monkeypatch, code, write):
    whole = inverse(InverseSettings(clip, output=tmp_path / "whole"), Wobbly())
    folder, count, before = tmp_path / "torn", [], os.replace

    def replace(source, target):
        count.append(target)
        if len(count) == write:
            raise OSError(code, os.strerror(code), str(source))
        before(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(AlayaError, match=r"could not be written: .*; ") as caught:
            inverse(InverseSettings(clip, output=folder), Wobbly())
    assert str(count[write - 1]) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(folder.rglob("*.tmp-*")) == []
    inverse(InverseSettings(clip, output=folder), Wobbly())
    assert tree(folder) == tree(whole)


@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_out_of_memory_cuts_smaller_windows_and_a_resume_keeps_them(tmp_path, clip, call):
    settings = InverseSettings(clip, output=tmp_path / "tight")
    model, heard = Wobbly({call: MemoryError(), call + 2: Killed()}), Heard()
    with pytest.raises(Killed):
        inverse(settings, model, progress=heard)
    assert f"from frame {8 * (call - 1)} on windows have 9 frames instead of 17" in heard.warnings[0]
    after = Wobbly()
    inverse(settings, after)
    assert {length for _, length, _ in after.calls} == {9}
    assert [entry["num_frames"] for entry in Journal(settings.folder).run(INVERSE_JOB).shrunk] == [9]
    assert open_clip(settings.folder).info.complete


class Tiling(Wobbly):
    """Goes to tiles when the memory is full, which shows in what it draws."""

    eased_into_tiles = False

    def ease(self):
        if self.eased_into_tiles:
            return None
        self.use_tiles()
        return "tiles"

    def use_tiles(self):
        self.eased_into_tiles = True

    def predict(self, rgb, **options):
        result = super().predict(rgb, **options)
        result.roughness[:] *= (0.9 if self.eased_into_tiles else 1) - 0.01 * (options["first_frame"] % 24)
        return result

    def restore(self, coarse, rgb):
        fine = super().restore(coarse, rgb)
        fine.roughness[:] = bigger(coarse.roughness, *rgb.shape[1:3])
        return fine


def test_a_resume_keeps_the_tiles_that_a_full_memory_led_to(tmp_path, clip):
    whole, cut = (InverseSettings(clip, output=tmp_path / name) for name in ("whole", "cut"))
    inverse(whole, Easing(Tiling({2: MemoryError()}), Heard()))
    with pytest.raises(Killed):
        inverse(cut, Easing(Tiling({2: MemoryError(), 4: Killed()}), Heard()))
    assert Journal(cut.folder).run(INVERSE_JOB).tiled == 1
    heard = Heard()
    inverse(cut, Easing(Tiling(), heard), progress=heard)
    assert any("from frame 16 on the autoencoder works in tiles" in note for note in heard.notes)
    assert tree(cut.folder) == tree(whole.folder)
    plain = InverseSettings(clip, output=tmp_path / "plain")
    inverse(plain, Easing(Tiling(), Heard()))
    assert Journal(plain.folder).run(INVERSE_JOB).tiled is None
    assert tree(plain.folder) != tree(whole.folder)


def test_out_of_memory_to_the_end_is_one_line_and_keeps_what_is_done(tmp_path, clip):
    settings = InverseSettings(clip, output=tmp_path / "tight")
    with pytest.raises(AlayaError, match="out of memory with a window of 9 frames, which cannot be cut"):
        inverse(settings, Wobbly(dict.fromkeys(range(2, 9), MemoryError())))
    assert len(Journal(settings.folder).run(INVERSE_JOB).windows) == 1
    inverse(settings, Wobbly())
    assert open_clip(settings.folder).info.complete


def test_out_of_memory_at_full_size_goes_frame_by_frame_to_the_same_bytes(tmp_path, clip):
    class Tight(FakeInverse):
        def restore(self, coarse, rgb):
            if len(rgb) > 1:
                raise MemoryError
            return super().restore(coarse, rgb)

    whole = inverse(InverseSettings(clip, output=tmp_path / "whole"), FakeInverse())
    assert tree(inverse(InverseSettings(clip, output=tmp_path / "tight"), Tight())) == tree(whole)


@pytest.mark.parametrize("fault", [np.nan, np.inf, 0.25])
@pytest.mark.parametrize("times", [1, 2])
def test_an_unsound_window_runs_once_more_and_is_never_written(tmp_path, clip, fault, times):
    class Unsound(FakeInverse):
        precise = 0

        def full_precision(self):
            self.precise += 1
            return contextlib.nullcontext()

        def predict(self, rgb, **options):
            result = super().predict(rgb, **options)
            if options["first_frame"] == 8 and sum(call[0] == 8 for call in self.calls) <= times:
                result.albedo[:] = fault
                result.depth[:] = 2
                result.normal[:] = (0, 0, 1)
            return result

    model, heard = Unsound(), Heard()
    settings = InverseSettings(clip, output=tmp_path / "run")
    said = "one value everywhere in albedo" if fault == 0.25 else "as NaN or infinity"
    if times == 1:
        inverse(settings, model, progress=heard)
        assert tree(settings.folder) == tree(
            inverse(InverseSettings(clip, output=tmp_path / "w"), FakeInverse())
        )
    else:
        with pytest.raises(AlayaError, match=f"frames 8 to 24 came out .*{said}, in full precision too"):
            inverse(settings, model, progress=heard)
        assert len(Journal(settings.folder).run(INVERSE_JOB).windows) == 1
    assert model.precise == 1
    assert said in heard.warnings[0]


def test_the_journal_goes_on_after_a_torn_line_and_takes_back_half_a_line(tmp_path, monkeypatch):
    journal = Journal(tmp_path)
    journal.start("inverse", {"seed": 1})
    with open(journal.path, "a") as file:
        file.write('{"job": "inverse", "eve')
    journal.note("inverse", "shrunk", window=0, num_frames=9)
    assert journal.run("inverse").shrunk[0]["num_frames"] == 9
    size = journal.path.stat().st_size

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AlayaError, match=r"journal\.jsonl could not be written: no space left"):
        journal.note("inverse", "shrunk", window=1, num_frames=9)
    assert journal.path.stat().st_size == size


def test_a_folder_removed_under_our_hands_is_noticed(tmp_path):
    journal = Journal(tmp_path / "run")
    journal.start("inverse", {})
    journal.path.unlink()
    with pytest.raises(AlayaError, match="was removed while at work"):
        journal.note("inverse", "resumed", windows=0)
    assert not journal.path.exists()


def test_windows_are_noted_with_their_files(tmp_path, clip):
    folder = inverse(InverseSettings(clip, output=tmp_path / "run"), Wobbly())
    lines = [json.loads(line) for line in (folder / ".alaya" / "journal.jsonl").read_text().splitlines()]
    assert [line["frames"] for line in lines if line["event"] == "window"] == [
        [0, 8],
        [8, 16],
        [16, 24],
        [24, 36],
    ]
    assert sum(line["event"] == "output" for line in lines) == 5 * 36 + 1
