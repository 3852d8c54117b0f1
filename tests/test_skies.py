"""Other skies: surfaces stay as they are, the sky is one for the clip, and every kind is drawn."""

import numpy as np

from training.skies import draw_sky, swap_sky


def test_only_the_sky_changes_and_alike_in_every_frame():
    rng = np.random.default_rng(1)
    clip = rng.integers(0, 256, (3, 24, 40, 3), np.uint8)
    sky = np.zeros((3, 24, 40), bool)
    sky[:, :9] = True
    sky[1, :12] = True
    swapped = swap_sky(clip, sky, np.random.default_rng(2))
    assert np.array_equal(swapped[~sky], clip[~sky])
    assert np.array_equal(swapped[0, :9], swapped[2, :9])
    assert np.mean(swapped[sky] != clip[sky]) > 0.9
    assert np.array_equal(swapped, swap_sky(clip, sky, np.random.default_rng(2)))
    assert swap_sky(clip, np.zeros_like(sky), rng) is clip


def test_skies_are_blue_grey_warm_and_dark():
    rng = np.random.default_rng(0)
    means = np.array([draw_sky(36, 64, rng).mean((0, 1)) for _ in range(200)])
    red, _, blue = means.T
    assert 0.3 < np.mean(blue > red + 25) < 0.8
    assert np.mean(np.abs(blue - red) < 12) > 0.1
    assert np.mean(red > blue + 25) > 0.04
    assert means.mean(1).min() < 40
    assert means.mean(1).max() > 200
