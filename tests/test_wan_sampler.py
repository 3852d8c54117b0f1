"""The published editing model's sampler: its constants, its steps by hand, and its noise."""

import math

import pytest
import torch

from editing.wan_sampler import draw_noise, sample, schedule


def test_sigmas_of_fifty_steps_are_the_published_ones():
    sigmas, timesteps = schedule(50)
    assert len(sigmas) == 51
    assert sigmas[:3].tolist() == pytest.approx([1, 0.995935, 0.991735], abs=1e-6)
    assert sigmas[-3:].tolist() == pytest.approx([0.172414, 0.092593, 0], abs=1e-6)
    assert timesteps[0] == 1000
    assert float(timesteps[1]) == 996  # 995.93 in bfloat16


def test_steps_go_straight_where_the_velocity_is_constant():
    noise, velocity = torch.randn(1, 16, 1, 2, 2), torch.randn(1, 16, 1, 2, 2)
    drawn = sample(lambda x, t: [velocity], noise, num_steps=7)
    assert torch.allclose(drawn, noise - velocity, atol=1e-6)


def test_an_euler_step_is_an_euler_step():
    sigmas, timesteps = schedule(2, shift=3.0)
    assert sigmas.tolist() == pytest.approx([1, 0.75, 0])
    asked = []

    def velocity(x, t):
        asked.append(float(t))
        return [x]

    drawn = sample(velocity, torch.ones(1, 1, 1, 1, 1), num_steps=2, shift=3.0)
    assert float(drawn) == pytest.approx((1 - 0.25) * (1 - 0.75))
    assert asked == timesteps.tolist() == [1000, 752]  # 750 lies between two bfloat16


def test_guidance_leads_away_from_the_negative():
    answers = [torch.full((1, 1, 1, 1, 1), 2.0), torch.full((1, 1, 1, 1, 1), 1.0)]
    noise = torch.zeros(1, 1, 1, 1, 1)
    assert float(sample(lambda x, t: answers, noise, num_steps=3, cfg_scale=5)) == pytest.approx(-6)
    assert float(sample(lambda x, t: answers, noise, num_steps=3, cfg_scale=1)) == pytest.approx(-2)


def test_latents_stay_float32():
    drawn = sample(lambda x, t: [x.bfloat16()], torch.ones(1, 1, 1, 1, 1).bfloat16(), num_steps=2)
    assert drawn.dtype == torch.float32


def test_noise_of_a_lone_window_is_one_draw():
    whole = torch.randn((1, 16, 3, 4, 6), generator=torch.Generator().manual_seed(5))
    assert torch.equal(draw_noise(5, (16, 3, 4, 6), 0, alone=True), whole)


def test_windows_that_overlap_share_their_noise():
    first = draw_noise(5, (16, 6, 4, 6), 0, alone=False)
    second = draw_noise(5, (16, 6, 4, 6), 16, alone=False)
    assert torch.equal(first[:, :, 4:], second[:, :, :2])
    assert not torch.equal(first[:, :, :2], second[:, :, :2])
    assert abs(float(first.mean())) < 4 / math.sqrt(first.numel())
    assert float(first.std()) == pytest.approx(1, abs=0.05)
