"""The five channels in memory, their codes, and the sRGB curve."""

import dataclasses

import numpy as np
import pytest
from gbuffer_samples import make_gbuffer
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alaya import codes
from alaya.camera import CameraPath, normals_in, normals_out
from alaya.colour import linear_to_srgb, srgb_table, srgb_to_linear
from alaya.errors import ClipError
from alaya.gbuffer import CHANNELS, GBuffer

LIMITS = codes.DepthRange(0.25, 400.0)
unit_floats = st.floats(0, 1, width=32)


def test_a_made_gbuffer_keeps_the_contract():
    clip = make_gbuffer(3, 6, 8, seed=1)
    clip.check()
    assert (clip.num_frames, clip.height, clip.width) == (3, 6, 8)
    assert clip.mask.shape == (3, 6, 8)
    assert not clip.mask.all()
    assert clip.mask.any()


def test_slices_are_views_and_concat_undoes_them():
    clip = make_gbuffer(5, 4, 4, seed=2)
    parts = [clip.frames(0, 2), clip.frames(2, 5)]
    assert np.shares_memory(parts[0].albedo, clip.albedo)
    joined = GBuffer.concat(parts)
    for name in CHANNELS:
        np.testing.assert_array_equal(getattr(joined, name), getattr(clip, name))


def _broken(clip: GBuffer, what: str) -> GBuffer:
    arrays = {name: array.copy() for name, array in clip.channels().items()}
    y, x = np.argwhere(clip.mask[1])[0]
    sky_y, sky_x = np.argwhere(~clip.mask[1])[0]
    if what == "nan":
        arrays["roughness"][1, y, x] = np.nan
    elif what == "infinite albedo":
        arrays["albedo"][1, y, x, 0] = np.inf
    elif what == "zero depth":
        arrays["depth"][1, y, x] = 0
    elif what == "bright":
        arrays["albedo"][1, y, x] = 1.2
    elif what == "long normal":
        arrays["normal"][1, y, x] = (0.6, 0.6, 0.2)
    elif what == "sky":
        arrays["metallic"][1, sky_y, sky_x] = 0.5
    elif what == "shape":
        arrays["normal"] = arrays["normal"][:, :, :-1]
    elif what == "dtype":
        arrays["albedo"] = arrays["albedo"].astype(np.float64)
    return GBuffer(**arrays)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("nan", "roughness holds NaN in frame 1"),
        ("infinite albedo", "albedo holds infinity in frame 1"),
        ("zero depth", "depth must be above 0"),
        ("bright", "albedo must lie in [0, 1]"),
        ("long normal", "not unit vectors"),
        ("sky", "metallic is not zero on background"),
        ("shape", "normal has shape"),
        ("dtype", "albedo is float64"),
    ],
)
def test_check_names_what_is_wrong(what, words):
    with pytest.raises(ClipError) as caught:
        _broken(make_gbuffer(2, 5, 6, seed=3), what).check("some/clip")
    assert str(caught.value).startswith("some/clip: ")
    assert words in str(caught.value)


def test_from_channels_names_the_missing_one():
    arrays = make_gbuffer(1, 2, 2, seed=0).channels()
    del arrays["depth"]
    with pytest.raises(ClipError, match="depth missing"):
        GBuffer.from_channels(arrays)


def test_srgb_curve_against_the_standards_numbers():
    linear = np.array([0, 0.0031308, 0.18, 0.5, 1], np.float32)
    coded = np.array([0, 0.04045, 0.46135613, 0.73535698, 1], np.float32)
    np.testing.assert_allclose(linear_to_srgb(linear), coded, atol=2e-6)
    np.testing.assert_allclose(srgb_to_linear(coded), linear, atol=2e-6)
    assert linear_to_srgb(np.float32(-0.5)) < 0  # the straight part goes on below zero


@given(arrays(np.float32, 50, elements=unit_floats))
def test_srgb_round_trip(values):
    np.testing.assert_allclose(srgb_to_linear(linear_to_srgb(values)), values, atol=2e-6)


@pytest.mark.parametrize("max_code", [255, 65535])
def test_srgb_table_is_the_formula(max_code):
    every = np.arange(max_code + 1, dtype=np.float32) / max_code
    np.testing.assert_allclose(srgb_table(max_code), srgb_to_linear(every), atol=2e-6)


@given(arrays(np.float32, 64, elements=unit_floats))
def test_unit_and_albedo_codes_are_exact_to_half_a_step(values):
    assert np.abs(codes.decode_unit(codes.encode_unit(values)) - values).max() <= 0.5001 / 65535
    again = codes.decode_albedo(codes.encode_albedo(values))
    error = np.abs(linear_to_srgb(again) - linear_to_srgb(values))
    assert error.max() <= 0.51 / 65535 + 1e-6


@given(arrays(np.float32, 64, elements=st.floats(0.25, 400, width=32)))
def test_depth_codes_are_exact_to_half_a_step_of_disparity(depth):
    code = codes.encode_depth(depth, LIMITS)
    assert code.min() >= 1
    step = (1 / LIMITS.near - 1 / LIMITS.far) / 65534
    assert np.abs(1 / codes.decode_depth(code, LIMITS) - 1 / depth).max() <= 0.51 * step + 1e-6


def test_depth_code_is_the_written_formula():
    z = np.array([0.25, 1.0, 3.7, 400.0])
    wanted = 1 + np.round(65534 * (1 / z - 1 / 400) / (1 / 0.25 - 1 / 400))
    assert codes.encode_depth(z.astype(np.float32), LIMITS).tolist() == wanted.tolist()
    assert wanted[0] == 65535
    assert wanted[-1] == 1


@pytest.mark.parametrize("scale", [codes.PNG_DEPTH, codes.PNG8_DEPTH, codes.VIDEO_DEPTH])
def test_every_depth_code_survives_decoding_and_background_is_infinite(scale):
    every = np.arange(scale.first, scale.last + 1)
    assert (
        codes.encode_depth(codes.decode_depth(every, LIMITS, scale), LIMITS, scale).tolist() == every.tolist()
    )
    sky = codes.encode_depth(np.array([np.inf], np.float32), LIMITS, scale)
    assert sky.tolist() == [0]
    assert np.isinf(codes.decode_depth(sky, LIMITS, scale)).all()


def test_depth_outside_the_planes_is_clamped_and_never_becomes_sky():
    assert codes.encode_depth(np.array([0.01, 1e9], np.float32), LIMITS).tolist() == [65535, 1]


@pytest.mark.parametrize(("near", "far"), [(0, 1), (2, 1), (1, 1), (1, float("inf")), (float("nan"), 1)])
def test_depth_range_refuses_nonsense(near, far):
    with pytest.raises(ClipError, match="near < far"):
        codes.DepthRange(near, far)


@given(arrays(np.float32, (20, 3), elements=st.floats(-1, 1, width=32)))
def test_normal_codes_are_exact_to_the_step(vectors):
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit = np.where(length > 1e-3, vectors / np.maximum(length, 1e-3), [0, 0, 1]).astype(np.float32)
    again = codes.decode_normal(codes.encode_normal(unit), np.ones(20, bool))
    assert np.abs(again - unit).max() <= 2.2 / 65535
    np.testing.assert_allclose(np.linalg.norm(again, axis=-1), 1, atol=5e-5)
    assert (codes.encode_normal(again) == codes.encode_normal(unit)).all()


def test_background_of_normals_is_the_middle_code():
    assert codes.encode_normal(np.zeros((1, 3), np.float32)).tolist() == [[32768] * 3]
    middle = np.full((1, 3), 32768, np.uint16)
    assert not codes.decode_normal(middle, np.array([False])).any()
    assert not codes.decode_normal(middle, None).any()  # no depth to tell by


def _turns() -> CameraPath:
    turn = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])  # any proper rotation
    return CameraPath("right-handed, z up", np.stack([turn, np.eye(3)]))


@settings(max_examples=25)
@given(arrays(np.float32, (2, 2, 3), elements=st.floats(-1, 1, width=32)))
@pytest.mark.parametrize("space", ["camera-opengl", "camera-directx", "world"])
def test_normal_spaces_are_undone(space, normal):
    for index in (0, 1):
        there = normals_out(normal, space, _turns(), index)
        np.testing.assert_allclose(normals_in(there, space, _turns(), index), normal, atol=1e-6)


def test_directx_points_y_down_and_world_uses_the_columns():
    up = np.array([[[0, 1, 0]]], np.float32)
    assert normals_out(up, "camera-directx", None, 0).ravel().tolist() == [0, -1, 0]
    world = normals_out(up, "world", _turns(), 0).ravel()
    np.testing.assert_allclose(world, _turns().rotations[0][:, 1], atol=1e-6)


def test_gbuffer_fields_are_the_channels():
    assert tuple(field.name for field in dataclasses.fields(GBuffer)) == CHANNELS


def test_the_worked_examples_of_the_documentation():
    depth = np.array([0.25, 1, 10, 100, np.inf], np.float32)
    assert codes.encode_depth(depth, LIMITS).tolist() == [65535, 16354, 1599, 124, 0]
    normal = np.array([[0, 0, 1], [0.6, 0, 0.8]], np.float32)
    assert codes.encode_normal(normal).tolist() == [[32768, 32768, 65535], [52428, 32768, 58982]]
    assert codes.encode_albedo(np.array([0.18], np.float32)).tolist() == [30235]
