"""The report: a page that stands alone, pictures in readable colours, figures that can be checked by hand."""

import base64
import io
import os
import re
from fractions import Fraction

import numpy as np
import pytest
from fakes import FakeEditor, FakeInverse, fake_loader
from PIL import Image

from alaya.errors import ClipError, RequestError
from alaya.gbuffer import GBuffer
from alaya.picture import as_uint8, contact_sheet, depth_limits, jpeg_uri, paint_channel, paint_depth
from alaya.video import VideoWriter
from pipelines.render import render, run_render
from pipelines.report import write_report
from pipelines.selfcheck import ClipCheck, Steadiness, pick_pairs, still_pixels
from pipelines.settings import RenderSettings


def plain(num_frames=2, height=8, width=12, depth=4.0):
    """A wall of albedo .2 that looks at the viewer; the upper row is sky."""
    ground = np.ones((num_frames, height, width, 1), np.float32)
    ground[:, 0] = 0
    return GBuffer(
        albedo=0.2 * ground * np.ones(3, np.float32),
        normal=ground * np.array([0, 0, 1], np.float32),
        depth=np.where(ground > 0, np.float32(depth), np.float32(np.inf)),
        roughness=0.5 * ground,
        metallic=0 * ground,
    )


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    with VideoWriter(tmp_path / "clip.mp4", 36, 64, Fraction(30)) as writer:
        for index in range(9):
            frame = np.full((36, 64, 3), 0.5, np.float32)
            frame[10:20, 4 * index : 4 * index + 8] = (0.9, 0.2, 0.1)
            writer.write(frame)
    settings = RenderSettings(
        tmp_path / "clip.mp4",
        ("night",),
        prompt="<script>alert(1)</script> & dusk",
        credit="by A & B <CC-BY>",
    )
    return run_render(
        settings, load_inverse=fake_loader(FakeInverse()), load_editor=fake_loader(FakeEditor())
    )


def pictures(page):
    """The images packed into a page."""
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


def test_the_page_stands_alone(run):
    page = run.report.read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "http" not in page.replace("<!doctype html>", "")
    assert "url(" not in page
    assert run.report.stat().st_size < 4e6


def test_there_is_a_sheet_and_a_slider_for_each_channel_and_result(run):
    page = run.report.read_text()
    titles = re.findall(r"<h3>([^<]+)</h3>", page)
    assert titles == ["albedo", "normal", "depth", "roughness", "metallic", run.videos[0].stem]
    assert page.count('type="range"') == 6
    images = pictures(page)
    assert len(images) == 1 + 2 * 6
    assert images[1].size == (64, 36)
    before, after = (np.asarray(image).astype(float) for image in images[-2:])
    assert after.mean() < before.mean() * 0.6  # night is darker than the source


def test_texts_of_the_run_are_escaped(run):
    page = run.report.read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "by A &amp; B &lt;CC-BY&gt;" in page


def test_settings_and_figures_are_in_the_page(run):
    page = run.report.read_text()
    for words in ("9 frames of 64x36 at 30 frames per second", "inverse: seed", "background share"):
        assert words in page
    cells = dict(re.findall(r"<tr><td>([^<]+)</td><td>([^<]*)</td></tr>", page))
    assert float(cells["background share"]) == 0
    assert float(cells["normals: largest | |n| - 1 |"]) < 1e-4
    assert float(cells["depth, median"]) == pytest.approx(2, rel=1e-3)
    assert float(cells["roughness: change /255"]) == 0
    assert 0 < float(cells["albedo: change /255"]) < 20


def test_without_its_source_the_report_says_so(run, tmp_path):
    (tmp_path / "clip.mp4").unlink()
    page = write_report(run.folder).read_text()
    assert "The source video could not be shown" in page
    assert "<h3>albedo</h3>" in page


def size_of(path):
    with Image.open(path) as picture:
        return picture.size


def test_the_sheet_lies_beside_the_page_and_carries_the_credit(run):
    path = run.folder / "previews" / "contact_sheet.png"
    with_credit = size_of(path)
    write_report(run.folder)
    without = size_of(path)
    assert with_credit[0] == without[0]
    assert with_credit[1] > without[1]


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(RequestError, match="is not a folder"):
        write_report(tmp_path / "gone")
    with pytest.raises(ClipError):
        write_report(tmp_path)


def test_the_python_way_refuses_before_it_loads(tmp_path):
    with pytest.raises(RequestError, match="does not exist"):
        render(tmp_path / "none.mp4", styles="night")


def test_near_is_bright_and_sky_is_darkest():
    depth = np.array([[[1.0], [2.0], [8.0], [np.inf]]], np.float32)
    light = paint_depth(depth, 1.0, 8.0).astype(int).sum(axis=-1)[0]
    assert light[0] > light[1] > light[2] == light[3]


def test_channels_are_painted_by_their_meaning():
    clip = plain()
    limits = depth_limits(clip.depth)
    assert paint_channel(clip, 0, "albedo", limits)[4, 4].tolist() == [124] * 3  # sRGB of .2
    assert paint_channel(clip, 0, "normal", limits)[4, 4].tolist() == [128, 128, 255]
    assert paint_channel(clip, 0, "roughness", limits)[4, 4].tolist() == [128] * 3
    assert (
        len({tuple(paint_channel(clip, 0, name, limits)[0, 0]) for name in ("albedo", "normal", "metallic")})
        == 1
    )


def test_depth_limits_of_nothing_but_sky():
    assert depth_limits(np.full((2, 3, 3, 1), np.inf)) == (1.0, 2.0)


@pytest.mark.parametrize(
    "frame",
    [np.full((2, 2, 3), 128, np.uint8), np.full((2, 2, 3), 128 * 257, np.uint16), np.full((2, 2, 3), 0.502)],
)
def test_frames_of_any_depth_become_bytes(frame):
    assert as_uint8(frame).tolist() == np.full((2, 2, 3), 128).tolist()


def test_a_sheet_has_a_cell_for_each_frame():
    rows = [("one", [np.full((10, 20, 3), value, np.uint8) for value in (50, 250)])] * 2
    sheet = np.asarray(contact_sheet(rows, cell_width=40))
    assert (sheet == 250).all(axis=-1).sum() >= 2 * 40 * 20
    assert (sheet == 50).all(axis=-1).sum() >= 2 * 40 * 20


def test_packed_pictures_are_not_wider_than_asked():
    data = jpeg_uri(np.zeros((50, 100, 3), np.uint8), max_width=40).split(",")[1]
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (40, 20)


@pytest.mark.parametrize(("num_frames", "expected"), [(1, [0]), (2, [0]), (3, [0, 1]), (5, [0, 1, 2, 3])])
def test_pairs_of_short_clips(num_frames, expected):
    assert pick_pairs(num_frames) == expected


def test_pairs_of_long_clips_are_few_and_reach_the_end():
    pairs = pick_pairs(10_000)
    assert len(pairs) == 10
    assert (pairs[0], pairs[-1]) == (0, 9998)


def test_flicker_counts_only_where_the_source_stands_still():
    source = np.zeros((2, 4, 4, 3), np.float32)
    source[1, :2] = 0.5  # the upper half moves
    result = np.zeros((2, 4, 4, 3), np.float32)
    result[1, :2] = 0.4
    result[1, 2:] = 3 / 255
    still = still_pixels(source[0], source[1])
    assert still.sum() == 8
    steady = Steadiness()
    steady.add(result[0], result[1], still)
    assert steady.figures()["flicker"] == pytest.approx(3, rel=1e-3)
    assert steady.figures()["change"] == pytest.approx((102 + 3) / 2, rel=1e-3)


def test_figures_of_a_clip():
    check = ClipCheck(near=2.0)
    clip = plain()
    clip.depth[1][1:] = 8.0  # disparity falls from 1/2 to 1/4 of near
    check.add(clip, None)
    figures = check.figures()
    assert figures["background share"] == pytest.approx(1 / 8)
    assert figures["normals: largest | |n| - 1 |"] == 0
    assert figures["depth, 1 %"] == pytest.approx(4)
    assert figures["depth, 99 %"] == pytest.approx(8)
    assert figures["depth: change /255"] == pytest.approx(0.25 * 7 / 8 * 255, rel=1e-3)
    assert figures["depth: flicker /255"] is None
    assert figures["albedo: change /255"] == 0
