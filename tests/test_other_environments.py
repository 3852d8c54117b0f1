"""Stages in two real environments that each lack what the other stage needs, and environments that will not do."""

import io
import json
import os
import subprocess
import sys
import sysconfig
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from cosmos_samples import GOLDEN
from wan_samples import save_tiny

from alaya.clip import open_clip
from alaya.errors import AlayaError, FolderBusyError, RequestError
from alaya.video import VideoWriter, probe, read_frames
from pipelines import environments
from pipelines.commands import edit, inverse, render
from pipelines.environments import Environment, arguments, find_environment, find_python
from pipelines.progress import JsonProgress, Progress
from pipelines.render import run_render
from pipelines.settings import EditSettings, InverseSettings, RenderSettings

ROOT = Path(__file__).parent.parent
LACKING = """
import sys
class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Lacking())
"""
LACKED = {
    "inverse": ("transformers", "tokenizers", "ftfy"),
    "editing": ("diffusers.schedulers.scheduling_edm_euler",),
}


def make_venv(folder, lacks=(), roots=(ROOT,)):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "packages.pth").write_text("\n".join([*map(str, roots), "import lacking"]))
    for package in Path(sysconfig.get_path("purelib")).iterdir() if roots else ():
        if package.suffix != ".pth" and not package.name.startswith(("__", *lacks)):
            (site / package.name).symlink_to(package)
    (site / "lacking.py").write_text(LACKING.format(names=[name for name in lacks if "." in name]))
    return folder


@pytest.fixture(scope="module")
def venvs(tmp_path_factory):
    home = tmp_path_factory.mktemp("venvs")
    return {stage: make_venv(home / stage, lacks) for stage, lacks in LACKED.items()}


@pytest.fixture
def video(tmp_path):
    rng = np.random.default_rng(0)
    with VideoWriter(tmp_path / "a.mp4", 32, 48, Fraction(24)) as writer:
        for frame in rng.random((9, 16, 24, 3), dtype=np.float32).repeat(2, 1).repeat(2, 2):
            writer.write(frame)
    return tmp_path / "a.mp4"


@pytest.fixture(scope="module")
def wan(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("wan"))


class Told(Progress):
    def __init__(self):
        self.said = []

    def plan(self, plan):
        self.said += plan.lines()

    def note(self, text):
        self.said.append(text)

    warn = note


@pytest.mark.slow
def test_both_stages_run_where_their_packages_are(venvs, video, wan, tmp_path):
    common = {"model": str(GOLDEN), "editing_model": str(wan), "prompt": "snow", "device": "cpu"}
    common |= {"height": 32, "width": 48, "num_frames": 9, "num_steps": 1}
    environments = {f"{stage}_env": str(folder) for stage, folder in venvs.items()}
    told = Told()
    done = run_render(
        RenderSettings(video, output=tmp_path / "there", **common, **environments), progress=told
    )
    here = run_render(RenderSettings(video, output=tmp_path / "here", **common))
    clips = [open_clip(each.folder).read(0, 9).channels() for each in (done, here)]
    assert all(np.array_equal(clips[0][name], clips[1][name]) for name in clips[1])
    frames = [list(read_frames(probe(each.videos[0]), 0, 9)) for each in (done, here)]
    assert np.array_equal(*frames)
    assert done.report.is_file()
    assert any(f"{GOLDEN} on cpu in fp32" in line for line in told.said)
    assert any("worked at 48x32 in 1 window of 9" in line for line in told.said)


@pytest.mark.slow
def test_each_lacks_what_the_other_stage_needs(venvs, video, wan, tmp_path):
    settings = InverseSettings(video, tmp_path / "out", model=str(GOLDEN), device="cpu")
    with pytest.raises(RequestError, match=r"inverse in .*python: .* needs diffusers\.schedulers"):
        find_environment(str(venvs["editing"]), "inverse").run_inverse(settings, Progress())
    done = subprocess.run(
        [venvs["inverse"] / "bin" / "python", "-P", "-c", "import transformers"],
        capture_output=True,
        text=True,
    )
    assert "No module named 'transformers'" in done.stderr


def test_environments_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("CONDA_ENVS_PATH", str(tmp_path / "envs"))
    with pytest.raises(
        RequestError, match=r"--inverse-env alaya-x: no such environment; looked in .*envs/alaya-x"
    ):
        find_python("alaya-x", "inverse")
    (tmp_path / "envs" / "alaya-x" / "bin").mkdir(parents=True)
    python = tmp_path / "envs" / "alaya-x" / "bin" / "python"
    python.write_text("#!/bin/sh\necho no python >&2\nexit 3\n")
    python.chmod(0o755)
    assert find_python("alaya-x", "inverse") == python
    assert (
        find_python(str(python), "editing")
        == find_python(str(tmp_path / "envs" / "alaya-x"), "editing")
        == python
    )
    with pytest.raises(RequestError, match=r"cannot be used \(no python\); alaya needs Python 3\.11"):
        find_environment("alaya-x", "inverse")
    python.write_text("no program")
    with pytest.raises(RequestError, match="does not run as a Python"):
        find_environment("alaya-x", "inverse")


def test_alaya_must_be_there_and_be_the_same(tmp_path, monkeypatch):
    bare = make_venv(tmp_path / "bare", roots=())
    with pytest.raises(
        RequestError, match=r"alaya is not installed for .*; run .*-m pip install -e '\.\[editing\]'"
    ):
        find_environment(str(bare), "editing")
    old = tmp_path / "old"
    for package in ("alaya", "pipelines"):
        (old / package).mkdir(parents=True)
        (old / package / "__init__.py").touch()
    (old / "pyproject.toml").write_text('[project]\nversion = "0.0.1"\n')
    other = make_venv(tmp_path / "other", roots=(old,))
    with pytest.raises(
        RequestError, match=r"alaya is 0\.0\.1 for .* and \d+\.\d+\.\d+ here; install the same"
    ):
        find_environment(str(other), "editing")


def test_our_packages_do_not_leak_into_the_other(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("VIRTUAL_ENV", "x")
    cleaned = environments.clean_environment(Path("/other/bin/python"))
    assert not {"PYTHONPATH", "VIRTUAL_ENV"} & set(cleaned)
    assert cleaned["PATH"].split(os.pathsep)[0] == "/other/bin"


def test_settings_are_words_that_mean_the_same_settings(video, tmp_path, monkeypatch):
    got = []
    monkeypatch.setattr("pipelines.inverse_job.run_inverse", lambda s, progress: got.append(s) or tmp_path)
    monkeypatch.setattr("pipelines.edit_job.run_edits", lambda e, progress: got.extend(e) or [])
    clip = InverseSettings(
        video, tmp_path / "o", model="m", num_frames=9, overlap=2, channels=("depth",), format="exr", height=32,
        width=48, frames=(1, None), num_steps=2, seed=3, device="cpu", dtype="bf16", rope_dtype="bf16",
        offload="model", attention="native", compile=True, overwrite=True, fast_scheduler=True,
        extra_channels=("diffuse_albedo", "blended_normal"),
        lora=((tmp_path / "a", 0.5), (tmp_path / "b:c", 1.0)),
    )  # fmt: skip
    CliRunner().invoke(inverse.command, [*arguments(clip), "--no-report"], catch_exceptions=False)
    video_of = EditSettings(
        gbuffers=tmp_path, style="night", prompt="a -- b", negative_prompt="fog", output=tmp_path / "x.mp4",
        cfg_scale=2.5, fps=Fraction(30000, 1001), reference=True, frames=(0, 9), offload="group",
        scheduler="unipc", guidance_interval=(0.3, 0.95), first_block_cache=0.06, fp8=True,
    )  # fmt: skip
    CliRunner().invoke(edit.command, arguments(video_of), catch_exceptions=False)
    assert got == [clip, video_of]


SCRIPT = """#!{python}
import sys, json
if sys.argv[1:3] == ["-P", "-c"]:
    exec(sys.argv[3]); sys.exit()
{body}
"""


def stand_in(tmp_path, body):
    """Make a program that answers as a Python does and then, asked for a stage, does as it is told."""
    path = tmp_path / "python"
    path.write_text(SCRIPT.format(python=sys.executable, body=body))
    path.chmod(0o755)
    return Environment("inverse", path)


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ("print(json.dumps({'event': 'error', 'text': 'bad wish'})); sys.exit(2)", RequestError, "bad wish"),
        ("print('alaya: it is busy', file=sys.stderr); sys.exit(75)", FolderBusyError, "it is busy"),
        ("print('no event'); sys.exit(1)", AlayaError, "ended with code 1 and no word"),
        ("import os; os.kill(os.getpid(), 9)", AlayaError, "ended with code -9"),
        ("pass", AlayaError, "ended with code 0 and no word"),
    ],
)
def test_failures_over_there_are_failures_here(tmp_path, video, body, kind, words):
    with pytest.raises(kind, match=f"^inverse in .*python: .*{words}") as said:
        stand_in(tmp_path, body).run_inverse(InverseSettings(video, tmp_path / "out"), Progress())
    assert type(said.value) is kind


def test_what_is_said_over_there_is_said_here(tmp_path, video, capsys):
    events = [
        {"event": "note", "text": "so it is"},
        {"event": "warning", "text": "beware"},
        {"event": "plan", "lines": ["a plan"], "stage": "inverse"},
        {"event": "progress", "stage": "inverse", "frames": 4, "of": 9, "seconds_left": 1.0},
        {"event": "progress", "stage": "inverse", "frames": 9, "of": 9, "seconds_left": 0.0},
        {"event": "stage", "stage": "inverse", "frames": 9, "seconds": 1.0},
        {"event": "result", "path": "x"},
    ]
    body = f"for e in {events!r}: print(json.dumps(e), flush=True)"
    folder = stand_in(tmp_path, body).run_inverse(InverseSettings(video, tmp_path / "out"), JsonProgress())
    assert folder == tmp_path / "out"
    told = [json.loads(line) for line in io.StringIO(capsys.readouterr().out)]
    assert [each["event"] for each in told] == ["note", "warning", "plan", "progress", "progress", "stage"]
    assert told[-1]["frames"] == 9


def test_render_finds_both_environments_before_it_begins(venvs, video, tmp_path):
    words = ["--input", str(video), "--prompt", "snow", "--inverse-env", str(venvs["inverse"])]
    done = CliRunner().invoke(
        render.command, [*words, "--editing-env", "nowhere-at-all", "-o", str(tmp_path / "out")]
    )
    assert isinstance(done.exception, RequestError)
    assert "--editing-env nowhere-at-all: no such environment" in str(done.exception)
    assert not (tmp_path / "out").exists()
