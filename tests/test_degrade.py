"""Degradations: seeded, within range and shape, identity at strength 0, and each does what its name says."""

import numpy as np
import pytest

from training.degrade import STEPS, Chances, degrade
from training.hud import hud_layer, overlay

SURE = Chances(**dict.fromkeys(STEPS, 1.0))


@pytest.fixture
def clip():
    """Three frames of smooth colour with an edge, 48x64, moving a little."""
    y, x = np.mgrid[0:48, 0:64]
    frames = []
    for shift in range(3):
        picture = np.stack([x * 3.5 + shift, y * 4.0, np.where(x + shift > 30, 200, 40)], axis=-1)
        frames.append(np.clip(picture, 0, 255))
    return np.stack(frames).astype(np.uint8)


def spread(clip):
    """Mean step from each pixel to its right neighbour."""
    return np.abs(np.diff(clip.astype(float), axis=2)).mean()


def test_every_degradation_has_a_chance():
    assert set(STEPS) == set(Chances.__dataclass_fields__)


@pytest.mark.parametrize("name", STEPS)
def test_step_is_seeded_and_keeps_the_shape(clip, name):
    before = clip.copy()
    first = STEPS[name](clip, np.random.default_rng(3), 1.0)
    again = STEPS[name](clip, np.random.default_rng(3), 1.0)
    assert first.shape == clip.shape
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert np.array_equal(clip, before)
    assert any(
        not np.array_equal(STEPS[name](clip, np.random.default_rng(s), 1.0), first) for s in range(4, 9)
    )
    assert not np.array_equal(first, clip)


@pytest.mark.parametrize("name", STEPS)
def test_step_at_strength_zero_is_the_identity(clip, name):
    for seed in range(3):
        assert np.array_equal(STEPS[name](clip, np.random.default_rng(seed), 0.0), clip)


def test_whole_chain(clip):
    assert degrade(clip, np.random.default_rng(0), 0.0, SURE) is clip
    full = degrade(clip, np.random.default_rng(0), 1.0, SURE)
    assert full.shape == clip.shape
    assert np.array_equal(full, degrade(clip, np.random.default_rng(0), 1.0, SURE))
    # Objects stay where they are: the edge in blue outlives everything.
    assert np.corrcoef(full[..., 2].ravel(), clip[..., 2].ravel())[0, 1] > 0.5


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 7, 9), (2, 31, 17), (1, 144, 256)])
def test_any_size(shape):
    clip = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    video = float(min(shape[1:]) > 1)  # no encoder takes a single pixel
    chances = Chances(**dict.fromkeys(STEPS, 1.0) | {"video": video})
    assert degrade(clip, np.random.default_rng(1), 1.0, chances).shape == clip.shape


def test_a_mirrored_view_is_taken(clip):
    mirrored = clip[:, :, ::-1]
    assert degrade(mirrored, np.random.default_rng(2), 1.0, SURE).shape == clip.shape


def test_noise_is_new_in_every_frame_and_a_hud_is_not():
    still = np.full((2, 90, 160, 3), 128, np.uint8)
    grain = STEPS["noise"](still, np.random.default_rng(0), 1.0).astype(int)
    assert 0.5 < grain.std() < 12
    assert abs(np.corrcoef(grain[0].ravel(), grain[1].ravel())[0, 1]) < 0.05
    drawn = STEPS["hud"](still, np.random.default_rng(0), 1.0)
    assert np.array_equal(drawn[0], drawn[1])
    assert 0.002 < (drawn[0] != 128).any(-1).mean() < 0.6


def test_overlay_mixes_by_coverage():
    rgb = np.full((1, 1, 2, 3), 100, np.uint8)
    layer = np.array([[[200, 0, 100, 255], [255, 255, 255, 0]]], np.uint8)
    assert overlay(rgb, layer, 1.0).tolist() == [[[[200, 0, 100], [100, 100, 100]]]]
    assert overlay(rgb, layer, 0.5).tolist() == [[[[150, 50, 100], [100, 100, 100]]]]


def test_huds_differ_and_leave_most_of_the_picture_free():
    covers = [(hud_layer(144, 256, np.random.default_rng(seed))[..., 3] > 0).mean() for seed in range(30)]
    assert len(set(covers)) > 25
    assert 0.01 < np.median(covers) < 0.3


def test_steps_do_what_they_are_called(clip):
    def mean(name, measure):
        return np.mean([measure(STEPS[name](clip, np.random.default_rng(s), 1.0)) for s in range(12)])

    assert mean("blur", spread) < spread(clip) < mean("sharpen", spread)
    assert mean("vignette", lambda c: c[:, -1, 0].mean()) < clip[:, -1, 0].mean() - 10
    grey = np.repeat(clip[..., :1], 3, axis=-1)
    assert np.abs(STEPS["saturation"](grey, np.random.default_rng(0), 1.0).astype(int) - grey).max() <= 1
    luma = np.array([0.299, 0.587, 0.114])
    coarse = STEPS["chroma"](clip, np.random.default_rng(0), 1.0)
    assert np.abs((coarse @ luma) - (clip @ luma)).mean() < 4
    for name in ("jpeg", "video"):
        error = np.abs(STEPS[name](clip, np.random.default_rng(0), 1.0).astype(int) - clip).mean()
        assert 0.3 < error < 25
