"""A refused request never waits for torch: locks, media, headers and words are looked at before it is loaded."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from fakes import FakeInverse, fake_loader
from test_jobs import make_clip

from alaya.files import lock_folder
from pipelines.inverse_job import run_inverse
from pipelines.settings import InverseSettings

RUN = """
import json, sys
from pipelines.cli import cli

for words in json.loads(sys.stdin.read()):
    try:
        code = cli.main(args=words)
    except SystemExit as stop:
        code = stop.code
    print(json.dumps([code, "torch" in sys.modules]), flush=True)
"""
MODELS = Path(__file__).parent.parent / "checkpoints" / "small"


def copy_model(stage, folder, header):
    """A checkpoint whose card is right and whose file begins with `header`."""
    folder.mkdir()
    for path in (MODELS / stage).iterdir():
        data = path.read_bytes()
        (folder / path.name).write_bytes(header if path.suffix == ".safetensors" else data)
    return folder


@pytest.fixture
def room(tmp_path, monkeypatch):
    """Clips and checkpoints that are all wrong somewhere, and one clip of each kind that is right."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    clip = make_clip(tmp_path / "clip.mp4", 9, 16, 32)
    run_inverse(InverseSettings(clip, output=tmp_path / "run"), load=fake_loader(FakeInverse()))
    run_inverse(InverseSettings(clip, output=tmp_path / "torn"), load=fake_loader(FakeInverse()))
    (tmp_path / "torn" / "clip.json").write_text('{"schema": 3}')
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine")
    for stage in ("inverse", "editing"):
        copy_model(stage, tmp_path / f"{stage}-bomb", b"\xff" * 64)
    (tmp_path / "lora.safetensors").write_bytes(b"\x10" + b"\0" * 7 + b"{]")
    return tmp_path


REFUSED = {
    75: ["inverse --input clip.mp4 --output busy", "render --input clip.mp4 --style night --output busy"],
    1: [
        "inverse --input noise.mp4",
        "inverse --input cut.mp4",
        "render --input noise.mp4 --style night",
        "render --input cut.mp4 --style night",
        "edit --gbuffers torn --style night",
        "inverse --input clip.mp4 --model ./inverse-bomb",
        "edit --gbuffers run --style night --model ./editing-bomb",
        "report torn",
        "eval seams noise.mp4",
        "eval seams torn",
    ],
    2: [
        "inverse --input gone.mp4",
        "inverse --input clip.mp4 --output other",
        "inverse --input clip.mp4 --frames 0:99",
        "inverse --input clip.mp4 --num-frames 10",
        "inverse --input clip.mp4 --model gone",
        "inverse --input clip.mp4 --lora lora.safetensors",
        "edit --gbuffers run --style nihgt",
        "edit --gbuffers run --frames 5:99 --style night",
        "render --input clip.mp4 --style night --output other",
        "eval seams gone",
        "eval inverse --set gone",
    ],
}


def test_refused_requests_never_load_torch(room):
    requests = [(code, line.split()) for code, lines in REFUSED.items() for line in lines]
    with lock_folder(room / "busy"):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(RUN)],
            input=json.dumps([words for _, words in requests]),
            capture_output=True,
            text=True,
            cwd=room,
            check=True,
        )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(requests), done.stderr
    expected = {" ".join(words): [code, False] for code, words in requests}
    assert dict(zip(expected, found, strict=True)) == expected, done.stderr
