"""A deeper network starts as the shallower one whose weights it takes, and takes nothing else."""

import pytest
import torch
from torch import nn

from alaya.errors import WeightsError
from alaya.unet import UNet, UNetConfig
from alaya.weights import read_card, save_checkpoint
from training.growth import load_or_grow


class Net(nn.Module):
    def __init__(self, deep_blocks, deep=16, inputs=3, statistics=0, exit_groups=0):
        super().__init__()
        sizes = {"widths": (8, 8, deep), "head_width": 8, "embed_dim": 16, "heads": 2}
        more = {"deep_blocks": deep_blocks, "statistics": statistics, "exit_groups": exit_groups}
        self.unet = UNet(UNetConfig(inputs, 4, **sizes, **more))
        if inputs > 3:
            self.register_buffer("light", torch.ones(2))


def saved(folder, deep_blocks, inputs=3):
    torch.manual_seed(deep_blocks)
    net = Net(deep_blocks, inputs=inputs)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter)).copy_(parameter.bfloat16())
    network = {"network": "test", **vars(net.unet.config)}
    save_checkpoint(
        folder, net.state_dict(), {"name": "n", "stage": "inverse", "network": network, "legs": []}
    )
    return net


def test_a_grown_network_is_the_same_function(tmp_path):
    shallow, grown = saved(tmp_path, 2), Net(6)
    assert load_or_grow(grown, tmp_path)["name"] == "n"
    clip, t = torch.randn(1, 3, 3, 16, 24), torch.ones(1)
    with torch.no_grad():
        assert torch.equal(grown.unet(clip, t), shallow.unet(clip, t))
    grown.unet(clip, t).square().sum().backward()  # and what was added learns
    assert grown.unet.deep[5].conv2.weight.grad.abs().sum() > 0
    assert grown.unet.attention[2].out.weight.grad.abs().sum() > 0


def test_the_same_depth_is_loaded_and_less_is_refused(tmp_path):
    deep, same = saved(tmp_path, 4), Net(4)
    load_or_grow(same, tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(deep.parameters(), same.parameters(), strict=True))
    with pytest.raises(WeightsError):
        load_or_grow(Net(2), tmp_path)


def test_another_width_is_refused(tmp_path):
    saved(tmp_path, 2)
    with pytest.raises(WeightsError):
        load_or_grow(Net(4, deep=32), tmp_path)


def test_conditions_that_are_added_are_not_looked_at_and_the_way_out_starts_at_zero(tmp_path):
    saved(tmp_path, 2)
    wide = Net(2, inputs=5)
    load_or_grow(wide, tmp_path)
    assert wide.light.tolist() == [1, 1]  # the network's own
    clip, t = torch.randn(1, 2, 5, 16, 24), torch.ones(1)
    frames = clip.flatten(0, 1)
    assert wide.unet(clip, t).abs().max() == 0
    shallow = Net(2)
    load_or_grow(shallow, tmp_path)
    folded = torch.nn.functional.pixel_unshuffle(frames, 4)
    place = torch.zeros(2, 2, *folded.shape[2:])
    seen = shallow.unet.stem(torch.cat([folded[:, : 3 * 16], place], 1))
    assert torch.allclose(wide.unet.stem(torch.cat([folded, place], 1)), seen, atol=1e-6)
    rough = torch.randn(2, 4, 16, 24)
    narrow = torch.cat([frames[:, :3], rough], 1)
    first = [
        net.unet.head[:2](part) for net, part in ((wide, torch.cat([frames, rough], 1)), (shallow, narrow))
    ]
    assert torch.allclose(*first, atol=1e-6)
    wide.unet(clip, t).sum().backward()
    assert wide.unet.exit.weight.grad.abs().sum() > 0


def test_a_context_that_is_told_more_begins_by_saying_nothing(tmp_path):
    saved(tmp_path, 2)
    told = Net(2, statistics=2)
    load_or_grow(told, tmp_path)
    shallow = Net(2)
    load_or_grow(shallow, tmp_path)
    assert told.unet.context.out.weight.abs().max() == 0
    assert torch.equal(told.unet.context.out.bias, shallow.unet.context.out.bias)
    deep = torch.randn(4, 16, 2, 3)
    one, other = (told.unet.context(deep, 2, torch.randn(2, 6)) for _ in range(2))
    assert torch.equal(one, other)
    told.unet(torch.randn(1, 2, 3, 16, 24), torch.ones(1)).square().sum().backward()
    assert told.unet.context.out.weight.grad.abs().sum() > 0


def test_features_normalised_before_the_way_out_leave_anew(tmp_path):
    old = saved(tmp_path, 2, inputs=5)
    old.light.fill_(3.0)
    save_checkpoint(tmp_path, old.state_dict(), {**read_card(tmp_path), "legs": []})
    normed = Net(2, inputs=5, exit_groups=8)
    load_or_grow(normed, tmp_path)
    assert normed.light.tolist() == [3, 3]  # the checkpoint's: its conditions are the same
    clip, t = 50 * torch.randn(1, 2, 5, 16, 24), torch.ones(1)
    assert normed.unet(clip, t).abs().max() == 0
    assert torch.equal(normed.unet.up0[1].conv1.weight, old.unet.up0[1].conv1.weight)
    normed.unet(clip, t).sum().backward()
    assert normed.unet.exit.weight.grad.abs().sum() > 0
