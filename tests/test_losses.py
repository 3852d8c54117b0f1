"""What training charges: nothing for the truth, nothing for the sky, and only what each part is for."""

import pytest
import torch
from gbuffer_samples import make_gbuffer

from alaya.netcode import METALLIC, SKY, encode
from training.losses import (
    albedo_decibels,
    decibels,
    depth_loss,
    edge_loss,
    editing_loss,
    inverse_loss,
    masked_mean,
    near_and_square,
    sky_share,
    still_loss,
)


@pytest.fixture
def target():
    return torch.stack([encode(make_gbuffer(3, 8, 12, seed=seed)) for seed in (1, 2)])


def as_raw(target):
    """The truth as a network would say it: metallic and sky as sure logits."""
    raw = target.clone()
    raw[:, :, SKY] *= 30
    probability = ((target[:, :, METALLIC] + 1) / 2).clamp(1e-6, 1 - 1e-6)
    raw[:, :, METALLIC] = probability.logit()
    return raw


def test_the_truth_costs_nothing(target):
    _, parts = inverse_loss(as_raw(target), target)
    for name in ("albedo", "normal", "depth", "roughness", "sky", "sky_share", "edges", "still"):
        assert parts[name] == pytest.approx(0, abs=1e-5), name
    assert parts["albedo_decibels"] == pytest.approx(
        0, abs=0.3
    )  # the gain's guard against nothing costs a little
    off, worse = inverse_loss(as_raw(target) + 0.3, target)
    assert off > 0.1
    assert all(worse[name] > 0.01 for name in ("albedo", "normal", "roughness"))
    # what is left for metallic is the entropy of its truth, and nothing costs less
    assert parts["metallic"] < worse["metallic"]


def test_the_sky_is_masked(target):
    raw = as_raw(target)
    sky = (target[:, :, SKY] > 0).expand(-1, -1, 9, -1, -1)
    changed = raw.clone()
    changed[:, :, :9][sky] = torch.randn(int(sky.sum()))
    before, after = inverse_loss(raw, target)[1], inverse_loss(changed, target)[1]
    assert after == pytest.approx(before, abs=1e-6)
    changed[:, :, SKY] *= -1
    assert inverse_loss(changed, target)[1]["sky"] > 10


def test_a_doubtful_value_is_drawn_to_its_mean_more_than_a_distance_would():
    truth = torch.tensor([0.0, 0.0, 1.0]).view(1, 3, 1, 1, 1)  # a value that light leaves open
    guesses = torch.linspace(0, 1, 101)
    costs = [float(near_and_square(guess - truth, torch.ones_like(truth))) for guess in guesses]
    best = float(guesses[int(torch.tensor(costs).argmin())])
    assert best == pytest.approx(2.5 / 9, abs=0.006)  # between the median 0 and the mean 1/3
    assert float(near_and_square(torch.full((1, 1, 3, 64, 64), 0.4), torch.ones(1, 1, 1, 64, 64))) == (
        pytest.approx(0.5 * 0.4 + 1.5 * 0.16, rel=1e-3)
    )


def test_depth_is_charged_up_to_a_scale():
    torch.manual_seed(0)
    true = torch.rand(2, 2, 1, 16, 16) - 0.5
    mask = torch.ones_like(true)
    shift = torch.tensor([0.2, -0.4]).view(2, 1, 1, 1, 1)  # another scale for each clip
    scaled, bent = float(depth_loss(true + shift, true, mask)), float(depth_loss(true * 2, true, mask))
    assert scaled == pytest.approx(0.2 * 0.3, rel=0.02)  # a fifth of the mean shift
    assert bent > 0.2
    across = true + torch.tensor([0.2, -0.2]).view(
        1, 2, 1, 1, 1
    )  # a scale that changes inside a clip is charged
    assert float(depth_loss(across, true, mask)) > 0.2


def test_only_flicker_is_charged():
    torch.manual_seed(0)
    true, mask = torch.randn(1, 4, 3, 6, 6), torch.ones(1, 4, 1, 6, 6)
    still = torch.randn(1, 1, 3, 6, 6)
    assert float(still_loss(true + still, true, mask)) == pytest.approx(0, abs=1e-6)
    assert float(still_loss(true + torch.randn_like(true), true, mask)) > 0.5
    assert float(still_loss(true[:, :1] + 1, true[:, :1], mask[:, :1])) == 0


def test_edges_are_differences_of_neighbours():
    true, mask = torch.zeros(1, 1, 1, 8, 8), torch.ones(1, 1, 1, 8, 8)
    assert float(edge_loss(true + 3, true, mask)) == 0
    step = true.clone()
    step[..., 4:] = 1
    assert float(edge_loss(step, true, mask)) == pytest.approx(
        8 / 57
    )  # 8 of 56 pairs, and the one that guards
    mask[..., 4:] = 0
    assert float(edge_loss(step, true, mask)) == 0


def test_an_empty_mask_costs_nothing():
    assert float(masked_mean(torch.ones(1, 1, 3, 4, 4), torch.zeros(1, 1, 1, 4, 4))) == 0


def test_editing_loss():
    torch.manual_seed(0)
    picture, looks = torch.rand(2, 2, 3, 8, 8) * 2 - 1, torch.tensor([1, 4])
    sure = 20 * torch.nn.functional.one_hot(looks, 5).float()
    _, parts = editing_loss(picture, picture, sure, looks)
    assert [parts[name] for name in ("picture", "square", "edges", "still")] == [0, 0, 0, 0]
    wrong = editing_loss(picture, picture, -sure, looks)[1]
    assert wrong["words"] > parts["words"] + 3
    _, off = editing_loss(picture + 0.5, picture, sure, looks)
    assert (off["picture"], off["square"]) == pytest.approx((0.5, 0.25), rel=1e-5)
    assert off["still"] == pytest.approx(0, abs=1e-6)


def test_decibels_are_the_mean_psnr_of_the_clips():
    torch.manual_seed(0)
    target = torch.rand(2, 1, 3, 8, 8) * 2 - 1
    near = target + torch.tensor([0.02, 0.2]).view(2, 1, 1, 1, 1)  # 40 and 20 dB
    assert float(decibels(near, target)) == pytest.approx(-30, abs=0.3)
    assert float(decibels(target, target)) == pytest.approx(-50)
    near.requires_grad_()
    decibels(near, target).backward()
    small, large = near.grad.abs().sum((1, 2, 3, 4))
    assert float(small / large) == pytest.approx(
        10, rel=0.2
    )  # a small fault weighs as its share of what is left


def test_a_small_sky_counts_like_a_large_one():
    sky = torch.zeros(3, 1, 1, 20, 50)
    sky[0, ..., :10, :] = 1  # half of the picture
    sky[1, ..., 0, :40] = 1  # a slit; the third has none
    missed = torch.full_like(sky, -20.0)
    found = (2 * sky - 1) * 20
    specks = missed.clone()
    specks[2, ..., 5:10, :] = 20
    for clip, charge in ((0, 1 - 5 / 505), (1, 1 - 5 / 45), (2, 0)):
        one = slice(clip, clip + 1)
        assert sky_share(found[one], sky[one]) == pytest.approx(0, abs=1e-5)
        assert sky_share(missed[one], sky[one]) == pytest.approx(charge, abs=1e-4)
    assert sky_share(specks[2:], sky[2:]) == pytest.approx(1 - 5 / 255, abs=1e-4)


def test_a_gain_of_albedo_costs_half_of_the_decibels():
    generator = torch.Generator().manual_seed(3)
    target = torch.rand(2, 1, 3, 24, 32, generator=generator) * 0.9 + 0.05
    mask = torch.ones(2, 1, 1, 24, 32)
    mask[:, :, :, :4] = 0
    brighter = target * 0.8
    brighter[:, :, :, :4] = 1  # what is not surface is not looked at
    error = (target - brighter)[:, :, :, 4:].square().mean((1, 2, 3, 4))
    coded = 10 * torch.log10(error + 1e-3).mean() + 30
    assert albedo_decibels(brighter * 2 - 1, target * 2 - 1, mask) == pytest.approx(float(coded) / 2, abs=0.1)
