"""The command: what it prints where, its exit codes, AlayaRenderer's flags, and how it stops."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from fakes import NEVER_LOAD, FakeEditor, FakeInverse, fake_loader

from alaya.clip import open_clip
from alaya.files import lock_folder
from alaya.video import VideoWriter, probe
from pipelines import loading
from pipelines.cli import COMMANDS, cli

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def clip(tmp_path):
    with VideoWriter(tmp_path / "clip.mp4", 36, 64, Fraction(30)) as writer:
        for index in range(12):
            writer.write(np.full((36, 64, 3), 0.3 + index / 50, np.float32))
    return tmp_path / "clip.mp4"


@pytest.fixture
def models(monkeypatch):
    inverse, editor = FakeInverse(), FakeEditor()
    monkeypatch.setattr(loading, "INVERSE", fake_loader(inverse))
    monkeypatch.setattr(loading, "EDITING", fake_loader(editor))
    return inverse, editor


@pytest.fixture
def no_models(monkeypatch):
    monkeypatch.setattr(loading, "INVERSE", NEVER_LOAD)
    monkeypatch.setattr(loading, "EDITING", NEVER_LOAD)


def alaya(*words):
    return CliRunner().invoke(cli, [str(word) for word in words])


def succeed(*words):
    result = alaya(*words)
    assert result.exit_code == 0, result.stderr
    return result


def test_help_names_every_verb_and_the_first_steps():
    text = succeed("--help").stdout
    assert all(f"\n  {name} " in text for name in COMMANDS)
    assert "alaya edit --style snowy_winter" in text
    assert succeed("-h").stdout == text


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_verb_has_help(verb):
    assert "Usage: alaya " + verb in succeed(verb, "--help").stdout


def test_version():
    words = succeed("--version").stdout.split()
    assert words[0] == "alaya"
    assert words[1][0].isdigit()


def test_the_main_job_as_typed(clip, models):
    inverse = succeed("inverse", "--input", clip)
    assert inverse.stdout == "outputs/clip\n"
    assert "inverse: clip.mp4, 12 frames of 64x36" in inverse.stderr
    assert Path("outputs/clip/report.html").is_file()
    edit = succeed("edit", "--style", "snowy_winter", "--prompt", "A barn; the scene is bright.")
    video = Path(edit.stdout.strip())
    assert video.parent == Path("outputs/clip/edits")
    assert probe(video).num_frames == 12
    assert "newest complete clip, outputs/clip" in edit.stderr


def test_render_prints_videos_then_the_report(clip, models):
    words = ("--style", "night", "--style", "rainy", "--output", "both")
    lines = succeed("render", "--input", clip, *words).stdout.split()
    assert [Path(line).name.split("-")[0] for line in lines] == ["night", "rainy", "report.html"]
    assert all(line.startswith("both/") for line in lines)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "Usage: alaya"),
        (("paint",), 2, "No such command 'paint'"),
        (("inverse",), 2, "Missing option '--input'"),
        (("inverse", "--input", "none.mp4"), 2, "alaya: input none.mp4 does not exist"),
        (("inverse", "--input", "CLIP", "--num-frames", "80"), 2, "must be 8n+1, got 80; try 73 or 81"),
        (("inverse", "--input", "CLIP", "--num-frames", "many"), 2, "'many' is not a valid integer"),
        (("inverse", "--input", "CLIP", "--channels", "albedo,hue"), 2, "unknown channel hue"),
        (("inverse", "--input", "CLIP", "--frames", "0:99"), 2, "clip.mp4 has 12 frames; try 0:12"),
        (("inverse", "--input", "CLIP", "--frames", "0:3", "--num_frames", "3"), 2, "mutually exclusive"),
        (("inverse", "--input", "CLIP", "--gpu", "0", "--device", "cpu"), 2, "mutually exclusive"),
        (("inverse", "--input", "CLIP", "--format", "gif"), 2, "unknown format 'gif'"),
        (("edit", "--style", "night"), 2, "run `alaya inverse --input clip.mp4` first"),
        (("edit",), 2, "no style and no prompt"),
        (("edit", "--style", "nihgt"), 2, "no style is called 'nihgt'; there are night"),
        (("edit", "--style", "night", "--fps", "fast"), 2, "--fps must be a number"),
        (("edit", "--style", "night", "--gbuffers", "gone"), 2, "gone is not a folder"),
        (("edit", "--style", "a", "--style", "b", "--output", "c.mp4"), 2, "use --save_dir"),
        (("render", "--input", "CLIP"), 2, "no style and no prompt"),
        (("render", "--input", "CLIP", "--style", "nihgt"), 2, "no style is called 'nihgt'"),
        (("export", "gone"), 2, "gone is not a folder"),
        (("export", ".", "--format", "gif"), 2, "--format 'gif' is not known"),
        (("export", ".", "--camera", "x.json"), 2, "add --space world"),
        (("export", ".", "--space", "world", "--normals", "directx"), 2, "leave it out with --space world"),
        (("styles", "show", "nihgt"), 2, "no style is called"),
        (("styles", "show", "/gone.toml"), 2, "is not there"),
        (("weights", "path", "gone"), 2, "no inverse checkpoint 'gone'"),
        (("weights", "check", "gone"), 2, "no inverse checkpoint 'gone'"),
        (("worlds", "make", "--out", "w", "--clips", "1", "--size", "big"), 2, "--size must be WIDTHxHEIGHT"),
        (("train", "gone.toml"), 2, "recipe gone.toml is not a file"),
        (("eval", "colour"), 2, "unknown stage 'colour'"),
        (("eval", "inverse", "--set", "gone"), 2, "set gone is not a folder"),
        (("report", "gone"), 2, "gone is not a folder"),
    ],
)
def test_requests_that_cannot_work_end_before_any_weight_is_loaded(clip, no_models, words, code, message):
    result = alaya(*(clip if word == "CLIP" else word for word in words))
    assert result.exit_code == code
    assert message in " ".join(result.stderr.split())
    assert result.stdout == ""


@pytest.mark.parametrize(
    "words", [("--input", "none.mp4"), ("--input", "bad.mp4"), ("--input", "clip.mp4", "--frames", "0:99")]
)
def test_refusals_do_not_wait_for_torch(clip, words):
    (clip.parent / "bad.mp4").write_bytes(b"no video")
    script = """
        import sys
        from pipelines.cli import main
        try:
            main()
        finally:
            print("torch" in sys.modules)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), "inverse", *words]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=clip.parent, env=ENVIRONMENT, check=False
    )
    assert done.returncode in (1, 2)
    assert done.stdout == "False\n"


def test_an_error_is_one_line_and_a_traceback_only_if_asked(tmp_path, no_models):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    result = alaya("inverse", "--input", "bad.mp4")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("alaya: bad.mp4 cannot be read")
    long = alaya("inverse", "--input", "bad.mp4", "--traceback")
    assert long.exit_code == 1
    assert "Traceback (most recent call last)" in long.stderr


def test_an_unexpected_error_is_one_line_too(clip, monkeypatch):
    def load(name, device):
        raise ZeroDivisionError("no reason")

    monkeypatch.setattr(loading, "INVERSE", loading.Loader(lambda name: "0", load))
    result = alaya("inverse", "--input", clip)
    assert result.exit_code == 1
    last = result.stderr.splitlines()[-1]
    assert last == "alaya: unexpected ZeroDivisionError: no reason; --traceback shows where"


def test_a_busy_folder_is_exit_75(clip, no_models):
    with lock_folder("outputs/clip"):
        result = alaya("inverse", "--input", clip)
    assert result.exit_code == 75
    assert "outputs/clip is in use by process" in result.stderr


def test_json_is_one_event_a_line_on_stdout(clip, models):
    result = succeed("render", "--input", clip, "--style", "night", "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "plan"
    assert events[0]["frames"] == 12
    last = next(event for event in reversed(events) if event["event"] == "progress")
    assert last["frames"] == last["of"] == 12
    paths = [event["path"] for event in events if event["event"] == "result"]
    assert [Path(path).suffix for path in paths] == [".mp4", ".html"]
    assert result.stderr == ""


def test_errors_are_events_too(no_models):
    result = alaya("inverse", "--input", "none.mp4", "--json")
    assert result.exit_code == 2
    event = json.loads(result.stdout)
    assert (event["event"], event["exit_code"]) == ("error", 2)
    assert "none.mp4" in event["text"]


def test_upstream_num_frames_means_the_first_n_and_says_so(clip, models):
    result = succeed("inverse", "--input", clip, "--num_frames", "5", "--output", "five")
    assert "--num_frames 5: only the first 5 frames, as in AlayaRenderer" in result.stderr
    assert open_clip("five").info.frames == 5


def test_upstream_flags_of_an_edit(clip, models, tmp_path):
    succeed("inverse", "--input", clip)
    table = tmp_path / "styles.json"
    table.write_text('{"white": "the scene is deep in snow", "dark": "the scene is at night"}')
    words = [
        "--gbuffer_dir",
        "outputs/clip",
        "--save_dir",
        "saved",
        "--num_inference_steps",
        "1",
        "--seed",
        "3",
    ]
    words += ["--num_frames", "9", "--height", "24", "--width", "48", "--checkpoint", "small"]
    result = succeed("edit", *words, "--styles_json", table, "--styles", "white", "dark")
    assert result.stdout.split() == ["saved/white.mp4", "saved/dark.mp4"]
    assert probe("saved/dark.mp4").num_frames == 9
    assert models[1].calls[0][1:] == (9, (24, 48))
    assert succeed("edit", *words, "--styles_json", table).stdout == result.stdout  # all of the table


def test_gpu_is_a_device(clip, monkeypatch):
    asked = []
    loader = loading.Loader(lambda name: "0", lambda name, device: asked.append(device) or FakeInverse())
    monkeypatch.setattr(loading, "INVERSE", loader)
    succeed("inverse", "--input", clip, "--gpu", "1")
    assert asked == ["cuda:1"]


def test_export_for_other_programs(clip, models):
    succeed("inverse", "--input", clip, "--no-report")
    result = succeed("export", "outputs/clip", "--format", "exr", "--normals", "directx")
    folder = Path(result.stdout.strip())
    assert folder.name == "clip-exr-directx"
    reader, original = open_clip(folder), open_clip("outputs/clip")
    assert reader.info.normal_space == "camera-directx"
    one, two = reader.read(3, 4), original.read(3, 4)
    assert np.abs(one.normal - two.normal).max() < 1e-3
    assert np.abs(one.albedo - two.albedo).max() < 1e-3
    again = alaya("export", "outputs/clip", "--format", "exr", "--normals", "directx")
    assert again.exit_code == 2
    assert "--overwrite" in again.stderr


def test_export_to_world_space_turns_normals(clip, models, tmp_path):
    succeed("inverse", "--input", clip, "--no-report")
    turn = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]  # the camera looks along the world's +y, z is up
    camera = {"schema": "alaya.camera/1", "world": "right-handed, z up", "camera_to_world": [turn]}
    (tmp_path / "camera.json").write_text(json.dumps(camera))
    words = ("--format", "png", "--space", "world", "--camera", tmp_path / "camera.json", "--output", "world")
    succeed("export", "outputs/clip", *words)
    reader = open_clip("world")
    assert reader.info.normal_space == "world"
    code = reader.layout.frame_codes(0, ["normal"])["normal"][0, 0] / 65535 * 2 - 1
    assert np.allclose(code, (0, -1, 0), atol=1e-4)  # toward the viewer is away from where the camera looks
    assert np.allclose(reader.read(0, 1).normal[0, 0, 0], (0, 0, 1), atol=1e-3)


def test_styles_are_listed_and_shown():
    lines = succeed("styles", "list").stdout.splitlines()
    names = [line.split()[0] for line in lines]
    assert {"original", "snowy_winter", "foggy", "cyberpunk_neon"} <= set(names)
    shown = succeed("styles", "show", "snowy_winter").stdout
    assert "snow" in next(line for line in shown.splitlines() if line.startswith("words"))


def test_weights_are_listed_found_and_checked(tmp_path, monkeypatch):
    import torch

    from alaya.weights import save_checkpoint

    monkeypatch.setenv("ALAYA_CHECKPOINTS", str(tmp_path))
    card = {"name": "small", "stage": "inverse", "network": {}, "licence": "Apache-2.0"}
    save_checkpoint(tmp_path / "small" / "inverse", {"a": torch.zeros(3)}, card)
    assert str(tmp_path / "small" / "inverse") in succeed("weights", "list").stdout
    assert succeed("weights", "path", "small", "--stage", "inverse").stdout.strip().endswith("small/inverse")
    assert (
        "1 tensors, sha256 as the card says"
        in succeed("weights", "check", "small", "--stage", "inverse").stdout
    )
    (tmp_path / "small" / "inverse" / "model.safetensors").write_bytes(b"changed")
    assert alaya("weights", "check", "small", "--stage", "inverse").exit_code == 1


def test_doctor_looks_at_everything():
    result = alaya("doctor", "--json")
    findings = {each["what"]: each for each in map(json.loads, result.stdout.splitlines())}
    assert {"machine", "torch", "av", "device", "video", "worlds", "weights", "disk"} <= findings.keys()
    assert findings["av"]["state"] == "ok"
    broken = any(each["state"] == "failure" for each in findings.values())
    assert result.exit_code == int(broken)


SLOW = """
    import os, signal, sys, time
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a job in the background inherits it
    sys.path[:0] = [{tests!r}, {root!r}]
    from fakes import FakeInverse, fake_loader
    from pipelines import cli, loading

    class Slow(FakeInverse):
        def predict(self, rgb, **options):
            print("predicting", file=sys.stderr, flush=True)
            for _ in range(20_000 if options["first_frame"] else 0):
                time.sleep(0.05)  # in small steps: a signal on the brink of one long sleep would wait for its end
            return super().predict(rgb, **options)

    loading.INVERSE = fake_loader(Slow())
    sys.argv = ["alaya", "inverse", "--input", "clip.mp4", "--num-frames", "9"]
    cli.main()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_work_and_leaves_a_clip_to_begin_again(clip, models, number, code):
    script = textwrap.dedent(SLOW).format(tests=str(ROOT / "tests"), root=str(ROOT))
    words = [sys.executable, "-c", script]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=clip.parent) as process:
        try:
            seen = 0
            while seen < 2:
                line = process.stderr.readline()
                assert line, "the job ended before it was stopped"
                seen += line.startswith("predicting")
            process.send_signal(number)
            talk = process.communicate(timeout=200)[1]  # a second or two, unless the machine is very busy
        finally:
            process.kill()
    assert process.returncode == code
    assert "Traceback" not in talk
    assert "stopped" in talk.splitlines()[-1]
    folder = clip.parent / "outputs" / "clip"
    assert json.loads((folder / "clip.json").read_text())["complete"] is False
    assert not (folder / ".alaya" / "lock").exists()
    succeed("inverse", "--input", clip, "--num-frames", "9")
    assert open_clip(folder).info.complete


BATCH = """#!{python}
import sys
sys.path[:0] = [{tests!r}, {root!r}]
from fakes import FakeEditor, FakeInverse, fake_loader
from pipelines import cli, loading

loading.INVERSE, loading.EDITING = fake_loader(FakeInverse()), fake_loader(FakeEditor())
cli.main()
"""


def test_two_step_batch_does_what_is_missing_and_names_what_failed(clip, tmp_path):
    command = tmp_path / "alaya-fake"
    command.write_text(BATCH.format(python=sys.executable, tests=str(ROOT / "tests"), root=str(ROOT)))
    command.chmod(0o755)
    (tmp_path / "bad.mp4").write_bytes(b"no video")

    def batch(*clips):
        words = [str(ROOT / "scripts" / "two_step_batch.sh"), "night rainy", *clips]
        environment = {**os.environ, "ALAYA": str(command), "OUTPUTS": "many"}
        return subprocess.run(
            words, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
        )

    first = batch("bad.mp4", "clip.mp4")
    assert first.returncode == 1
    assert "failed: bad.mp4" in first.stderr
    assert sorted(path.name.split("-")[0] for path in (tmp_path / "many/clip/edits").iterdir()) == [
        "night",
        "rainy",
    ]
    again = batch("clip.mp4")
    assert again.returncode == 0
    assert again.stdout == "".join(line + "\n" for line in first.stdout.splitlines())
    assert again.stderr.count("nothing to do") == 3
    assert batch().returncode == 2
