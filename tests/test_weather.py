"""The weather overlay: what it leaves alone, what hides it, its seeds and times, and how it moves."""

import numpy as np
import pytest

from editing.particles import chance, discs, falling, streaks
from editing.weather import EFFECTS, MEDIAN_METRES, metres_per_unit, overlay

HEIGHT, WIDTH = 120, 208
FALLING = ["rain", "storm", "snow", "underwater", "fantasy", "dust", "autumn"]


def grey(level: float = 0.3, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.full((height, width, 3), level, np.float32)


def far(metres: float = 1000.0, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.full((height, width), metres, np.float32)


def changed(result: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    return np.abs(result - rgb).max(-1) > 1e-3


@pytest.mark.parametrize(
    "looks", [{}, {"sunny": 1.0}, {"fog": 0.9, "autumn": 0.1}, {"snow": 0.2}, {"unheard of": 1.0}]
)
def test_looks_without_particles_leave_the_picture_as_it_is(looks):
    rgb = grey()
    assert overlay(rgb, far(), looks, time=0.5, seed=1) is rgb


@pytest.mark.parametrize("look", FALLING)
def test_particles_are_drawn_and_stay_in_range(look):
    rgb = grey()
    result = overlay(rgb, far(), {look: 0.9}, time=0.5, seed=1)
    assert result.shape == rgb.shape
    assert result.dtype == np.float32
    assert 0 <= result.min() <= result.max() <= 1
    assert changed(result, rgb).mean() > 0.005
    assert (rgb == np.float32(0.3)).all()  # the input is not written


@pytest.mark.parametrize("look", list(EFFECTS))
def test_same_seed_and_time_same_bytes_others_other_bytes(look):
    def draw(seed: int, time: float) -> bytes:
        return overlay(grey(0.05), far(np.inf), {look: 0.9}, time=time, seed=seed).tobytes()

    assert draw(3, 2.5) == draw(3, 2.5)
    assert draw(3, 2.5) != draw(4, 2.5)
    assert draw(3, 2.5) != draw(3, 2.75)


@pytest.mark.parametrize("look", ["rain", "storm", "snow", "underwater", "fantasy", "autumn"])
def test_a_near_wall_hides_what_is_behind_it(look):
    rgb, depth = grey(), far()
    depth[:, : WIDTH // 2] = 0.9  # nearer than the nearest particle
    touched = changed(overlay(rgb, depth, {look: 1.0}, time=1.0, seed=2), rgb)
    assert not touched[:, : WIDTH // 2].any()
    assert touched[:, WIDTH // 2 :].any()


def test_a_wall_in_the_middle_hides_the_far_layer_only():
    rgb = grey()
    shares = [
        changed(overlay(rgb, far(m), {"snow": 1.0}, time=1.0, seed=2), rgb).mean() for m in (0.9, 2.5, 6, 50)
    ]
    assert shares[0] == 0 < shares[1] < shares[2] < shares[3]


def test_depth_without_a_unit_is_scaled_by_the_clips_median():
    rgb, depth = grey(), far(6.0)
    depth[:, :50] = 2.0
    scale = metres_per_unit(float(np.median(depth)) / 1000)
    assert scale == pytest.approx(MEDIAN_METRES / 0.006)
    in_metres = overlay(rgb, depth * 2, {"rain": 1.0}, time=1.0, seed=2)
    scaled = overlay(rgb, depth / 1000, {"rain": 1.0}, time=1.0, seed=2, metres_per_unit=scale)
    np.testing.assert_allclose(scaled, in_metres, atol=1e-6)
    assert [metres_per_unit(bad) for bad in (0.0, -1.0, np.inf, np.nan)] == [1.0] * 4


def test_stars_stand_in_a_dark_sky_alone_and_do_not_wander():
    rgb, depth = grey(0.03), far(20.0)
    depth[: HEIGHT // 2] = np.inf
    first, later = (changed(overlay(rgb, depth, {"night": 0.9}, time=t, seed=2), rgb) for t in (0.0, 7.3))
    assert first[: HEIGHT // 2].sum() > 20
    assert not first[HEIGHT // 2 :].any()
    assert (first & later).sum() > 0.9 * first.sum()
    assert not changed(overlay(grey(0.8), depth, {"night": 0.9}, time=0.0, seed=2), grey(0.8)).any()


def test_the_strength_follows_the_probability():
    rgb = grey()
    shares = [
        changed(overlay(rgb, far(), {"snow": p}, time=1.0, seed=2), rgb).mean() for p in (0.3, 0.5, 0.9)
    ]
    assert 0 < shares[0] < shares[1] < shares[2]


def test_snow_is_bright_on_grey_and_dim_at_night():
    day = overlay(grey(0.5), far(), {"snow": 0.9}, time=1.0, seed=2).max()
    night = overlay(grey(0.02), far(), {"snow": 0.9}, time=1.0, seed=2).max()
    assert day > 0.7
    assert night < 0.55


def test_particles_fall_drift_and_rise_smoothly_and_near_ones_faster():
    for speed, sign in ((5.0, 1), (-0.5, -1)):
        near, again = (falling(1, 500, 1.5, speed, 0.2, 16 / 9, t) for t in (3.0, 3.01))
        deep, deeper = (falling(1, 500, 10, speed, 0.2, 16 / 9, t) for t in (3.0, 3.01))
        step, deep_step = again.y - near.y, deeper.y - deep.y
        stayed, deep_stayed = np.abs(step) < 0.5, np.abs(deep_step) < 0.5
        assert stayed.mean() > 0.9
        assert (np.sign(step[stayed]) == sign).all()
        assert np.abs(step[stayed]).min() > np.abs(deep_step[deep_stayed]).max()
        assert (again.x - near.x)[stayed & (near.x < 1.8)].min() > 0


def test_particles_fill_the_frame_evenly_at_any_time():
    for time in (0.0, 12.34, 36_000.0):
        p = falling(7, 4000, 4, 1.3, 0.35, 16 / 9, time)
        for values, end in ((p.x, 16 / 9), (p.y, 1.0)):
            counts = np.histogram(values, 5, (-0.15, end + 0.15))[0]
            assert counts.sum() == 4000
            assert 680 < counts.min() <= counts.max() < 920
        assert abs(np.corrcoef(p.x, p.life)[0, 1]) < 0.06


def test_chances_are_even_and_fixed():
    values = chance(5, 1, np.arange(10_000))
    assert 0 <= values.min() < values.max() < 1
    assert np.histogram(values, 10, (0, 1))[0].min() > 880
    np.testing.assert_array_equal(chance(5, 1, np.arange(3)), values[:3])


def test_sprites_at_the_border_do_not_leave_the_frame_or_wrap():
    p = falling(1, 300, 4, 1.0, 0.0, 2.0, 1.0)
    touch, across, down = discs(p, np.full(300, 6.0), 2.0, 60, 120)
    assert touch.pixel.min() >= 0
    assert touch.pixel.max() < 60 * 120
    assert (across**2 + down**2 < 4).all()
    column = touch.pixel % 120 + 0.5
    np.testing.assert_allclose(column, (p.x[touch.owner] * 60 + 6 * across), atol=1e-6)
    line = streaks(p, np.full(300, 20.0), 0.3, 0.8, 60, 120)
    row, column = line.pixel // 120, line.pixel % 120
    assert (np.abs(column + 0.5 - (p.x * 60)[line.owner] + 0.3 * ((p.y * 60)[line.owner] - row)) < 3).all()


@pytest.mark.parametrize("size", [(17, 31), (480, 832), (64, 36), (1, 1)])
@pytest.mark.parametrize("look", list(EFFECTS))
def test_any_size(look, size):
    height, width = size
    result = overlay(grey(0.1, height, width), far(np.inf, height, width), {look: 1.0}, time=0.1, seed=0)
    assert result.shape == (height, width, 3)
    assert np.isfinite(result).all()
