"""Conversion between formats and conventions of normals."""

import json

import numpy as np
import pytest
from gbuffer_samples import make_gbuffer, make_smooth_gbuffer

from alaya.camera import CameraPath
from alaya.clip import ClipInfo, ClipWriter, open_clip
from alaya.clip_info import DepthInfo, SourceInfo
from alaya.errors import ClipError, RequestError
from alaya.export import export_clip
from alaya.gbuffer import GBuffer
from alaya.png16 import read_image


@pytest.fixture
def source(tmp_path):
    clip = make_gbuffer(5, 4, 6, seed=1)
    info = ClipInfo(
        5,
        6,
        4,
        depth=DepthInfo("metric_m", 0.5, 100.0),
        source=SourceInfo("a.mp4", None, "audio.mka"),
        seed=3,
    )
    with ClipWriter(tmp_path / "source", info) as writer:
        writer.write(clip)
    (tmp_path / "source" / "audio.mka").write_bytes(b"packets")
    return tmp_path / "source"


def turns(frames: int) -> list[list[list[float]]]:
    """A camera that looks along the world's +y (z up) and turns left frame by frame, as 4x4 matrices."""
    matrices = []
    for i in range(frames):
        c, s = np.cos(0.3 * i), np.sin(0.3 * i)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = turn, (i, 2, 3)
        matrices.append(matrix.tolist())
    return matrices


@pytest.fixture
def camera(tmp_path):
    path = tmp_path / "turns.json"
    path.write_text(
        json.dumps({"schema": "alaya.camera/1", "world": "right-handed, z up", "camera_to_world": turns(5)})
    )
    return path


def assert_close(one: GBuffer, other: GBuffer, tolerance: float) -> None:
    np.testing.assert_array_equal(one.mask, other.mask)
    for name in ("albedo", "normal", "roughness", "metallic"):
        assert np.abs(getattr(one, name) - getattr(other, name)).max() < tolerance
    assert np.abs(1 / one.depth - 1 / other.depth).max() < tolerance


def test_png_to_exr_and_back_loses_no_more_than_half_float(source, tmp_path):
    done = []
    report = export_clip(source, tmp_path / "exr", format="exr", progress=lambda n, of: done.append((n, of)))
    assert done[-1] == (5, 5)
    assert report.info.format == "exr"
    assert (tmp_path / "exr" / "audio.mka").read_bytes() == b"packets"
    export_clip(tmp_path / "exr", tmp_path / "png", format="png")
    assert_close(open_clip(tmp_path / "png").read(), open_clip(source).read(), 2**-10)
    assert open_clip(tmp_path / "png").info == open_clip(source).info


def test_png_to_png_is_the_same_clip(source, tmp_path):
    export_clip(source, tmp_path / "copy", format="png")
    for path in sorted(source.rglob("*.*")):
        assert (tmp_path / "copy" / path.relative_to(source)).read_bytes() == path.read_bytes()


def test_directx_is_stored_flipped_said_so_and_read_back(source, tmp_path):
    report = export_clip(source, tmp_path / "dx", format="png", normals="directx")
    assert report.info.normal_space == "camera-directx"
    stored = json.loads((tmp_path / "dx" / "clip.json").read_text())["channels"]["normal"]["space"]
    assert stored == "camera-directx"
    ours = read_image(source / "normal" / "frame_000002.png").astype(int)
    theirs = read_image(tmp_path / "dx" / "normal" / "frame_000002.png").astype(int)
    surface = open_clip(source).read(2, 3).mask[0]
    assert np.abs(ours[..., 1] + theirs[..., 1] - 65535)[surface].max() <= 2
    assert np.abs(ours - theirs)[surface][:, [0, 2]].max() <= 1
    assert (theirs[~surface] == 32768).all()
    assert_close(open_clip(tmp_path / "dx").read(), open_clip(source).read(), 1e-4)


@pytest.mark.parametrize("form", ["png", "exr"])
def test_world_normals_need_the_camera_and_come_back(source, camera, tmp_path, form):
    report = export_clip(source, tmp_path / "world", format=form, space="world", camera=camera)
    assert report.info.normal_space == "world"
    assert CameraPath.load(tmp_path / "world" / "camera.json").world == "right-handed, z up"
    assert_close(open_clip(tmp_path / "world").read(), open_clip(source).read(), 2**-9)
    clip = open_clip(source).read()
    reader = open_clip(tmp_path / "world")
    stored = reader.camera.to_world(reader.read(4, 5).normal[0], 4)
    rotation = np.array(turns(5)[4])[:3, :3]
    np.testing.assert_allclose(stored, clip.normal[4] @ rotation.T, atol=2**-9)
    (tmp_path / "world" / "camera.json").unlink()
    with pytest.raises(ClipError, match=r"world space; put the camera's turns beside them in camera\.json"):
        open_clip(tmp_path / "world")


def test_world_normals_in_the_file_point_where_they_should(camera, tmp_path):
    """A wall that faces the first camera, which looks along +y, has the world normal (0, -1, 0)."""
    clip = make_gbuffer(5, 4, 6, seed=2)
    clip.normal[:] = np.where(clip.mask[..., None], (0, 0, 1), 0)
    with ClipWriter(tmp_path / "wall", ClipInfo(5, 6, 4, depth=DepthInfo("metric_m", 0.5, 100.0))) as writer:
        writer.write(clip)
    export_clip(tmp_path / "wall", tmp_path / "out", format="png", space="world", camera=camera)
    stored = read_image(tmp_path / "out" / "normal" / "frame_000000.png")[clip.mask[0]] / 65535 * 2 - 1
    np.testing.assert_allclose(stored, np.broadcast_to([0, -1, 0], stored.shape), atol=1e-4)


def test_mp4_is_told_to_be_lossy(tmp_path):
    clip = make_smooth_gbuffer(3, 32, 48)
    with ClipWriter(tmp_path / "a", ClipInfo(3, 48, 32, depth=DepthInfo("metric_m", 0.5, 100.0))) as writer:
        writer.write(clip)
    report = export_clip(tmp_path / "a", tmp_path / "b", format="mp4")
    assert any("lossy" in note for note in report.notes)
    assert "lossy" in json.loads((tmp_path / "b" / "clip.json").read_text())["channels"]["albedo"]["encoding"]
    assert open_clip(tmp_path / "b").read().num_frames == 3


def test_depth_planes_of_a_foreign_exr_are_measured_so_that_nothing_is_clamped(tmp_path):
    clip = make_gbuffer(3, 4, 6, seed=4, near=0.2, far=3000.0)
    with ClipWriter(tmp_path / "a", ClipInfo(3, 6, 4, format="exr")) as writer:
        writer.write(clip)
    (tmp_path / "a" / "clip.json").unlink()
    report = export_clip(tmp_path / "a", tmp_path / "b", format="png")
    assert report.clamped == {"near": 0, "far": 0}
    finite = clip.depth[np.isfinite(clip.depth)]
    assert report.info.depth.near == pytest.approx(finite.min(), rel=0.01)
    assert report.info.depth.far == pytest.approx(finite.max(), rel=0.01)


def test_a_subset_of_channels_is_exported_as_it_is(tmp_path):
    clip = make_gbuffer(2, 4, 6, seed=5)
    info = ClipInfo(2, 6, 4, channels=("albedo", "normal"), depth=DepthInfo("metric_m", 0.5, 100.0))
    with ClipWriter(tmp_path / "a", info) as writer:
        writer.write(clip)
    assert export_clip(tmp_path / "a", tmp_path / "b", format="exr").info.channels == ("albedo", "normal")
    assert open_clip(tmp_path / "b").missing() == ("depth", "roughness", "metallic")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"format": "avi"}, "--format 'avi' is not known"),
        ({"format": "exr", "normals": "unity"}, "--normals 'unity'"),
        ({"format": "exr", "space": "screen"}, "--space 'screen'"),
        ({"format": "exr", "space": "world"}, "add --camera FILE"),
        ({"format": "exr", "space": "world", "normals": "directx"}, "leave it out with --space world"),
    ],
)
def test_requests_that_cannot_work(source, tmp_path, options, words):
    with pytest.raises(RequestError) as caught:
        export_clip(source, tmp_path / "out", **options)
    assert words in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_source_is_never_written_over(source):
    before = {path: path.read_bytes() for path in source.rglob("*.*")}
    with pytest.raises(RequestError, match="is the source itself"):
        export_clip(source, source / ".." / "source", format="exr", overwrite=True)
    assert {path: path.read_bytes() for path in source.rglob("*.*")} == before


@pytest.mark.parametrize(
    ("matrices", "words"),
    [
        ([np.eye(3).tolist()] * 4, "4 camera matrices for 5 frames"),
        ([(2 * np.eye(3)).tolist()], "matrix 0 is not a rotation"),
        ([np.diag([1, 1, -1]).tolist()], "matrix 0 is not a rotation"),
        ([[1, 2], [3]], "list of 4x4 or 3x3"),
        ("camera", "list of 4x4 or 3x3"),
        ([], "list of 4x4 or 3x3"),
    ],
)
def test_camera_files_are_checked(source, tmp_path, matrices, words):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps({"schema": "alaya.camera/1", "world": "z up", "camera_to_world": matrices}))
    with pytest.raises(ClipError) as caught:
        export_clip(source, tmp_path / "out", format="exr", space="world", camera=path)
    assert words in str(caught.value)
    assert not (tmp_path / "out").exists()
