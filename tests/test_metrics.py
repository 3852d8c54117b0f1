"""Metrics against numbers worked out by hand, their properties, and another implementation if at hand."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from alaya import metrics
from alaya.errors import ClipError, RequestError
from alaya.gbuffer import GBuffer
from training.foreign import read_eval_clips, read_foreign_clip

FOREIGN = Path(__file__).resolve().parents[2] / "shared" / "foreign"


def random_gbuffer(seed, shape=(2, 12, 16)):
    rng = np.random.default_rng(seed)
    normal = rng.normal(size=(*shape, 3)) + np.array([0, 0, 1.5])
    depth = np.exp(rng.uniform(0, 4, (*shape, 1)))
    depth[:, :3] = np.inf
    surface = np.isfinite(depth)
    channels = {
        "albedo": rng.uniform(size=(*shape, 3)),
        "normal": normal / np.linalg.norm(normal, axis=-1, keepdims=True),
        "roughness": rng.uniform(size=(*shape, 1)),
        "metallic": rng.uniform(size=(*shape, 1)),
    }
    channels = {name: np.where(surface, values, 0).astype(np.float32) for name, values in channels.items()}
    return GBuffer(depth=depth.astype(np.float32), **channels)


def test_psnr_by_hand():
    assert metrics.psnr(np.full((4, 4), 0.6), np.full((4, 4), 0.5)) == pytest.approx(20)
    assert metrics.psnr(np.ones(3), np.ones(3)) == pytest.approx(120)
    assert metrics.rmse(np.array([0.0, 1.0]), np.array([0.3, 0.6])) == pytest.approx(np.sqrt(0.125))


def test_albedo_by_hand():
    truth = np.array([[0.2, 0.4, 0.1], [0.6, 0.2, 0.3]])
    half = metrics.score_albedo(truth / 2, truth)
    assert half["albedo_si_psnr"] == half["albedo_si3_psnr"] == pytest.approx(120)
    assert half["albedo_psnr"] == pytest.approx(-10 * np.log10(np.mean((truth / 2) ** 2)))
    tinted = metrics.score_albedo(truth * [0.5, 1, 2], truth)
    assert tinted["albedo_si3_psnr"] == pytest.approx(120)
    assert tinted["albedo_si_psnr"] < 40
    # linear 1 and 0.21404114 are coded 1 and 0.5: an error of a half is 6.0206 dB
    coded = metrics.score_albedo(np.full((5, 3), 0.21404114), np.ones((5, 3)))
    assert coded["albedo_psnr_srgb"] == pytest.approx(6.0206, abs=1e-3)
    bright = metrics.score_albedo(np.full((5, 3), 3.0), np.ones((5, 3)))
    assert bright["albedo_psnr"] == pytest.approx(120)


def test_normals_by_hand():
    truth = np.array([[0, 0, 1.0]] * 4)
    tilt = np.radians([0, 10, 20, 90])
    predicted = 3 * np.stack([np.sin(tilt), 0 * tilt, np.cos(tilt)], axis=-1)
    scores = metrics.score_normal(predicted, truth)
    assert scores["normal_mean"] == pytest.approx(30)
    assert scores["normal_median"] == pytest.approx(15)
    assert scores["normal_acc11"] == 0.5
    assert scores["normal_acc30"] == 0.75
    assert metrics.normal_angles(np.zeros((1, 3)), truth[:1]) == pytest.approx([90])


def test_depth_by_hand():
    truth = np.array([1.0, 2.0, 4.0])
    assert metrics.score_depth(7 * truth, truth) == {"depth_absrel": pytest.approx(0), "depth_delta1": 1.0}
    scores = metrics.score_depth(np.array([10.0, 10.0, 30.0]), truth)  # scaled to 2, 2, 6
    assert scores["depth_absrel"] == pytest.approx((1 + 0 + 0.5) / 3)
    assert scores["depth_delta1"] == pytest.approx(1 / 3)
    sky = metrics.score_depth(np.array([1.0, 2.0, np.inf]), truth)
    assert sky["depth_absrel"] == pytest.approx((1e4 - 4) / 4 / 3)


def test_auc_shares_ties():
    labels = np.array([True, True, False, False])
    assert metrics.auc(np.array([0.9, 0.8, 0.2, 0.1]), labels) == 1
    assert metrics.auc(np.array([0.1, 0.2, 0.8, 0.9]), labels) == 0
    assert metrics.auc(np.zeros(4), labels) == 0.5
    assert metrics.auc(np.array([0.5, 0.3, 0.3, 0.1]), labels) == 0.875
    assert np.isnan(metrics.auc(np.zeros(3), np.zeros(3, bool)))


def test_sky_iou_by_hand():
    truth = np.array([True, True, True, False])
    assert metrics.sky_iou(np.array([True, False, False, True]), truth) == 0.25
    assert metrics.sky_iou(truth, truth) == 1
    assert np.isnan(metrics.sky_iou(~truth & truth, ~truth & truth))


def test_perfect_prediction():
    truth = random_gbuffer(0)
    scores = metrics.score_gbuffer(truth, truth)
    for name in ("albedo_psnr", "albedo_psnr_srgb", "albedo_si_psnr", "albedo_si3_psnr"):
        assert scores[name] == pytest.approx(120)
    for name in ("depth_absrel", "roughness_rmse", "metallic_rmse"):
        assert scores[name] == pytest.approx(0, abs=1e-12)
    for name in ("normal_acc11", "normal_acc30", "depth_delta1", "metallic_auc", "sky_iou"):
        assert scores[name] == 1
    assert scores["normal_mean"] < 0.05  # arccos of float32 unit vectors


def test_background_does_not_count():
    truth, predicted = random_gbuffer(0), random_gbuffer(1)
    before = metrics.score_gbuffer(predicted, truth)
    for name in ("albedo", "normal", "roughness", "metallic"):
        getattr(predicted, name)[:, :3] = 0.77
    assert metrics.score_gbuffer(predicted, truth) == before
    predicted.depth[:, :2] = 5
    after = metrics.score_gbuffer(predicted, truth)
    assert after["sky_iou"] == pytest.approx(1 / 3)
    assert {**after, "sky_iou": 1.0} == before


def test_means_skip_what_is_missing():
    rows = [{"a": 1.0, "b": 2.0}, {"a": 2.0, "b": float("nan")}, {"a": 6.0}]
    assert metrics.mean_scores(rows) == {"a": 3.0, "b": 2.0}
    assert metrics.median_scores(rows) == {"a": 2.0, "b": 2.0}
    assert np.isnan(metrics.mean_scores([{"a": float("nan")}])["a"])


def test_ssim():
    rng = np.random.default_rng(0)
    picture = rng.uniform(size=(32, 40, 3))
    assert metrics.ssim(picture, picture) == pytest.approx(1)
    # flat pictures have no structure: only luminance is left, (2ab + c) / (a^2 + b^2 + c)
    dark, light = np.full((16, 16, 1), 0.2), np.full((16, 16, 1), 0.6)
    assert metrics.ssim(dark, light) == pytest.approx((0.24 + 1e-4) / (0.4 + 1e-4))
    noisy = [metrics.ssim(picture + rng.normal(0, s, picture.shape), picture) for s in (0.01, 0.1, 0.5)]
    assert 1 > noisy[0] > noisy[1] > noisy[2]


def test_flicker_by_hand():
    frames = np.zeros((3, 4, 4, 3))
    frames[1] = 0.5
    assert metrics.static_flicker(frames) == 0.5
    still = np.zeros((3, 4, 4), bool)
    still[2, 0, 0] = True
    frames[2, 0, 0] = 0.4
    assert metrics.static_flicker(frames, still) == pytest.approx(0.1)
    assert np.isnan(metrics.static_flicker(frames[:1]))


def test_warping_follows_motion():
    rng = np.random.default_rng(0)
    world = rng.uniform(size=(20, 40, 3))
    frames = np.stack([world[:, 2 * t : 2 * t + 24] for t in range(4)])  # the camera goes right
    motion = np.zeros((4, 20, 24, 2))
    motion[..., 0] = 2
    visible = metrics.seen_before(np.ones((4, 20, 24)), motion)
    assert not visible[0].any()
    assert visible[1, :, :22].all()
    assert not visible[1, :, 22:].any()
    assert metrics.warping_error(frames, motion, visible) == pytest.approx(0)
    assert metrics.warping_error(frames, 0 * motion, visible) > 0.1
    frames[3] += 0.3
    assert metrics.warping_error(frames, motion, visible) == pytest.approx(0.1)
    assert np.isnan(metrics.warping_error(frames[:1], motion[:1], visible[:1]))


def test_warp_between_pixels():
    ramp = np.broadcast_to(np.arange(8.0)[:, None], (6, 8, 1))
    moved = metrics.warp(ramp, np.full((6, 8, 2), 0.25))
    assert moved[2, :7, 0] == pytest.approx(np.arange(7) + 0.25)
    assert np.isnan(moved[2, 7, 0])
    assert np.isnan(moved[5, 2, 0])


def test_uncovered_ground_was_not_seen_before():
    depth = np.full((2, 4, 6), 10.0)
    depth[0, :, 2] = 2.0  # a post stood here and went
    depth[1, :, 5] = np.inf
    visible = metrics.seen_before(depth, np.zeros((2, 4, 6, 2)))
    assert visible[1].all(axis=0).tolist() == [True, True, False, True, True, False]


def test_foreign_files_are_read_and_refused(tmp_path):
    clip = random_gbuffer(3)
    arrays = {
        "rgb": np.zeros((2, 12, 16, 3), np.uint8),
        "albedo": clip.albedo.astype(np.float16),
        "normal": clip.normal.astype(np.float16),
        "depth": clip.depth[..., 0],
        "roughness": np.rint(clip.roughness[..., 0] * 255).astype(np.uint8),
        "metallic": np.rint(clip.metallic[..., 0] * 255).astype(np.uint8),
        "family": "desert",
        "seed": 4,
    }
    np.savez_compressed(tmp_path / "desert_4.npz", **arrays)
    (found,) = read_eval_clips(tmp_path)
    assert (found.name, found.family, found.motion, found.looks) == ("desert_4", "desert", None, {})
    assert np.abs(found.truth.roughness - clip.roughness).max() <= 0.5 / 255 + 1e-6
    assert np.array_equal(found.truth.depth, clip.depth)
    del arrays["normal"]
    np.savez(tmp_path / "desert_4.npz", **arrays)
    with pytest.raises(ClipError, match=r"desert_4\.npz: lacks normal"):
        read_foreign_clip(tmp_path / "desert_4.npz")
    (tmp_path / "desert_4.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(ClipError, match="cannot be read"):
        read_foreign_clip(tmp_path / "desert_4.npz")
    with pytest.raises(RequestError, match="neither"):
        list(read_eval_clips(tmp_path / "empty"))


@pytest.mark.skipif(
    not (FOREIGN / "metrics.py").is_file(), reason="the foreign test set is not beside the repository"
)
def test_agrees_with_the_foreign_sets_own_scores():
    spec = importlib.util.spec_from_file_location("foreign_metrics", FOREIGN / "metrics.py")
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)
    path = sorted(FOREIGN.glob("*.npz"))[0]
    clip, rng = read_foreign_clip(path), np.random.default_rng(0)
    noise = {name: rng.normal(0, 0.1, array.shape) for name, array in clip.truth.channels().items()}
    predicted = GBuffer(
        albedo=np.clip(clip.truth.albedo * 0.8 + noise["albedo"], 0, 1).astype(np.float32),
        normal=(clip.truth.normal + 3 * noise["normal"]).astype(np.float32),
        depth=np.float32(3 * np.exp(2 * noise["depth"])) * np.minimum(clip.truth.depth, 500),
        roughness=np.clip(clip.truth.roughness + noise["roughness"], 0, 1).astype(np.float32),
        metallic=np.round(np.clip(clip.truth.metallic + 3 * noise["metallic"], 0, 1), 1).astype(np.float32),
    )
    plain = {
        name: array if array.shape[-1] == 3 else array[..., 0] for name, array in predicted.channels().items()
    }
    expected = theirs.score(plain, theirs.load(path))
    ours = metrics.score_gbuffer(predicted, clip.truth)
    shared = {name for name in expected if not name.startswith("disp")}
    assert shared == set(ours) - {"sky_iou"}
    for name in shared:
        assert ours[name] == pytest.approx(expected[name], abs=1e-6), name
