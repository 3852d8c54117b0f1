"""Multi-channel EXR frames: names, types, exact infinity, other programs' files, damage."""

import hashlib
from fractions import Fraction

import numpy as np
import OpenEXR
import pytest
from gbuffer_samples import make_gbuffer

from alaya.channel_names import channel_of, choose_exr_channels
from alaya.clip import ClipInfo, ClipWriter, open_clip
from alaya.clip_info import DepthInfo
from alaya.errors import ClipError
from alaya.exr import read_exr, read_exr_head
from alaya.gbuffer import GBuffer


def write_clip(folder, clip: GBuffer, **changes) -> None:
    info = ClipInfo(
        clip.num_frames,
        clip.width,
        clip.height,
        format="exr",
        depth=DepthInfo("metric_m", 0.5, 100.0),
        **changes,
    )
    with ClipWriter(folder, info) as writer:
        writer.write(clip)


def write_raw(path, planes, **header) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}
    with OpenEXR.File(header, dict(planes)) as file:
        file.write(str(path))


def test_round_trip_is_exact_to_half_float_and_depth_is_exact(tmp_path):
    clip = make_gbuffer(3, 6, 8, seed=1)
    clip.depth[:, -1, -1] = 12345.678  # beyond far: EXR clamps nothing
    write_clip(tmp_path / "clip", clip)
    with open_clip(tmp_path / "clip") as reader:
        again = reader.read()
    again.check()
    np.testing.assert_array_equal(again.depth, clip.depth)  # infinity included
    for name in ("albedo", "roughness", "metallic"):
        np.testing.assert_array_equal(
            getattr(again, name), getattr(clip, name).astype(np.float16).astype(np.float32)
        )
    assert np.abs(again.normal - clip.normal).max() < 2**-10


def test_names_types_compression_and_header(tmp_path):
    write_clip(tmp_path / "clip", make_gbuffer(1, 4, 6, seed=2), fps=Fraction(30000, 1001))
    path = tmp_path / "clip" / "frame.000000.exr"
    with OpenEXR.File(str(path), separate_channels=True) as file:
        header = dict(file.header())
        types = {name: channel.pixels.dtype for name, channel in file.channels().items()}
    half, single = np.dtype("float16"), np.dtype("float32")
    wanted = dict.fromkeys(
        ["albedo.R", "albedo.G", "albedo.B", "N.X", "N.Y", "N.Z", "roughness.Y", "metallic.Y"], half
    )
    assert types == wanted | {"Z": single}
    assert header["compression"] == OpenEXR.ZIP_COMPRESSION
    assert header["framesPerSecond"] == Fraction(30000, 1001)
    assert header["alaya/normal_space"] == "camera-opengl"
    assert header["alaya/depth_kind"] == "metric_m"
    np.testing.assert_allclose(header["chromaticities"][:2], (0.64, 0.33), atol=1e-6)


def test_two_equal_runs_give_equal_bytes(tmp_path):
    clip = make_gbuffer(2, 4, 6, seed=3)
    digests = []
    for name in ("a", "b"):
        write_clip(tmp_path / name, clip)
        digests.append(
            [hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((tmp_path / name).iterdir())]
        )
    assert digests[0] == digests[1]


def test_frames_without_clip_json_still_say_what_they_are(tmp_path):
    clip = make_gbuffer(2, 4, 6, seed=4)
    write_clip(tmp_path / "clip", clip, normal_space="camera-directx")
    (tmp_path / "clip" / "clip.json").unlink()
    reader = open_clip(tmp_path / "clip")
    assert reader.info.normal_space == "camera-directx"
    assert reader.info.depth == DepthInfo("metric_m")
    assert np.abs(reader.read().normal - clip.normal).max() < 2**-10


@pytest.mark.parametrize(
    ("name", "channel"),
    [
        ("albedo", "albedo"),
        ("BaseColor", "albedo"),
        ("base_color", "albedo"),
        ("DiffCol", "albedo"),
        ("Diffuse Color", "albedo"),
        ("N", "normal"),
        ("nn", "normal"),
        ("WorldNormal", "normal"),
        ("Z", "depth"),
        ("SceneDepth", "depth"),
        ("rough", "roughness"),
        ("metalness", "metallic"),
        ("metal", "metallic"),
        ("diffuse_albedo", None),
        ("specular_albedo", None),
        ("rgb", None),
        ("", None),
    ],
)
def test_synonyms(name, channel):
    assert channel_of(name) == channel


def test_blender_names_and_its_infinity(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"ViewLayer.{layer}" for layer in ("Diffuse Color.R", "Diffuse Color.G", "Diffuse Color.B")]
    names += [f"ViewLayer.Normal.{axis}" for axis in "XYZ"]
    names += ["ViewLayer.roughness.X", "ViewLayer.metallic.X", "ViewLayer.Combined.R", "ViewLayer.Position.Z"]
    planes = {name: rng.random((4, 5)).astype(np.float32) for name in names}
    depth = rng.uniform(1, 9, (4, 5)).astype(np.float32)
    depth[0] = 1e10
    planes["ViewLayer.Depth.Z"] = depth
    write_raw(tmp_path / "0001.exr", planes)
    reader = open_clip(tmp_path)
    clip = reader.read()
    clip.check()
    assert (~clip.mask[0]).tolist() == [[True] * 5] + [[False] * 5] * 3
    np.testing.assert_array_equal(clip.depth[0, 1:, :, 0], depth[1:])
    np.testing.assert_array_equal(clip.roughness[0, 1:, :, 0], planes["ViewLayer.roughness.X"][1:])
    assert any("world space" in note for note in reader.notes)
    (tmp_path / "camera.json").write_text(
        '{"schema": "alaya.camera/1", "world": "right-handed, z up",'
        ' "camera_to_world": [[[1, 0, 0, 7], [0, 0, -1, 2], [0, 1, 0, 3], [0, 0, 0, 1]]]}'
    )
    turned = open_clip(tmp_path)
    assert turned.info.normal_space == "world"
    assert turned.notes == ()
    # world z is the camera's up, world -y points toward the viewer
    x, y, z = np.moveaxis(clip.normal, -1, 0)
    np.testing.assert_allclose(turned.read().normal, np.stack([x, z, -y], -1), atol=1e-6)


def test_parts_named_after_passes(tmp_path):
    depth = np.full((3, 4), 2, np.float32)
    parts = [
        OpenEXR.Part({"name": "Depth", "type": OpenEXR.scanlineimage}, {"Z": depth}),
        OpenEXR.Part({"name": "metal", "type": OpenEXR.scanlineimage}, {"Y": depth / 4}),
    ]
    with OpenEXR.File(parts) as file:
        file.write(str(tmp_path / "a.exr"))
    arrays = read_exr(tmp_path / "a.exr")
    assert set(arrays) == {"depth", "metallic"}
    assert (arrays["metallic"] == 0.5).all()


def test_of_two_view_layers_the_first_is_taken_whole():
    names = ["A.Normal.X", "A.Normal.Y", "B.Normal.X", "B.Normal.Y", "B.Normal.Z", "C.Depth.Z", "Z"]
    assert choose_exr_channels(names) == {
        "normal": ("B.Normal.X", "B.Normal.Y", "B.Normal.Z"),
        "depth": ("C.Depth.Z",),
    }


def _planes(**changes):
    names = ["albedo.R", "albedo.G", "albedo.B", "N.X", "N.Y", "roughness.Y", "metallic.Y"]
    planes = {name: np.zeros((3, 4), np.float32) for name in names}
    planes |= {"N.Z": np.ones((3, 4), np.float32), "Z": np.full((3, 4), 2, np.float32)}
    return planes | changes


def test_values_pushed_out_of_range_by_a_filter_are_clamped_and_told(tmp_path):
    bright = np.zeros((3, 4), np.float32)
    bright[1, 2] = 1.25
    write_raw(tmp_path / "f.0.exr", _planes(**{"albedo.G": bright, "N.Z": bright + 2}))
    reader = open_clip(tmp_path)
    clip = reader.read()
    clip.check()
    assert clip.albedo[0, 1, 2, 1] == 1
    assert reader.adjusted["albedo"] == 1
    assert any("1 values of albedo" in note for note in reader.notes)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("albedo.B", np.nan, "albedo holds NaN"),
        ("N.X", np.inf, "normal holds infinity"),
        ("Z", -1, "above 0"),
    ],
)
def test_impossible_values_name_the_file(tmp_path, name, value, words):
    plane = np.full((3, 4), 0.5, np.float32)
    plane[2, 2] = value
    write_raw(tmp_path / "f.0.exr", _planes(**{name: plane}))
    with pytest.raises(ClipError) as caught:
        open_clip(tmp_path).read()
    assert str(tmp_path / "f.0.exr") in str(caught.value)
    assert words in str(caught.value)


def test_a_missing_channel_is_named(tmp_path):
    write_raw(tmp_path / "f.0.exr", _planes())
    planes = _planes()
    del planes["roughness.Y"]
    write_raw(tmp_path / "f.1.exr", planes)
    with pytest.raises(ClipError, match=r"f\.1\.exr: roughness is missing"):
        open_clip(tmp_path).read()
    write_raw(tmp_path / "f.0.exr", {"R": planes["Z"], "G": planes["Z"]})
    with pytest.raises(ClipError, match=r"f\.0\.exr: no channel of it is one of"):
        open_clip(tmp_path)


def test_sizes_must_agree(tmp_path):
    write_raw(tmp_path / "f.0.exr", _planes())
    write_raw(tmp_path / "f.1.exr", {name: plane[:2] for name, plane in _planes().items()})
    with pytest.raises(ClipError, match=r"f\.1\.exr .*4x2 pixels, expected 4x3"):
        open_clip(tmp_path).read()


@pytest.mark.parametrize("keep", [0, 3, 40, 300, -8])
def test_cut_files_are_refused(tmp_path, keep, capfd):
    write_raw(tmp_path / "f.0.exr", _planes())
    path = tmp_path / "f.0.exr"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ClipError, match=r"f\.0\.exr"):
        open_clip(tmp_path).read()
    capfd.readouterr()  # the library itself grumbles on stderr


@pytest.mark.parametrize("corner", [99_999, 2**31 - 1, -5])
def test_absurd_sizes_are_refused_before_anything_is_allocated(tmp_path, corner, capfd):
    write_raw(tmp_path / "f.0.exr", _planes())
    path = tmp_path / "f.0.exr"
    data = bytearray(path.read_bytes())
    for window in (b"dataWindow\0box2i\0", b"displayWindow\0box2i\0"):
        at = data.index(window) + len(window) + 4 + 8
        data[at : at + 8] = int(corner).to_bytes(4, "little", signed=True) * 2
    path.write_bytes(data)
    with pytest.raises(ClipError, match=r"f\.0\.exr"):
        read_exr_head(path)
    capfd.readouterr()


def test_a_file_that_is_no_exr(tmp_path):
    (tmp_path / "f.0.exr").write_text("hello")
    with pytest.raises(ClipError, match=r"f\.0\.exr: not an EXR file"):
        open_clip(tmp_path)
