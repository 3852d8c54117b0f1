"""The inexact switches of the inverse renderer's sampler: near the exact way, and not the same."""

import numpy as np
import pytest
import torch
from cosmos_samples import GOLDEN

pytest.importorskip("diffusers")

from inverse.cosmos_load import network_part
from inverse.cosmos_sampler import make_scheduler, sample
from inverse.cosmos_switches import apply_fp8, make_fast_scheduler
from pipelines import loading

PASSES = (0, 3)


@pytest.fixture(scope="module")
def net():
    return network_part(GOLDEN / "model.pt").load(torch.float32)


def draw(net, num_steps, scheduler=None):
    generator = torch.Generator().manual_seed(1)
    clip = 0.5 * torch.randn(1, 16, 2, 4, 6, generator=generator)
    noise = torch.randn(2, 16, 2, 4, 6, generator=generator)
    return sample(net, clip, noise, PASSES, num_steps, scheduler)


def relative(one, other):
    return float((one - other).norm() / other.norm())


def test_off_is_the_reference_s_schedule(net):
    assert torch.equal(draw(net, 6), draw(net, 6, make_scheduler()))


def test_second_order_needs_fewer_steps(net):
    limit = draw(net, 150)
    fast, slow = draw(net, 10, make_fast_scheduler()), draw(net, 10)
    assert 0 < relative(fast, limit) < 0.6 * relative(slow, limit)
    assert torch.equal(fast, draw(net, 10, make_fast_scheduler()))


def test_the_loaded_model_draws_by_its_switches():
    rgb = np.random.default_rng(0).random((9, 32, 48, 3), dtype=np.float32)
    ways = ({}, {"fast_scheduler": True}, {"fp8": True})
    drawn = [
        loading.INVERSE.load(str(GOLDEN), "cpu", **asked).pictures(rgb, ("normal",), num_steps=3)["normal"]
        for asked in ways
    ]
    exact, fast, small = map(torch.from_numpy, drawn)
    assert relative(fast, exact) > 1e-3
    assert 1e-5 < relative(small, exact) < 0.1


def test_eight_bits_are_near(net):
    exact = draw(net, 6)
    small = network_part(GOLDEN / "model.pt").load(torch.float32)
    apply_fp8(small)
    assert 1e-4 < relative(draw(small, 6), exact) < 0.05
