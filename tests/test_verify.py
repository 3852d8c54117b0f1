"""`alaya verify` finds every changed byte, what is missing, what is extra and what was never finished."""

import json
import os

import numpy as np
import pytest
from click.testing import CliRunner
from fakes import FakeEditor, FakeInverse, fake_loader
from test_jobs import make_clip

from alaya.errors import RequestError
from pipelines.cli import cli
from pipelines.edit_job import run_edits
from pipelines.inverse_job import run_inverse
from pipelines.settings import EditSettings, InverseSettings
from pipelines.verify import verify_folder


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    clip = make_clip(tmp_path / "clip.mp4", 9, 16, 32)
    folder = run_inverse(InverseSettings(clip), load=fake_loader(FakeInverse()))
    run_edits((EditSettings(folder, style="night"),), load=fake_loader(FakeEditor()))
    named = EditSettings(folder, style="snowy_winter", output=tmp_path / "named.mp4")
    run_edits((named,), load=fake_loader(FakeEditor()))
    return folder


def kinds(place):
    return [(finding.kind, finding.path.name) for finding in verify_folder(place).findings]


def test_a_whole_run_has_no_findings(run):
    assert verify_folder(run).findings == ()
    assert verify_folder(run).files == 5 * 9 + 2
    assert verify_folder(run.parent).files == 5 * 9 + 2
    assert verify_folder(run.parent.parent / "named.mp4").files == 1
    (run / "report.html").write_text("made anew at any time")
    assert verify_folder(run).findings == ()


def test_every_flipped_byte_is_found(run):
    rng = np.random.default_rng(0)
    files = sorted(path for path in run.rglob("*") if path.is_file() and ".alaya" not in path.parts)
    for _ in range(60):
        path = files[rng.integers(len(files))]
        data = path.read_bytes()
        place = int(rng.integers(len(data)))
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << int(rng.integers(8))]) + data[place + 1 :])
        assert kinds(run) == [("changed", path.name)]
        path.write_bytes(data)
    assert kinds(run) == []


def test_missing_extra_and_cut_files_are_named(run):
    (run / "depth" / "frame_000003.png").unlink()
    (run / "albedo" / "frame_000099.png").write_bytes(b"x")
    (run / "clip.json").write_bytes((run / "clip.json").read_bytes()[:-1])
    found = [("extra", "frame_000099.png"), ("changed", "clip.json"), ("missing", "frame_000003.png")]
    assert kinds(run) == found


def test_an_unfinished_run_and_paths_that_lead_out_are_findings(run, tmp_path):
    with open(run / ".alaya" / "journal.jsonl", "a") as file:
        file.write(json.dumps({"job": "inverse", "event": "output", "path": "../../clip.mp4"}) + "\n")
    assert sorted(kind for kind, _ in kinds(run)) == ["outside the folder", "unfinished"]

    class Broken(FakeInverse):
        def predict(self, rgb, **options):
            raise ZeroDivisionError

    settings = InverseSettings(tmp_path / "clip.mp4", output=tmp_path / "half")
    with pytest.raises(ZeroDivisionError):
        run_inverse(settings, load=fake_loader(Broken()))
    assert ("unfinished", "inverse") in kinds(tmp_path / "half")


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(RequestError, match="holds no run of alaya"):
        verify_folder(tmp_path)


def test_the_command_says_it_and_exits_with_1(run):
    good = CliRunner().invoke(cli, ["verify", str(run)])
    assert (good.exit_code, good.stdout) == (0, "")
    assert "47 files hashed, nothing out of order" in good.stderr
    (run / "clip.json").unlink()
    bad = CliRunner().invoke(cli, ["verify", str(run)])
    assert (bad.exit_code, bad.stdout) == (1, f"missing: {run}/clip.json\n")
    line = CliRunner().invoke(cli, ["verify", str(run), "--json"]).stdout
    assert json.loads(line) == {"event": "finding", "kind": "missing", "path": f"{run}/clip.json"}
