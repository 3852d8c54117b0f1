"""What is kept of each frame of a long clip: next to nothing, be it listed, finished or read back."""

import json
import tracemalloc
from contextlib import contextmanager

from alaya.gbuffer import CHANNELS
from alaya.layout_search import find_layout
from pipelines.folder import whole_files
from pipelines.journal import INVERSE_JOB, Journal

FRAMES = 800


@contextmanager
def traced():
    """Bytes of Python's own memory: a list that holds, after the block, what is left of it and its peak."""
    found = []
    tracemalloc.start()
    try:
        yield found
        found += tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()


def test_an_open_clip_keeps_a_name_a_frame(tmp_path):
    for name in CHANNELS:
        (tmp_path / name).mkdir()
        for i in range(FRAMES):
            (tmp_path / name / f"frame_{i:06d}.png").touch()
    with traced() as found:
        layout = find_layout(tmp_path, "png")
    kept, peak = found
    assert kept < 200 * FRAMES  # five channels; as paths they took 2,500
    assert peak < 600 * FRAMES
    assert layout.where("depth", FRAMES - 1) == str(tmp_path / "depth" / f"frame_{FRAMES - 1:06d}.png")
    assert set(layout.counts().values()) == {FRAMES}


def noted_run(folder):
    """A run whose windows noted all frames of all channels, and the name of the last of them."""
    journal = Journal(folder)
    journal.start(INVERSE_JOB, {"seed": 0})
    names = [f"{channel}/frame_{i:06d}.png" for i in range(FRAMES) for channel in CHANNELS]
    lines = [
        {"job": INVERSE_JOB, "event": "output", "path": name, "size": 0, "sha256": f"{i:064x}", "window": 0}
        for i, name in enumerate(names)
    ]
    with open(journal.path, "a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    journal.note(INVERSE_JOB, "window", index=0)
    return journal, names[-1]


def test_a_run_is_finished_without_its_frames_in_memory(tmp_path):
    journal, last = noted_run(tmp_path)
    (tmp_path / "clip.json").write_text("{}")
    with traced() as found:
        journal.finish(INVERSE_JOB, {"seed": 0}, whole_files(tmp_path))
        journal.settings(INVERSE_JOB)
    assert found[1] < 2 << 20  # half of it to hash a file; the entries took 5 MB
    outputs = [entry["path"] for entry in journal.outputs(INVERSE_JOB)]
    assert len(outputs) == FRAMES * len(CHANNELS) + 1
    assert outputs[-2:] == [last, "clip.json"]


def test_what_a_window_noted_is_not_noted_again(tmp_path):
    journal, last = noted_run(tmp_path)
    (tmp_path / "clip.json").write_text("{}")
    journal.finish(INVERSE_JOB, {"seed": 0}, [tmp_path / last, *whole_files(tmp_path)])
    noted = [entry["path"] for entry in journal.entries() if entry["event"] == "output"]
    assert noted.count(last) == noted.count("clip.json") == 1
    assert journal.run(INVERSE_JOB).finished is not None


def test_of_a_run_only_the_files_asked_for_are_kept(tmp_path):
    journal, last = noted_run(tmp_path)
    run = journal.run(INVERSE_JOB, files={last})
    assert list(run.files) == [last]
    assert [entry["index"] for entry in run.windows] == [0]
