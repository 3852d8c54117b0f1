"""Working sizes, and clips brought to them without losing light or inventing sky."""

import numpy as np
import pytest
from gbuffer_samples import make_gbuffer, make_smooth_gbuffer

from alaya.gbuffer import CHANNELS
from alaya.resize import from_planes, join, resize_frame, resize_gbuffer, to_planes, to_working, working_size

PIXELS = 256 * 144


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((480, 832), (144, 256)),
        ((1080, 1920), (144, 256)),
        ((1920, 1080), (256, 144)),
        ((1, 1), (192, 192)),
        ((10000, 8), (1152, 32)),
        ((8, 10000), (32, 1152)),
    ],
)
def test_working_size(size, expected):
    height, width = working_size(*size, PIXELS)
    assert (height, width) == expected
    assert height % 8 == width % 8 == 0
    assert 0.9 < height * width / PIXELS < 1.1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_shrinking_keeps_the_mean(dtype):
    rng = np.random.default_rng(0)
    top = 1 if dtype == np.float32 else np.iinfo(dtype).max
    frame = (rng.random((96, 128, 3)) * top).astype(dtype)
    small = resize_frame(frame, 24, 32)
    assert small.shape == (24, 32, 3)
    assert small.dtype == np.float32
    np.testing.assert_allclose(small.mean((0, 1)), frame.mean((0, 1)) / top, atol=2e-3)
    assert small.std() < 0.4 * (frame / top).std()  # averaged, not picked
    np.testing.assert_allclose(resize_frame(np.full_like(frame, top), 7, 201), 1, atol=1e-6)


def test_same_size_is_a_conversion_only():
    frame = np.arange(256, dtype=np.uint8).reshape(8, 8, 4)[..., :3]
    np.testing.assert_allclose(resize_frame(frame, 8, 8), frame / 255, rtol=1e-6)
    clip = np.stack([frame, frame[::-1]])
    assert to_working(clip, 4, 4).shape == (2, 4, 4, 3)


def test_sky_goes_with_the_majority():
    gbuffer = make_gbuffer(1, 8, 8, seed=0)
    depth = np.full((1, 8, 8, 1), 4.0, np.float32)
    depth[0, :4, :4] = np.inf
    depth[0, 0, 0] = 4  # one of sixteen is surface
    gbuffer.depth = depth
    for name in ("albedo", "normal", "roughness", "metallic"):
        array = np.full_like(getattr(gbuffer, name), 0.25)
        array[np.isinf(depth[..., 0])] = 0
        setattr(gbuffer, name, array)
    small = resize_gbuffer(gbuffer, 2, 2)
    small.check()
    assert small.mask.tolist() == [[[False, True], [True, True]]]
    np.testing.assert_allclose(small.albedo[small.mask], 0.25, rtol=1e-5)  # no black bleeds in from the sky
    np.testing.assert_allclose(small.depth[small.mask], 4, rtol=1e-5)


def test_depth_is_averaged_as_disparity():
    gbuffer = make_gbuffer(1, 2, 2, seed=0)
    flat = {name: np.zeros_like(array) for name, array in gbuffer.channels().items()}
    flat["depth"] = np.array([1, 1, 4, 4], np.float32).reshape(1, 2, 2, 1)
    flat["normal"][..., 2] = 1
    small = resize_gbuffer(gbuffer.from_channels(flat), 1, 1)
    assert small.depth.item() == pytest.approx(1 / np.mean([1, 1, 0.25, 0.25]), rel=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (16, 24), (50, 70)])
def test_any_size_keeps_the_contract(size):
    for gbuffer in (make_gbuffer(2, 16, 24, seed=3), make_smooth_gbuffer(2, 16, 24)):
        resized = resize_gbuffer(gbuffer, *size)
        resized.check()
        assert (resized.num_frames, resized.height, resized.width) == (2, *size)


def test_planes_and_back():
    gbuffer = make_gbuffer(2, 6, 8, seed=5)
    planes = to_planes(gbuffer)
    assert planes.shape == (2, 10, 6, 8)
    assert not planes.movedim(1, -1)[~gbuffer.mask].any()
    back = from_planes(planes[:, :9], planes[:, 9:] > 0.5)
    back.check()
    for name in CHANNELS:
        np.testing.assert_allclose(getattr(back, name), getattr(gbuffer, name), rtol=1e-5, atol=1e-6)


def test_join_keeps_the_order():
    gbuffer = make_gbuffer(3, 4, 4, seed=2)
    joined = join((gbuffer.frames(index, index + 1) for index in range(3)), 3)
    for name in CHANNELS:
        assert np.array_equal(getattr(joined, name), getattr(gbuffer, name))
