"""Figures of seams: jumps, drift and flicker that were put into clips come out as numbers, and bars hold."""

import json
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from click.testing import CliRunner

from alaya.clip import ClipInfo, ClipWriter
from alaya.clip_info import DepthInfo
from alaya.errors import ClipError, RequestError
from alaya.gbuffer import GBuffer
from alaya.seams import ClipSeams, Overlap, SeamMeter, border_pairs, ratio_step
from alaya.video import VideoWriter
from pipelines.cli import cli
from pipelines.journal import INVERSE_JOB, Journal
from pipelines.render import run_render
from pipelines.report import write_report
from pipelines.seams import measure_seams, overlaps_of
from pipelines.settings import RenderSettings

HEIGHT, WIDTH = 24, 32
FRAMES, CUT = 40, 24


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def still_clip(num_frames=FRAMES, cut=CUT, depth=1.0, albedo=1.0, roughness=0.0):
    """A wall that stands still; from frame `cut` on depth, albedo and roughness are others."""
    rng = np.random.default_rng(0)
    shape = (num_frames, HEIGHT, WIDTH, 1)
    later = np.arange(num_frames).reshape(-1, 1, 1, 1) >= cut

    def fixed(low, high, channels=1):
        picture = rng.uniform(low, high, (1, HEIGHT, WIDTH, channels)).astype(np.float32)
        return np.repeat(picture, num_frames, axis=0)

    normal = np.zeros((*shape[:3], 3), np.float32)
    normal[..., 2] = 1
    return GBuffer(
        albedo=(fixed(0.2, 0.6, 3) * np.where(later, albedo, 1)).astype(np.float32),
        normal=normal,
        depth=(fixed(2, 20) * np.where(later, depth, 1)).astype(np.float32),
        roughness=(fixed(0.2, 0.6) + np.where(later, roughness, 0)).astype(np.float32),
        metallic=fixed(0, 1),
    )


def measured(clip, overlaps, still=None):
    seams = ClipSeams()
    for pair in range(clip.num_frames - 1):
        seams.add(pair, clip.frames(pair, pair + 2), still)
    return seams.figures(overlaps, clip.num_frames)


def test_an_overlap_has_three_places_where_it_could_be_seen():
    assert Overlap(8, 17).borders == (7, 11, 16)
    assert Overlap(24, 24).borders == (23,)
    assert list(Overlap(8, 10).pairs) == [7, 8, 9]
    assert list(Overlap(8, 8).pairs) == [7]
    assert border_pairs([Overlap(8, 17), Overlap(16, 25)], 20) == [7, 11, 15, 16]


def test_jumps_come_out_in_the_units_they_went_in():
    clip = still_clip(depth=1.03, albedo=0.9, roughness=5 / 255)
    figures = measured(clip, [Overlap(CUT, CUT)])
    assert figures["depth"]["jump"] == pytest.approx(3, abs=1e-3)
    assert figures["depth"]["across"] == pytest.approx(3, abs=1e-3)
    assert figures["albedo"]["jump"] == pytest.approx(10, abs=1e-3)
    assert figures["roughness"]["jump"] == pytest.approx(5, abs=1e-3)
    assert figures["roughness"]["worst"] == pytest.approx(5, abs=1e-3)
    assert figures["roughness"]["worst_frame"] == CUT
    assert figures["roughness"]["drift"] == pytest.approx(5, abs=1e-3)
    assert figures["metallic"] | {"jump": 0, "worst": 0, "drift": 0} == figures["metallic"]
    assert figures["normal"]["ratio"] is None  # nothing ever changes: there is nothing to compare with
    assert figures["depth"]["borders"] == 1


def test_the_ratio_is_that_of_borders_to_what_the_interior_does():
    meter = SeamMeter()
    levels = np.cumsum([0, *(3 if pair == 9 else 1 for pair in range(19))]) / 255
    pictures = np.broadcast_to(levels[:, None, None, None], (20, 4, 6, 3))
    for pair in range(19):
        meter.add(pair, pictures[pair], pictures[pair + 1])
    found = meter.figures([Overlap(10, 10)], 20)
    assert found["border"] == pytest.approx(3)
    assert found["interior"] == pytest.approx(1)
    assert found["ratio"] == pytest.approx(3)
    assert found["stands_out"] == pytest.approx(3)
    assert found["usual_step"] == pytest.approx(1)
    assert found["drift"] == pytest.approx(20)  # first and last tenth: frames 0, 1 and 18, 19


def test_a_jump_is_seen_beside_fast_motion_elsewhere():
    meter = SeamMeter()
    changes = [1.0] * 30 + [10.0] * 29
    changes[15] = 2.0
    levels = np.cumsum([0, *changes]) / 255
    for pair in range(59):
        meter.add(pair, np.full((2, 2, 1), levels[pair]), np.full((2, 2, 1), levels[pair + 1]))
    found = meter.figures([Overlap(16, 16)], 60)
    assert found["ratio"] == pytest.approx(0.2)
    assert found["stands_out"] == pytest.approx(2)


def test_a_slide_over_an_overlap_is_summed():
    meter = SeamMeter()
    for pair in range(19):
        inside = 4 <= pair <= 11
        meter.add(pair, np.zeros((2, 2, 1)), np.zeros((2, 2, 1)), step=0.5 if inside else 0.0)
    found = meter.figures([Overlap(5, 12)], 20)
    assert found["jump"] == pytest.approx(0.5)
    assert found["across"] == pytest.approx(4)


def test_flicker_is_counted_where_the_source_rests():
    clip = still_clip(4, roughness=0)
    clip.roughness[1::2, :12] += 4 / 255
    clip.roughness[1::2, 12:] += 40 / 255
    still = np.arange(HEIGHT)[:, None] < 12
    found = measured(clip, [], np.broadcast_to(still, (HEIGHT, WIDTH)))
    assert found["roughness"]["flicker"] == pytest.approx(4, abs=1e-3)
    assert found["roughness"]["ratio"] is None
    assert found["roughness"]["jump"] is None


def test_sky_has_no_scale():
    sky = np.full((4, 4, 1), np.inf, np.float32)
    assert np.isnan(ratio_step(sky, sky, 0.0))
    ground = np.full((4, 4, 1), 2, np.float32)
    ground[0] = np.inf
    assert ratio_step(ground, ground * 1.5, 0.0) == pytest.approx(50)


def write_clip(folder, clip):
    depth = DepthInfo("relative", 0.5, 100.0)
    info = ClipInfo(clip.num_frames, WIDTH, HEIGHT, Fraction(24), depth=depth)
    with ClipWriter(folder, info) as writer:
        writer.write(clip)
    return folder


def test_a_clip_on_disk_gives_the_same_figures(tmp_path):
    folder = write_clip(tmp_path / "clip", still_clip(depth=1.03, roughness=5 / 255))
    result = measure_seams(folder, [CUT])
    assert result["frames"] == FRAMES
    assert result["channels"]["depth"]["jump"] == pytest.approx(3, abs=0.1)
    assert result["channels"]["roughness"]["jump"] == pytest.approx(5, abs=0.02)
    assert result["channels"]["roughness"]["flicker"] is None
    assert "the source is missing" in result["notes"][0]
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_borders_are_read_from_the_journal(tmp_path):
    folder = write_clip(tmp_path / "clip", still_clip(depth=1.03))
    journal = Journal(folder)
    journal.start(INVERSE_JOB, {})
    journal.window(INVERSE_JOB, 0, [], frames=[0, 16], weights=[0.9, 0.5, 0.1])
    journal.window(INVERSE_JOB, 1, [], frames=[16, CUT])
    journal.window(INVERSE_JOB, 2, [], frames=[CUT, FRAMES])
    assert overlaps_of(journal.run(INVERSE_JOB)) == [Overlap(16, 19), Overlap(CUT, CUT)]
    figures = measure_seams(folder)["channels"]["depth"]
    assert figures["borders"] == 2
    assert figures["worst_frame"] == CUT
    assert figures["jump"] == pytest.approx(3, abs=0.1)


def write_video(path, levels, moving=False):
    with VideoWriter(path, 36, 64, Fraction(24)) as writer:
        for index, level in enumerate(levels):
            frame = np.full((36, 64, 3), level, np.float32)
            frame[10:20, 20 + (index if moving else 0) : 30 + (index if moving else 0)] += 0.2
            writer.write(frame)
    return path


def test_a_video_with_a_jump_of_eight_steps(tmp_path):
    path = write_video(tmp_path / "a.mp4", [100 / 255] * 12 + [108 / 255] * 12)
    figures = measure_seams(path, [12])["videos"]["a"]
    assert figures["jump"] == pytest.approx(8, abs=1)
    assert figures["drift"] == pytest.approx(8, abs=1)
    assert figures["worst_frame"] == 12
    quiet = measure_seams(path, [6])["videos"]["a"]
    assert quiet["worst"] < 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no run was given"),
        (("gone",), "gone is not there"),
        (("clip",), "clip has no journal that tells where its windows meet"),
        (("a.mp4",), "a.mp4 has no journal"),
        (("clip", "--borders", "40"), "--borders 40 is not within clip; give frames from 1 to 39"),
        (("clip", "--borders", "0"), "--borders 0 is not within clip"),
        (("clip", "--borders", "x"), "--borders takes frame numbers"),
        (("clip", "--set", "clip"), "--set is of inverse and editing"),
        (("clip", "--out", "figures"), "must end in .json"),
    ],
)
def test_refusals(tmp_path, words, message):
    write_clip(tmp_path / "clip", still_clip())
    write_video(tmp_path / "a.mp4", [0.4] * 3)
    done = CliRunner().invoke(cli, ["eval", "seams", *words])
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
    assert done.stdout == ""
    (tmp_path / "empty").mkdir()
    with pytest.raises(ClipError):
        measure_seams(tmp_path / "empty", [1])
    with pytest.raises(RequestError):
        measure_seams(tmp_path / "gone")


def test_other_stages_take_no_run():
    done = CliRunner().invoke(cli, ["eval", "inverse", "outputs/clip"])
    assert done.exit_code == 2
    assert "alaya eval inverse takes --set" in done.stderr


def test_the_command_prints_a_table_or_json(tmp_path):
    write_clip(tmp_path / "clip", still_clip(depth=1.03))
    words = ["eval", "seams", "clip", "--borders", str(CUT)]
    text = CliRunner().invoke(cli, words).stdout
    assert [line.split()[0] for line in text.splitlines()[2:7]] == [
        "albedo",
        "normal",
        "depth",
        "roughness",
        "metallic",
    ]
    done = CliRunner().invoke(cli, [*words, "--json", "--out", "seams.json"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == json.loads((tmp_path / "seams.json").read_text())
    script = "import sys; from pipelines.cli import cli; cli(sys.argv[1:], standalone_mode=False);"
    script += "print('torch' in sys.modules)"
    plain = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
    assert plain.stdout.splitlines()[-1] == "False"


def moving_clip(path, frames, speed):
    """A textured wall that slides by, a ball before it."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:48, :320]
    waves = rng.uniform(0.05, 0.4, (12, 3, 2)), rng.uniform(0, 6, (12, 3, 1, 1))
    wall = [
        [np.sin(u * x + v * y + turn) for (u, v), turn in zip(*each, strict=True)]
        for each in zip(*waves, strict=True)
    ]
    wall = (0.5 + np.mean(wall, axis=0).transpose(1, 2, 0)).clip(0, 1).astype(np.float32)
    y, x = np.mgrid[:48, :64]
    with VideoWriter(path, 48, 64, Fraction(24), crf=1) as writer:
        for index in range(frames):
            picture = wall[:, speed * index : speed * index + 64].copy()
            picture[(y - 24) ** 2 + (x - 10 - speed * index * 0.7) ** 2 < 81] = (0.8, 0.2, 0.1)
            writer.write(picture)
    return path


def render(tmp_path, clip, num_frames, name):
    settings = RenderSettings(
        clip, ("night",), num_frames=num_frames, height=48, width=64, output=tmp_path / name, device="cpu"
    )
    return run_render(settings).folder


def test_a_moving_clip_has_no_seams(tmp_path):
    clip = moving_clip(tmp_path / "moving.mp4", 57, 2)
    found = measure_seams(render(tmp_path, clip, 17, "cut"))
    rows = {**found["channels"], **found["videos"]}
    assert len(rows) == 6
    for name, figures in rows.items():
        assert figures["borders"] == 5
        assert figures["ratio"] <= 1.05, name
        assert figures["stands_out"] <= 1.05 * max(1, found["source"]["source"]["stands_out"]) + 0.2, name
    page = write_report(tmp_path / "cut").read_text()
    assert "albedo: change at borders over the interior" in page


def test_a_still_clip_stands_still(tmp_path):
    clip = moving_clip(tmp_path / "still.mp4", 40, 0)
    found = measure_seams(render(tmp_path, clip, 17, "cut"))
    for name, figures in {**found["channels"], **found["videos"]}.items():
        assert figures["drift"] <= 1, name
        assert figures["worst"] <= max(1.05 * figures["interior"], 1), name
        assert figures["flicker"] <= 1, name
