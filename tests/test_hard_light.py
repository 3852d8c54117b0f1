"""Harder light: lit places gain over those in shade, colours of paint and the order of frames do not matter."""

import numpy as np

from alaya.colour import linear_to_srgb, srgb_to_linear
from training.hard_light import harden


def street(frames=2):
    """A sunlit right third and a shaded rest, each half dark and half bright stone, under a sky."""
    albedo = np.zeros((frames, 24, 30, 3), np.float32)
    albedo[:, 6:15], albedo[:, 15:] = 0.15, 0.5
    light = np.full((30, 1), 0.25, np.float32)
    light[20:] = 0.7
    rgb = np.rint(linear_to_srgb(albedo * light) * 255).astype(np.uint8)
    rgb[:, :6] = (120, 150, 210)
    return rgb, albedo, albedo.max(-1) > 0


def lights(rgb, albedo):
    """(shade, sun) of dark and of bright stone, linear."""
    linear = srgb_to_linear(rgb[0] / 255)
    return [
        (linear[row, 3, 0] / albedo[0, row, 3, 0], linear[row, 25, 0] / albedo[0, row, 25, 0])
        for row in (10, 20)
    ]


def test_sun_gains_over_shade_on_dark_and_bright_stone_alike():
    rgb, albedo, surface = street()
    ratios = []
    for seed in range(40):
        (shade, sun), (bright_shade, bright_sun) = lights(
            harden(rgb, albedo, surface, np.random.default_rng(seed)), albedo
        )
        ratios.append(sun / shade / 2.8)
        assert abs(bright_shade / shade - 1) < 0.12  # bytes are a coarse measure of dark stone
        assert sun / shade > 2.7
        assert bright_sun / bright_shade < 1.05 * sun / shade  # bright stone burns first
    assert 1.3 < np.median(ratios) < 4.5
    assert max(ratios) > 2


def test_exposure_follows_what_the_picture_gained():
    rgb, albedo, surface = street()
    before = srgb_to_linear(rgb / 255)[surface].mean()
    after = [
        srgb_to_linear(harden(rgb, albedo, surface, np.random.default_rng(seed)) / 255)[surface].mean()
        for seed in range(40)
    ]
    assert 0.75 < np.median(after) / before < 1.5
    assert max(after) / before < 2.5


def test_same_chance_same_bytes_and_frames_change_alike():
    rgb, albedo, surface = street()
    for seed in range(5):
        hard = harden(rgb, albedo, surface, np.random.default_rng(seed))
        assert np.array_equal(hard, harden(rgb, albedo, surface, np.random.default_rng(seed)))
        assert np.array_equal(hard[0], hard[1])
        assert hard.dtype == np.uint8
        assert not np.array_equal(hard, rgb)


def test_a_clip_of_sky_stays():
    rgb, albedo, surface = street()
    assert harden(rgb, albedo, np.zeros_like(surface), np.random.default_rng(0)) is rgb
