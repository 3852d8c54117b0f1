"""The published editing network: what sampling leaves out changes nothing, and the reference's rules hold."""

import math

import pytest
import torch
from wan_samples import tiny_transformer

from alaya.golden import compare
from editing.wan import ExactTimesteps, WanEditingTransformer, pad_text
from editing.wan_attention import folded_logs


@pytest.fixture(scope="module")
def net():
    return tiny_transformer()


@pytest.fixture
def inputs():
    torch.manual_seed(0)
    x, y = torch.randn(1, 16, 3, 4, 6), torch.randn(1, 80, 3, 4, 6)
    return x, y, torch.tensor([936.0])


def whole(net, x, y, t, text):
    return net(torch.cat([x, y], dim=1), t, text, return_dict=False)[0]


@pytest.mark.parametrize("tokens", [1, 5, 510, 511, 512])
@pytest.mark.parametrize("fold", [True, False])
def test_sampling_is_the_whole_network(net, inputs, tokens, fold):
    x, y, t = inputs
    text = torch.randn(1, tokens, 16)
    (fast,) = net.velocities(x, t, net.read_clip(y), [net.read_text(text, fold)])
    assert compare("fast", fast, whole(net, x, y, t, text), 2e-6).good


def test_a_guided_pair_shares_only_what_is_the_same(net, inputs):
    x, y, t = inputs
    texts = [torch.randn(1, 5, 16), torch.randn(1, 9, 16)]
    read = [net.read_text(text) for text in texts]
    clip = net.read_clip(y)
    for _ in range(2):  # nothing of the first pair may be left for the second
        pair = net.velocities(x, t, clip, read)
        for fast, text in zip(pair, texts, strict=True):
            assert compare("pair", fast, whole(net, x, y, t, text), 2e-6).good
        x = x + 1
    assert not torch.allclose(*pair)


def test_one_attention_less_for_a_pair(net, inputs, monkeypatch):
    x, y, t = inputs
    calls = []
    for number, block in enumerate(net.blocks):
        block.attn1.to_q.register_forward_hook(lambda *_, number=number: calls.append(number))
    clip, text = net.read_clip(y), net.read_text(torch.randn(1, 5, 16))
    net.velocities(x, t, clip, [text, text])
    assert calls == [0, 1, 2, 1, 2]
    for block in net.blocks:
        block.attn1.to_q._forward_hooks.clear()


def test_bfloat16_stays_near(net, inputs):
    x, y, t = inputs
    text = torch.randn(1, 7, 16)
    half = WanEditingTransformer(**dict(net.config))
    half.load_state_dict(net.state_dict())
    half = half.bfloat16().requires_grad_(False)
    (fast,) = half.velocities(x, t, half.read_clip(y), [half.read_text(text)])
    assert fast.dtype == torch.float32
    assert compare("bf16", fast, whole(net, x, y, t, text), 3e-2).good


def test_zero_rows_are_seen(net, inputs):
    x, y, t = inputs
    text = torch.randn(1, 5, 16)
    padded = whole(net, x, y, t, text)
    assert torch.equal(padded, whole(net, x, y, t, pad_text(text)))
    assert pad_text(text).shape == (1, 512, 16)
    assert not pad_text(text)[:, 5:].any()


def test_the_timestep_s_sinusoid_is_of_float64():
    t, width = 937.5, 64
    (found,) = ExactTimesteps(width)(torch.tensor([t]))
    angles = [t * 10000 ** (-k / 32) for k in range(32)]
    expected = [math.cos(angle) for angle in angles] + [math.sin(angle) for angle in angles]
    assert found.tolist() == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(("dtype", "rows"), [(torch.float32, 1), (torch.bfloat16, 4)])
@pytest.mark.parametrize("repeats", [2, 3, 100, 375, 511])
def test_folded_rows_weigh_as_much(dtype, rows, repeats):
    logs = folded_logs(repeats, dtype)
    assert len(logs) <= rows
    assert torch.tensor(logs, dtype=dtype).double().tolist() == logs
    assert math.fsum(map(math.exp, logs)) == pytest.approx(repeats, rel=2e-6)


def test_a_saved_folder_gives_the_network_back(net, inputs, tmp_path):
    x, y, t = inputs
    net.save_pretrained(tmp_path / "transformer")
    again = WanEditingTransformer.from_pretrained(tmp_path / "transformer")
    text = torch.randn(1, 5, 16)
    assert torch.equal(whole(again, x, y, t, text), whole(net, x, y, t, text))
