"""Usual worlds keep to what games show, wide ones stray; both are drawn by the same code."""

import numpy as np
import pytest

from alaya.errors import RequestError
from worlds.materials import Mood
from worlds.random_light import random_lighting
from worlds.scene import build_scene
from worlds.variety import USUAL, VARIETIES, WIDE, variety_of


def test_names():
    assert [variety_of(name) for name in VARIETIES] == [USUAL, WIDE]
    with pytest.raises(RequestError, match="no variety 'plain'; there are usual, wide"):
        variety_of("plain")


def test_moods_and_light_stray_as_far_as_they_may():
    drawn = {}
    for variety in (USUAL, WIDE):
        rng = np.random.default_rng(3)
        moods = [Mood.draw(rng, variety) for _ in range(400)]
        looks = [random_lighting(rng, k % 4 == 0, variety)[0] for k in range(400)]
        low, high = variety.bump
        assert all(low <= mood.bump <= high for mood in moods)
        drawn[variety.name] = {
            "bump": np.mean([mood.bump for mood in moods]),
            "roughness": np.std([mood.roughness for mood in moods]),
            "hue": np.mean([abs(mood.hue) > 0.1 for mood in moods]),
            "adapt": np.mean([look.adapt for look in looks]),
            "particles": np.mean([look.particles != "none" for look in looks]),
            "wet": np.mean([look.wet > 0 for look in looks]),
            "tint": np.std([look.tint[0] for look in looks]),
            "dark": np.mean([look.stars > 0 for look in looks]),
        }
    usual, wide = drawn["usual"], drawn["wide"]
    assert usual["hue"] == 0
    assert all(usual[name] < 0.75 * wide[name] for name in wide), drawn


def test_scenes_of_a_seed_differ_by_variety_and_repeat_within_it():
    usual, wide, again = (build_scene(6, "street", 2, variety) for variety in (USUAL, WIDE, USUAL))
    assert np.array_equal(usual.materials, again.materials)
    assert np.array_equal(usual.vertices, again.vertices)
    assert usual.materials[:, 13].max() < wide.materials[:, 13].max()
    assert np.array_equal(build_scene(6, "street", 2).materials, usual.materials)
