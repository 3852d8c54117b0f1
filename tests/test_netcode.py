"""G-buffers as planes and back: what the networks read is what the clip says."""

import numpy as np
import pytest
import torch
from gbuffer_samples import make_gbuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from alaya.gbuffer import CHANNELS
from alaya.netcode import FAR, NEAR, PLANES, SKY_CODE, code_to_depth, decode, depth_to_code, encode


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))
def test_round_trip(seed, frames, height, width):
    gbuffer = make_gbuffer(frames, height, width, seed=seed, near=NEAR, far=FAR)
    planes = encode(gbuffer)
    assert planes.shape == (frames, PLANES, height, width)
    assert planes.dtype == torch.float32
    assert float(planes.abs().max()) <= 1 + 1e-5
    back = decode(planes)
    back.check()
    assert np.array_equal(back.mask, gbuffer.mask)
    surface = gbuffer.mask
    for name in CHANNELS:
        found, true = getattr(back, name)[surface], getattr(gbuffer, name)[surface]
        np.testing.assert_allclose(found, true, rtol=1e-4, atol=1e-5)


def test_sky_has_one_code():
    gbuffer = make_gbuffer(1, 6, 8, seed=1)
    planes = encode(gbuffer)[0].permute(1, 2, 0)
    sky = torch.from_numpy(~gbuffer.mask[0])
    assert sky.any()
    assert torch.equal(planes[sky], torch.tensor(SKY_CODE).expand(int(sky.sum()), -1))
    assert (planes[~sky][:, 9] == -1).all()


def test_depth_code_is_logarithmic_and_limited():
    depth = torch.tensor([0.01, NEAR, (NEAR * FAR) ** 0.5, FAR, 1e6, torch.inf])
    code = depth_to_code(depth)
    assert torch.allclose(code, torch.tensor([-1.0, -1, 0, 1, 1, 1]), atol=1e-6)
    found = code_to_depth(torch.tensor([-7.0, -1, 0, 1, 7]))
    assert torch.allclose(found, torch.tensor([NEAR, NEAR, (NEAR * FAR) ** 0.5, FAR, FAR]), rtol=1e-5)


@pytest.mark.parametrize("scale", [0.0, 1.0, 100.0])
def test_whatever_a_network_says_becomes_a_valid_clip(scale):
    torch.manual_seed(0)
    decode(scale * torch.randn(2, PLANES, 5, 7)).check()


def test_a_normal_that_says_nothing_faces_the_viewer():
    planes = torch.zeros(1, PLANES, 1, 1)
    planes[:, 9] = -1
    assert decode(planes).normal.ravel().tolist() == [0, 0, 1]
