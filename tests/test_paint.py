"""Other paint: one colour changes with the light that falls on it kept, everything else stays as it is."""

import numpy as np

from alaya.colour import linear_to_srgb
from training.paint import BRIGHTEST, repaint


def two_walls():
    """A wall of one colour under light that falls off, a second wall, a metal strip, and sky."""
    albedo = np.zeros((2, 12, 20, 3), np.float32)
    albedo[:, 2:8] = (0.3, 0.2, 0.1)
    albedo[:, 8:] = (0.05, 0.6, 0.9)
    metallic = np.zeros((2, 12, 20), np.float32)
    metallic[:, 2:8, :3] = 1
    light = np.linspace(0.2, 1.0, 20, dtype=np.float32)[:, None]
    rgb = np.rint(linear_to_srgb(albedo * light) * 255).astype(np.uint8)
    rgb[:, :2] = 200
    return rgb, albedo, metallic, light


def test_one_paint_changes_and_keeps_its_light():
    rgb, albedo, metallic, light = two_walls()
    changed = 0
    for seed in range(30):
        picture, painted = repaint(rgb, albedo, metallic, np.random.default_rng(seed))
        where = np.any(painted != albedo, -1)
        if not where.any():
            assert picture is rgb
            continue
        changed += 1
        assert np.array_equal(picture[~where], rgb[~where])
        assert not where[:, :2].any()
        assert not (where & (metallic > 0)).any()
        walls = [where[:, 2:8, 3:].all(), where[:, 8:].all()]
        assert sorted(walls) == [False, True]  # the whole of one wall in both frames, nothing of the other
        right = linear_to_srgb(np.clip(painted * light, 0, 1)) * 255
        off = np.abs(picture - right)[where]
        assert off.max() < 14  # the old picture's bytes are a coarse measure of the light
        assert off.mean() < 3
    assert changed > 15


def test_half_of_the_paint_is_white_and_the_same_seed_paints_the_same():
    rgb, albedo, metallic, _ = two_walls()
    whites = 0
    for seed in range(60):
        _, painted = repaint(rgb, albedo, metallic, np.random.default_rng(seed))
        assert np.array_equal(painted, repaint(rgb, albedo, metallic, np.random.default_rng(seed))[1])
        where = np.any(painted != albedo, -1)
        assert painted.max() <= BRIGHTEST
        whites += bool(where.any() and painted[where].min() > 0.45)
    assert whites > 8


def test_what_is_no_plain_surface_stays():
    rgb, albedo, metallic, _ = two_walls()
    for plain in ((albedo, np.ones_like(metallic)), (np.zeros_like(albedo), metallic)):
        picture, painted = repaint(rgb, *plain, np.random.default_rng(0))
        assert picture is rgb
        assert painted is plain[0]
