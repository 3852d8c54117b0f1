"""A render's folder: the lock decides before anything is opened, and a refusal leaves nothing behind."""

import pytest
from fakes import NEVER_LOAD

from alaya.errors import ClipError, FolderBusyError, RequestError
from alaya.files import lock_folder
from pipelines.render import run_render
from pipelines.settings import RenderSettings


def ask(tmp_path):
    """Have a render begin that must not get as far as its models."""
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"no video")
    settings = RenderSettings(clip, ("night",), output=tmp_path / "out")
    run_render(settings, load_inverse=NEVER_LOAD, load_editor=NEVER_LOAD)


def test_a_folder_in_use_is_said_before_the_input_is_opened(tmp_path):
    with lock_folder(tmp_path / "out"), pytest.raises(FolderBusyError, match="is in use by process"):
        ask(tmp_path)


def test_an_input_that_cannot_be_read_leaves_no_folder(tmp_path):
    with pytest.raises(ClipError):
        ask(tmp_path)
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_refused_and_left_as_it_was(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(RequestError, match=r"holds something else \(notes\.txt\)"):
        ask(tmp_path)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]
