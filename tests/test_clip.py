"""The G-buffer clip on disk: round trips, refusals, interrupted runs, equal bytes."""

import hashlib
import os
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from gbuffer_samples import make_gbuffer, make_smooth_gbuffer

from alaya.clip import ClipInfo, ClipWriter, open_clip
from alaya.clip_info import DepthInfo
from alaya.colour import linear_to_srgb
from alaya.errors import ClipError, RequestError
from alaya.gbuffer import CHANNELS, GBuffer
from alaya.png16 import encode_png16, read_image

NEAR, FAR = 0.5, 100.0
DEPTH = DepthInfo("metric_m", NEAR, FAR)


def info_for(clip: GBuffer, **changes) -> ClipInfo:
    return ClipInfo(clip.num_frames, clip.width, clip.height, depth=DEPTH, **changes)


def write(folder: Path, clip: GBuffer, *, chunk: int = 2, **changes) -> ClipWriter:
    with ClipWriter(folder, info_for(clip, **changes)) as writer:
        for start in range(0, clip.num_frames, chunk):
            writer.write(clip.frames(start, min(start + chunk, clip.num_frames)))
    return writer


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def assert_within_steps(clip: GBuffer, again: GBuffer, first: int = 0) -> None:
    """Each channel within half a quantisation step of 16 bits (normals: one step, they are renormalised)."""
    np.testing.assert_array_equal(again.mask, clip.mask)
    coded = np.abs(linear_to_srgb(again.albedo) - linear_to_srgb(clip.albedo))
    assert coded.max() <= 0.51 / 65535 + 1e-6
    assert np.abs(again.normal - clip.normal).max() <= 2.2 / 65535
    step = (1 / NEAR - 1 / FAR) / 65534
    assert np.abs(1 / again.depth - 1 / clip.depth).max() <= 0.51 * step + 1e-6
    for name in ("roughness", "metallic"):
        assert np.abs(getattr(again, name) - getattr(clip, name)).max() <= 0.51 / 65535


@pytest.mark.parametrize(("height", "width"), [(6, 8), (5, 7), (1, 1)])
def test_png_clip_round_trips_to_the_quantisation_step(tmp_path, height, width):
    clip = make_gbuffer(5, height, width, seed=1)
    writer = write(tmp_path / "clip", clip)
    assert writer.clamped == {"near": 0, "far": 0}
    with open_clip(tmp_path / "clip") as reader:
        again = reader.read()
        assert len(reader) == 5
        assert reader.info == replace(info_for(clip), complete=True)
        assert reader.notes == ()
    again.check()
    assert_within_steps(clip, again)


def test_reading_a_range_gives_those_frames(tmp_path):
    clip = make_gbuffer(6, 4, 6, seed=2)
    write(tmp_path / "clip", clip, chunk=4)
    part = open_clip(tmp_path / "clip").read(3, 5)
    assert part.num_frames == 2
    assert_within_steps(clip.frames(3, 5), part)
    with pytest.raises(ClipError, match="frames 3:7 are not within its 6 frames"):
        open_clip(tmp_path / "clip").read(3, 7)


def test_the_layout_on_disk_is_the_contract(tmp_path):
    clip = make_gbuffer(2, 4, 6, seed=3)
    write(tmp_path / "clip", clip)
    files = sorted(tree(tmp_path / "clip"))
    frames = [f"{name}/frame_{i:06d}.png" for name in CHANNELS for i in range(2)]
    assert files == sorted([*frames, "clip.json"])
    normal = read_image(tmp_path / "clip" / "normal" / "frame_000001.png")
    depth = read_image(tmp_path / "clip" / "depth" / "frame_000001.png")
    assert normal.dtype == depth.dtype == np.uint16
    assert normal.shape == (4, 6, 3)
    assert depth.shape == (4, 6, 1)
    sky = ~clip.mask[1]
    assert (normal[sky] == 32768).all()
    assert (depth[sky] == 0).all()
    assert (depth[~sky] >= 1).all()


def test_two_equal_runs_give_equal_bytes_whatever_the_chunks(tmp_path):
    clip = make_gbuffer(4, 6, 8, seed=4)
    write(tmp_path / "a", clip, chunk=1, seed=7, settings={"steps": 1})
    write(tmp_path / "b", clip, chunk=4, seed=7, settings={"steps": 1})
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_depth_outside_the_planes_is_clamped_and_counted(tmp_path):
    clip = make_gbuffer(2, 4, 6, seed=5)
    y, x = np.argwhere(clip.mask[0])[0]
    clip.depth[0, y, x] = 0.1
    clip.depth[:, -1, -1] = 5000
    writer = write(tmp_path / "clip", clip)
    assert writer.clamped == {"near": 1, "far": 2}
    again = open_clip(tmp_path / "clip").read()
    assert again.depth[0, y, x, 0] == pytest.approx(NEAR)
    assert again.depth[1, -1, -1, 0] == pytest.approx(FAR)


def test_a_subset_of_channels_says_what_is_missing(tmp_path):
    clip = make_gbuffer(3, 4, 6, seed=6)
    write(tmp_path / "clip", clip, channels=("albedo", "normal"))
    assert not (tmp_path / "clip" / "depth").exists()
    reader = open_clip(tmp_path / "clip")
    assert reader.missing() == ("depth", "roughness", "metallic")
    arrays = reader.read_channels()
    assert np.abs(arrays["normal"] - clip.normal).max() <= 2.2 / 65535  # background found without depth
    with pytest.raises(ClipError, match="has no depth and no roughness and no metallic"):
        reader.read()


@pytest.mark.parametrize("what", ["nan", "size", "too many", "too few"])
def test_writing_refuses_frames_that_do_not_fit(tmp_path, what):
    clip = make_gbuffer(2, 4, 6, seed=7)
    info = info_for(clip)
    words = {
        "nan": "albedo holds NaN in frame 1",
        "size": "expected (2, 4, 6, 3)",
        "too many": "more than the 2 frames promised",
        "too few": "1 frames written, 2 promised",
    }
    with pytest.raises(ClipError) as caught, ClipWriter(tmp_path / "clip", info) as writer:  # noqa: PT012
        if what == "nan":
            clip.albedo[1, -1, -1, 0] = np.nan
        if what == "size":
            clip = make_gbuffer(2, 4, 5, seed=7)
        writer.write(clip.frames(0, 1) if what == "too few" else clip)
        if what == "too many":
            writer.write(clip.frames(0, 1))
    assert words[what] in str(caught.value)
    assert not ClipInfo.load(tmp_path / "clip" / "clip.json").complete
    with pytest.raises(ClipError, match="not complete"):
        open_clip(tmp_path / "clip")


def test_an_interrupted_clip_is_begun_again_or_continued_to_the_same_bytes(tmp_path):
    clip = make_gbuffer(5, 4, 6, seed=8)
    write(tmp_path / "whole", clip)
    folder = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt), ClipWriter(folder, info_for(clip)) as writer:  # noqa: PT012
        writer.write(clip.frames(0, 3))
        raise KeyboardInterrupt
    (folder / "depth" / ".frame_000003.png.tmp-77").write_bytes(b"half")  # as a killed process leaves it
    assert open_clip(folder, allow_incomplete=True).read().num_frames == 3
    with ClipWriter(folder, info_for(clip), start=2) as writer:
        writer.write(clip.frames(2, 5))
    assert tree(folder) == tree(tmp_path / "whole")
    (folder / "clip.json").write_text(replace(info_for(clip)).to_json())
    write(folder, clip)  # incomplete: may be begun again without --overwrite
    assert tree(folder) == tree(tmp_path / "whole")


def test_continuing_with_other_settings_is_refused(tmp_path):
    clip = make_gbuffer(3, 4, 6, seed=9)
    with pytest.raises(KeyboardInterrupt), ClipWriter(tmp_path / "cut", info_for(clip)) as writer:  # noqa: PT012
        writer.write(clip.frames(0, 2))
        raise KeyboardInterrupt
    with pytest.raises(RequestError, match="other settings"):
        ClipWriter(tmp_path / "cut", info_for(clip, seed=1), start=2)
    (tmp_path / "cut" / "normal" / "frame_000001.png").unlink()
    with pytest.raises(ClipError, match=r"frame_000001\.png: missing"):
        ClipWriter(tmp_path / "cut", info_for(clip), start=2)


def test_foreign_content_is_refused_and_never_removed(tmp_path):
    clip = make_gbuffer(2, 4, 6, seed=10)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "novel.txt").write_text("chapter one")
    (tmp_path / "mine" / "albedo").mkdir()
    (tmp_path / "mine" / "albedo" / "painting.png").write_bytes(b"x")
    with pytest.raises(RequestError, match=r"holds something else \(albedo\).*--overwrite"):
        ClipWriter(tmp_path / "mine", info_for(clip))
    with ClipWriter(tmp_path / "mine", info_for(clip), overwrite=True) as writer:
        writer.write(clip)
    assert (tmp_path / "mine" / "novel.txt").read_text() == "chapter one"
    assert (tmp_path / "mine" / "albedo" / "painting.png").exists()


def test_a_finished_clip_is_refused_unless_overwrite_and_leaves_no_old_frames(tmp_path):
    write(tmp_path / "clip", make_gbuffer(4, 4, 6, seed=11))
    short = make_gbuffer(2, 4, 6, seed=12)
    with pytest.raises(RequestError, match="already holds a finished clip"):
        ClipWriter(tmp_path / "clip", info_for(short))
    with ClipWriter(tmp_path / "clip", info_for(short, format="exr"), overwrite=True) as writer:
        writer.write(short)
    assert sorted(tree(tmp_path / "clip")) == ["clip.json", "frame.000000.exr", "frame.000001.exr"]


def test_a_runs_own_files_beside_the_clip_are_no_obstacle(tmp_path):
    clip = make_gbuffer(1, 4, 6, seed=13)
    (tmp_path / "run" / "edits").mkdir(parents=True)
    (tmp_path / "run" / ".alaya").mkdir()
    (tmp_path / "run" / "report.html").write_text("<html>")
    write(tmp_path / "run", clip)
    assert_within_steps(clip, open_clip(tmp_path / "run").read())


def test_a_linked_channel_folder_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "albedo").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RequestError, match="is a link"):
        ClipWriter(tmp_path / "run", info_for(make_gbuffer(1, 2, 2, seed=0)), overwrite=True)


def _flip_middle_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


HARM = {
    "missing frame": lambda clip: (clip / "depth" / "frame_000001.png").unlink(),
    "missing channel": lambda clip: shutil.rmtree(clip / "roughness"),
    "cut": lambda clip: os.truncate(clip / "depth" / "frame_000001.png", 90),
    "empty": lambda clip: os.truncate(clip / "depth" / "frame_000001.png", 0),
    "flipped byte": lambda clip: _flip_middle_byte(clip / "depth" / "frame_000001.png"),
    "text": lambda clip: (clip / "depth" / "frame_000001.png").write_text("this is no picture"),
    "size": lambda clip: (clip / "depth" / "frame_000001.png").write_bytes(zeros_png(3, 6)),
    "bomb": lambda clip: (clip / "depth" / "frame_000001.png").write_bytes(zeros_png(1, 20000)),
    "grey normal": lambda clip: (clip / "normal" / "frame_000000.png").write_bytes(zeros_png(4, 6)),
}


def zeros_png(height: int, width: int) -> bytes:
    return encode_png16(np.zeros((height, width, 1), np.uint16))


@pytest.mark.parametrize(
    ("what", "file", "words"),
    [
        ("missing frame", "depth", "frame 1 is missing"),
        ("missing channel", "", "roughness is missing"),
        ("cut", "depth/frame_000001.png", "cut off"),
        ("empty", "depth/frame_000001.png", "not a picture"),
        ("flipped byte", "depth/frame_000001.png", "checksum"),
        ("size", "depth/frame_000001.png", "6x3 pixels, expected 6x4"),
        ("text", "depth/frame_000001.png", "not a picture"),
        ("bomb", "depth/frame_000001.png", "20000x1 pixels"),
        ("grey normal", "normal/frame_000000.png", "grey"),
    ],
)
def test_damage_is_one_line_that_names_the_file(tmp_path, what, file, words):
    write(tmp_path / "clip", make_gbuffer(3, 4, 6, seed=14))
    HARM[what](tmp_path / "clip")
    with pytest.raises(ClipError) as caught, open_clip(tmp_path / "clip") as reader:
        reader.read()
    message = str(caught.value)
    assert str(tmp_path / "clip" / file) in message
    assert words in message
    assert "\n" not in message


def test_mp4_clip_is_lossy_but_keeps_its_sky_and_meaning(tmp_path):
    clip = make_smooth_gbuffer(4, 32, 48)
    write(tmp_path / "clip", clip, format="mp4", fps=Fraction(30000, 1001))
    assert sorted(tree(tmp_path / "clip")) == sorted(["clip.json", *(f"{name}.mp4" for name in CHANNELS)])
    with open_clip(tmp_path / "clip") as reader:
        again = reader.read()
        ends = GBuffer.concat([reader.read(2, 4), reader.read(0, 2)])
    again.check()
    assert reader.info.fps == Fraction(30000, 1001)
    np.testing.assert_array_equal(ends.depth, again.depth[[2, 3, 0, 1]])
    inside = clip.mask & np.roll(clip.mask, 2, axis=1)
    assert (again.mask == clip.mask)[:, 4:-4].mean() > 0.97
    assert np.abs(again.albedo - clip.albedo)[inside].mean() < 0.02
    assert np.abs(again.roughness - clip.roughness)[inside].mean() < 0.02
    assert (again.normal * clip.normal).sum(-1)[inside].mean() > 0.995
    assert np.median(np.abs(again.depth[inside] / clip.depth[inside] - 1)) < 0.02


def test_an_unfinished_mp4_clip_leaves_no_video(tmp_path):
    clip = make_smooth_gbuffer(3, 16, 16)
    with (  # noqa: PT012
        pytest.raises(KeyboardInterrupt),
        ClipWriter(tmp_path / "clip", info_for(clip, format="mp4")) as writer,
    ):
        writer.write(clip.frames(0, 2))
        raise KeyboardInterrupt
    assert sorted(tree(tmp_path / "clip")) == ["clip.json"]
