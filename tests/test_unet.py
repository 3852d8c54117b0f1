"""The 2.5-D U-Net: any size of multiples of 8, frames that mix along time, gradients everywhere."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from alaya.errors import AlayaError
from alaya.unet import UNet, UNetConfig, config_of
from alaya.unet_blocks import ClipContext, TemporalMix, mix_channels

CONFIG = UNetConfig(
    in_channels=3, out_channels=5, words_dim=4, widths=(8, 16, 16), head_width=8, embed_dim=16, heads=2
)


def make_net(scatter=True):
    """A tiny network; scattered weights leave none of the zeros that it starts from."""
    torch.manual_seed(0)
    net = UNet(CONFIG).eval()
    if scatter:
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return net


def inputs(batch=1, frames=1, height=16, width=24, seed=1):
    torch.manual_seed(seed)
    return torch.randn(batch, frames, 3, height, width), torch.rand(batch), torch.randn(batch, 4)


@pytest.mark.parametrize("size", [(16, 16), (24, 40), (40, 24), (72, 8), (144, 256)])
@pytest.mark.parametrize("frames", [1, 3])
def test_sizes(size, frames):
    conditions, t, words = inputs(2, frames, *size)
    with torch.no_grad():
        assert make_net()(conditions, t, words).shape == (2, frames, 5, *size)


def test_no_target_is_a_target_of_zeros():
    net, (conditions, t, words) = make_net(), inputs(1, 2)
    with torch.no_grad():
        nothing = net(conditions, t, words)
        assert torch.equal(nothing, net(conditions, t, words, torch.zeros(1, 2, 5, 16, 24)))
        assert not torch.allclose(nothing, net(conditions, t, words, torch.ones(1, 2, 5, 16, 24)), atol=1e-3)


def test_clips_of_a_batch_do_not_meet():
    net, (conditions, t, words) = make_net(), inputs(3, 2)
    with torch.no_grad():
        together = net(conditions, t, words)
        for clip in range(3):
            one = slice(clip, clip + 1)
            alone = net(conditions[one], t[one], words[one])
            assert torch.allclose(together[one], alone, atol=1e-5)


def test_frames_of_a_clip_do_meet():
    net, (conditions, t, words) = make_net(), inputs(1, 5)
    changed = conditions.clone()
    changed[:, 4] += 1
    with torch.no_grad():
        moved = (net(conditions, t, words) - net(changed, t, words)).abs().amax((0, 2, 3, 4))
    assert (moved > 1e-4).all()  # by the clip's context even the first frame knows of the last


def test_a_fresh_network_mixes_nothing_along_time():
    net, (conditions, t, words) = make_net(scatter=False), inputs(1, 3)
    with torch.no_grad():
        clip = net(conditions, t, words)
        frames = [net(conditions[:, index : index + 1], t, words) for index in range(3)]
    assert torch.allclose(clip, torch.cat(frames, 1), atol=1e-5)


def test_one_frame_sees_the_middle_tap_only():
    torch.manual_seed(0)
    mix = TemporalMix(8)
    assert torch.equal(mix(torch.ones(3, 8, 2, 2), 3), torch.ones(3, 8, 2, 2))  # the identity at the start
    with torch.no_grad():
        for parameter in mix.parameters():
            parameter.normal_()
    frame = torch.randn(1, 8, 4, 6)
    dark = torch.zeros_like(frame)
    with torch.no_grad():
        between = mix(torch.cat([dark, frame, dark]), 3)[1:2]
        assert torch.allclose(mix(frame, 1), between, atol=1e-5)
        # and a repeated frame feels all three taps
        taps = torch.einsum("oik,nihw->nohw", mix.conv.weight, frame) + mix.conv.bias[:, None, None]
        assert torch.allclose(mix(frame.repeat(3, 1, 1, 1), 3)[1:2], frame + taps, atol=1e-5)


@pytest.fixture
def number_of_threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize(("frames", "size"), [(9, (64, 96)), (1, (64, 96)), (4, (48, 64))])
@pytest.mark.parametrize("begun", [False, True])
def test_two_threads_give_the_bits_of_one(number_of_threads, frames, size, begun):
    torch.manual_seed(0)
    net = UNet(replace(CONFIG, widths=(48, 96, 192), embed_dim=128, head_width=32, heads=4)).eval()
    conditions, t, words = inputs(1, frames, *size)
    noisy = torch.randn(1, frames, 5, *size) if begun else None
    found = []
    with torch.inference_mode():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
        for threads in (1, 2):
            number_of_threads(threads)
            found.append(net(conditions, t, words, noisy))
    assert found[0].isfinite().all()
    assert torch.equal(*found)


def test_frames_go_through_the_finest_levels_in_parts_as_they_do_at_once():
    net, given = make_net(), inputs(1, 9)
    at_once = net(*given)
    with torch.no_grad():
        in_parts = net(*given)
    assert torch.allclose(at_once, in_parts, atol=1e-5)


def test_channels_are_mixed_as_by_a_linear_layer_and_a_convolution():
    torch.manual_seed(0)
    weight, bias, places = torch.randn(5, 7), torch.randn(5), torch.randn(3, 7, 4, 6)
    convolved = F.conv2d(places, weight[..., None, None], bias)
    assert torch.allclose(mix_channels(places, weight[..., None, None], bias), convolved, atol=1e-5)
    rows = places[..., 0, 0]
    assert torch.allclose(mix_channels(rows, weight, bias), F.linear(rows, weight, bias), atol=1e-5)
    assert torch.allclose(mix_channels(rows, weight), F.linear(rows, weight), atol=1e-5)


def test_the_context_hears_how_bright_a_clip_is_however_far_its_features_run():
    torch.manual_seed(0)
    context = ClipContext(16, 8, told=6)
    torch.nn.init.normal_(context.out.weight)
    deep = 1e3 + 1e3 * torch.randn(4, 16, 2, 3)  # features as large as these once silenced it for good
    dark, bright = torch.full((2, 6), -0.8), torch.full((2, 6), 0.8)
    assert (context(deep, 2, dark) - context(deep, 2, bright)).abs().min() > 1e-4
    assert (context(deep, 2, dark) - context(deep.flip(1), 2, dark)).abs().max() > 1e-2
    net = UNet(replace(CONFIG, statistics=2)).eval()
    torch.nn.init.normal_(net.context.out.weight)
    for block in net.up1:
        torch.nn.init.normal_(block.film.weight)
        torch.nn.init.normal_(block.conv2.weight)
    clip, t, words = inputs(1, 3)
    brighter = clip.clone()
    brighter[:, 2] += 1.0  # one frame, and all hear of it
    told = [net(one, t, words)[:, 0] for one in (clip, brighter)]
    assert (told[0] - told[1]).abs().max() > 1e-4


def test_gradient_reaches_every_parameter():
    net, (conditions, t, words) = make_net(), inputs(1, 3)
    net(conditions, t, words, torch.randn(1, 3, 5, 16, 24)).square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_features_that_ran_off_reach_the_way_out_where_they_are_normalised():
    clip, t, words = inputs(1, 1)
    for groups, reached in ((0, False), (8, True)):
        torch.manual_seed(0)
        net = UNet(replace(CONFIG, exit_groups=groups)).eval()
        torch.nn.init.constant_(net.up0[1].conv2.bias, -1e3)  # where SiLU gives nothing
        torch.nn.init.zeros_(net.exit.bias)
        assert bool(net(clip, t, words).abs().max() > 1e-3) is reached


def test_sizes_of_a_card():
    assert config_of({**vars(CONFIG), "widths": [8, 16, 16], "network": "x", "looks": []}) == CONFIG
    for odd, named in (
        ({"widths": (8, 16)}, "widths"),
        ({"widths": (8, 16, 12)}, "widths"),
        ({"patch": 10**9}, "4096"),
        ({"heads": 3}, "heads"),
        ({"head_width": 8.5}, "whole numbers"),
        ({"deep_blocks": 3}, "even"),
        ({"statistics": 1}, "statistics"),
        ({"exit_groups": 3}, "exit_groups"),
    ):
        with pytest.raises(ValueError, match=named) as caught:
            config_of({**vars(CONFIG), **odd})
        assert not isinstance(caught.value, AlayaError)
