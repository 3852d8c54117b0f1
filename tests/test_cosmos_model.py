"""The published inverse renderer as a model of this program: windows to G-buffers, at a tiny size."""

import numpy as np
import pytest
import torch
from cosmos_samples import GOLDEN

pytest.importorskip("diffusers")

from alaya.codes import RELATIVE_RANGE, encode_depth
from alaya.errors import RequestError, WeightsError
from alaya.frames import plan_windows
from inverse.cosmos_codec import LatentStatistics
from inverse.cosmos_files import find_cosmos
from inverse.cosmos_model import CosmosInverse, window_noise
from inverse.cosmos_pictures import PASSES, blended_normals, to_gbuffer
from inverse.models import load_inverse


@pytest.fixture(scope="module")
def model():
    return CosmosInverse.load(find_cosmos(str(GOLDEN)))


def window(frames, height=32, width=48, seed=0):
    return np.random.default_rng(seed).random((frames, height, width, 3), dtype=np.float32)


@pytest.mark.parametrize("frames", [1, 9, 17])
def test_windows_of_any_length_give_gbuffers_of_the_contract(model, frames):
    gbuffer = model.predict(window(frames), num_steps=1)
    gbuffer.check()
    assert (gbuffer.num_frames, gbuffer.height, gbuffer.width) == (frames, 32, 48)
    assert np.isfinite(gbuffer.depth).all()


def test_seed_decides_and_the_clip_matters(model):
    rgb = window(9)
    first = model.pictures(rgb, num_steps=2, seed=3)
    again = model.pictures(rgb, num_steps=2, seed=3)
    assert all(np.array_equal(first[name], again[name]) for name in PASSES)
    assert not np.array_equal(
        first["albedo"], model.pictures(rgb, ("albedo",), num_steps=2, seed=4)["albedo"]
    )
    other = model.pictures(window(9, seed=1), ("albedo",), num_steps=2, seed=3)
    assert not np.allclose(first["albedo"], other["albedo"], atol=1e-4)


def test_a_picture_is_the_same_alone_and_among_others(model):
    rgb = window(9)
    every = model.pictures(rgb, (*PASSES, "diffuse_albedo", "specular_albedo"), num_steps=2)
    assert len(every) == 7
    alone = model.pictures(rgb, ("specular_albedo",), num_steps=2)["specular_albedo"]
    np.testing.assert_allclose(every["specular_albedo"], alone, atol=1e-4)
    assert not np.allclose(every["diffuse_albedo"], every["albedo"], atol=1e-3)
    with pytest.raises(RequestError, match="no picture is called 'base'"):
        model.pictures(rgb, ("base",))


def test_rgb_is_encoded_once_for_all_passes(model, monkeypatch):
    calls = []
    raw = model.codec.raw_latents
    monkeypatch.setattr(model.codec, "raw_latents", lambda video: calls.append(video.shape) or raw(video))
    model.predict(window(1), num_steps=1)
    assert calls == [(1, 3, 1, 32, 48)]


def test_windows_that_overlap_share_their_noise():
    windows = plan_windows(41, 17, 8)
    clip = torch.zeros(1, 16, 3, 4, 6)
    first, second = (window_noise([0, 3], clip, 5, window.start) for window in windows[:2])
    step = (windows[1].start - windows[0].start) // 8
    assert torch.equal(first[:, :, step:], second[:, :, : 3 - step])
    assert not torch.equal(first[0], first[1])
    single = torch.zeros(1, 16, 1, 4, 6)
    assert not torch.equal(window_noise([0], single, 5, 1), window_noise([0], single, 5, 2))


def test_lengths_sizes_and_options_are_refused_by_name(model):
    for rgb, message in [
        (window(8), "8n\\+1"),
        (window(9, 24, 48), "multiples of 16"),
        (window(129, 16, 16), "121"),
    ]:
        with pytest.raises(RequestError, match=message):
            model.predict(rgb, num_steps=1)
    with pytest.raises(RequestError, match="at least 1"):
        model.predict(window(1), num_steps=0)
    with pytest.raises(RequestError, match="rope_dtype must be one of fp32, bf16, got 'int8'"):
        CosmosInverse.load(find_cosmos(str(GOLDEN)), rope_dtype="int8")


def test_working_size_is_what_it_was_trained_at_or_as_many_pixels(model):
    for size in ((704, 1280), (720, 1280), (1080, 1920), (2160, 3840)):
        assert model.working_size(*size) == (704, 1280)
    for height, width in ((1280, 720), (480, 640), (512, 512), (400, 1600)):
        h, w = model.working_size(height, width)
        assert h % 16 == w % 16 == 0
        assert h * w == pytest.approx(704 * 1280, rel=0.15)
        assert h / w == pytest.approx(height / width, rel=0.1)
    assert max(model.working_size(100, 4000)) == 1920


def test_pictures_become_gbuffers():
    level = np.linspace(-1, 1, 5, dtype=np.float32)
    picture = np.broadcast_to(level[None, None, :, None], (1, 1, 5, 3)).copy()
    pictures = dict.fromkeys(PASSES, picture)
    pictures["normal"] = np.broadcast_to(np.array([0, 0, 0.5], np.float32), (1, 1, 5, 3)).copy()
    pictures["normal"][0, 0, 0] = 0
    gbuffer = to_gbuffer(pictures)
    gbuffer.check()
    np.testing.assert_allclose(gbuffer.roughness[0, 0, :, 0], [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(gbuffer.albedo[0, 0, :, 0], [0, 0.0508761, 0.2140411, 0.5225216, 1], rtol=1e-5)
    np.testing.assert_array_equal(gbuffer.normal[0, 0], np.tile([0, 0, 1], (5, 1)))
    codes = encode_depth(gbuffer.depth, RELATIVE_RANGE)[0, 0, :, 0]
    np.testing.assert_allclose(codes, 1 + 65534 * np.linspace(0, 1, 5), atol=1)


def test_the_references_blend_leaves_short_normals():
    vectors = np.array([[0, 0, 0.1], [0, 0.3, 0], [2, 0, 0]], np.float32)
    np.testing.assert_allclose(blended_normals(vectors), [[0, 0, 0.1], [0, 0.65, 0], [1, 0, 0]], atol=1e-6)


def test_statistics_that_make_no_sense_are_refused():
    good, image = {"0": torch.zeros(32), "1": torch.ones(32)}, {"0": torch.zeros(16), "1": torch.ones(16)}
    statistics = LatentStatistics.read(good, image, 16)
    assert statistics.max_frames == 9
    assert statistics.of(1, torch.device("cpu"))[1].shape == (1, 16, 1, 1, 1)
    for bad in ({"0": torch.zeros(32)}, {**good, "1": torch.zeros(32)}, {**good, "0": torch.zeros(33)}):
        with pytest.raises(WeightsError, match=r"^mean_std\.pt"):
            LatentStatistics.read(bad, image, 16)
    with pytest.raises(WeightsError, match=r"image_mean_std\.pt: 2 values a channel"):
        LatentStatistics.read(good, good, 16)


def test_a_picture_of_its_own_size_comes_back_from_the_door(model):
    loaded = load_inverse(str(GOLDEN), device="cpu")
    assert loaded.info.sha256 == model.info.sha256
    assert (loaded.info.name, loaded.info.num_frames, loaded.info.num_steps) == ("cosmos-7b", 57, 15)
    rgb = window(2, 70, 90)
    coarse = model.predict(window(9), num_steps=1).frames(0, 2)
    restored = loaded.restore(coarse, rgb)
    restored.check()
    assert (restored.height, restored.width) == (70, 90)


def test_rounded_angles_and_bf16_come_near_the_exact_result(model):
    rgb = window(9)
    exact = model.pictures(rgb, ("normal",), num_steps=4)["normal"]
    rounded = CosmosInverse.load(find_cosmos(str(GOLDEN)), rope_dtype="bf16")
    drawn = rounded.pictures(rgb, ("normal",), num_steps=4)["normal"]
    assert 0 < np.linalg.norm(drawn - exact) / np.linalg.norm(exact) < 0.02
    half = CosmosInverse.load(find_cosmos(str(GOLDEN)), dtype="bf16", rope_dtype="bf16", offload="model")
    drawn = half.pictures(rgb, ("normal",), num_steps=4)["normal"]
    assert 0 < np.linalg.norm(drawn - exact) / np.linalg.norm(exact) < 0.05
