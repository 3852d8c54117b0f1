"""One scale for a whole clip: factors are found, noise is left alone, and an interrupted run uses them again."""

import numpy as np
import pytest
from fakes import FakeInverse, bigger, fake_loader
from gbuffer_samples import make_gbuffer
from test_jobs import make_clip
from test_resume import Killed, tree

from alaya.clip import open_clip
from alaya.seams import ratio_step
from pipelines import inverse_job
from pipelines.align import apply_scale, fit_scale
from pipelines.inverse_job import run_inverse
from pipelines.journal import INVERSE_JOB, Journal
from pipelines.settings import InverseSettings
from pipelines.stitch import Carry, pack

FACTORS = np.log([1.3, 0.9, 0.8, 1.1])


def carried(packed, rise=0.5):
    """The sums that windows leave whose frames are `packed`."""
    weights = tuple(np.linspace(1 - rise / 2, rise / 2, len(packed)).tolist())
    return Carry(packed * np.array(weights, np.float32)[:, None, None, None], weights)


def scaled(packed, logs):
    values = packed.copy()
    values[..., 6] += np.float32(logs[0]) * values[..., 9]
    values[..., :3] *= np.exp(logs[1:]).astype(np.float32)
    return values


@pytest.fixture
def known():
    clip = make_gbuffer(5, 20, 30, seed=1)
    clip.albedo[:] *= 0.7
    return pack(clip)


def test_a_window_comes_back_to_the_scale_of_those_before_it(known):
    later = np.concatenate([scaled(known, FACTORS)] * 2)  # twice as long as what it shares
    scale = fit_scale(later, carried(known))
    assert np.allclose(scale, -FACTORS, atol=1e-4)
    apply_scale(later, scale)
    assert np.abs(later[5:] - known).max() < 1e-4
    assert later[..., :3].max() <= 1


def test_the_factor_is_found_although_a_third_of_the_pixels_say_something_else(known):
    later = scaled(known, FACTORS)
    later[:, :6, :, 6] += later[:, :6, :, 9]
    assert fit_scale(later, carried(known))[0] == pytest.approx(-FACTORS[0], abs=1e-3)


@pytest.mark.parametrize("logs", [(0, 0, 0, 0), (0.004, 0.009, -0.009, 0)])
def test_what_is_alike_is_left_alone(known, logs):
    assert fit_scale(scaled(known, np.array(logs)), carried(known)) == ()


def test_frames_that_disagree_are_no_scale(known):
    later = known.copy()
    for frame, log in enumerate((0.3, -0.3, 0.02, 0.25, -0.2)):
        later[frame, ..., 6] += np.float32(log) * later[frame, ..., 9]
    assert fit_scale(later, carried(known)) == ()


def test_where_no_surface_is_seen_nothing_is_scaled(known):
    assert fit_scale(np.zeros_like(known), carried(known)) == ()


class Wandering(FakeInverse):
    """Every window has a scale of its own, which is seen at full size too; dies at the call it is told."""

    def __init__(self, die_at=0):
        super().__init__()
        self.die_at = die_at

    def predict(self, rgb, **options):
        result = super().predict(rgb, **options)
        if len(self.calls) == self.die_at:
            raise Killed
        turn = options["first_frame"] // 8
        result.depth[:] *= 1 + 0.2 * (turn % 3)
        result.albedo[:] *= 1 - 0.1 * (turn % 3)
        return result

    def restore(self, coarse, rgb):
        fine = super().restore(coarse, rgb)
        fine.albedo[:] = bigger(coarse.albedo, *rgb.shape[1:3])
        fine.depth[:] = bigger(coarse.depth, *rgb.shape[1:3])
        return fine


@pytest.fixture
def clip(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    return make_clip(tmp_path / "clip.mp4", 60, 16, 32)


def inverse(settings, model):
    return run_inverse(settings, load=fake_loader(model))


def steps(folder):
    """By how many per cent depth grows from frame to frame."""
    depth = open_clip(folder).read().depth
    return np.abs([ratio_step(depth[i], depth[i + 1], 0) for i in range(len(depth) - 1)])


def test_a_clip_has_one_depth_scale(tmp_path, clip, monkeypatch):
    aligned = inverse(InverseSettings(clip, output=tmp_path / "aligned"), Wandering())
    assert steps(aligned).max() < 0.1
    assert steps(aligned).sum() < 0.3
    assert np.abs(open_clip(aligned).read().depth[..., 0][:, -1] - 2).max() < 0.02  # that of the first window
    monkeypatch.setattr(inverse_job, "fit_scale", lambda values, carry: ())
    assert steps(inverse(InverseSettings(clip, output=tmp_path / "blended"), Wandering())).max() > 2


@pytest.mark.parametrize("harm", [False, True])
@pytest.mark.parametrize("die_at", [2, 4, 6])
def test_an_interrupted_run_uses_the_noted_scales(tmp_path, clip, die_at, harm):
    whole = inverse(InverseSettings(clip, output=tmp_path / "whole"), Wandering())
    settings = InverseSettings(clip, output=tmp_path / "torn")
    with pytest.raises(Killed):
        inverse(settings, Wandering(die_at))
    if harm:
        for tail in (settings.folder / ".alaya" / "work" / "inverse").glob("tail-*"):
            tail.unlink()
    inverse(settings, Wandering())
    assert tree(settings.folder) == tree(whole)
    scales = [entry.get("scale") for entry in Journal(whole).run(INVERSE_JOB).windows]
    assert scales == [entry.get("scale") for entry in Journal(settings.folder).run(INVERSE_JOB).windows]
    assert scales[0] is None
    assert scales[1][0] == pytest.approx(-np.log(1.2), abs=1e-3)
