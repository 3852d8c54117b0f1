"""Bringing grown features back to size changes nothing that is computed, and what is calmed learns faster."""

import pytest
import torch

from alaya.errors import RequestError
from alaya.unet import UNet, UNetConfig
from training.calm import calm
from training.optimizer import make_optimizer
from training.recipe import read_recipe

SIZES = UNetConfig(3, 4, widths=(16, 16, 32), head_width=8, embed_dim=16, deep_blocks=4, statistics=2)


def grown_net():
    torch.manual_seed(0)
    net = UNet(SIZES)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for block in net.deep:
            block.conv2.weight.mul_(20)
    return net


def deep_features(net, clip):
    found = []
    handle = net.deep[-1].register_forward_hook(lambda module, given, out: found.append(out))
    net(clip, torch.ones(len(clip)))
    handle.remove()
    return found[0]


@pytest.mark.parametrize(
    "divisors",
    [(8.0, 1.0, 1.0), (1.0, 5.0, 1.0), (1.0, 1.0, 3.0), (1.0, 1.0, 1.0, 4.0), (8.0, 5.0, 3.0, 4.0)],
)
def test_the_same_function_at_another_size(divisors):
    net, clip = grown_net(), torch.randn(2, 3, 3, 32, 48)
    with torch.no_grad():
        before, features = net(clip, torch.ones(2)), deep_features(net, clip)
        calm(net, *divisors)
        after, calmed = net(clip, torch.ones(2)), deep_features(net, clip)
    assert torch.allclose(after, before, rtol=1e-3, atol=1e-3 * float(before.abs().max()))
    size = float(features.square().mean().sqrt() / calmed.square().mean().sqrt())
    assert size == pytest.approx(divisors[0], rel=1e-2)


def test_the_middle_level_is_calmed_on_both_ways():
    net, clip = grown_net(), torch.randn(2, 3, 3, 32, 48)
    sizes = []
    for block in (net.down1[-1], net.up1[-1]):
        block.register_forward_hook(lambda module, given, out: sizes.append(float(out.square().mean())))
    with torch.no_grad():
        net(clip, torch.ones(2))
        calm(net, middle=4.0)
        net(clip, torch.ones(2))
    assert [before / after for before, after in zip(sizes[:2], sizes[2:], strict=True)] == pytest.approx(
        [16, 16], rel=0.02
    )


def moved(divisor):
    """Share of the coarsest features that one step of the optimiser changes."""
    net, clip = grown_net(), torch.randn(2, 1, 3, 32, 48)
    calm(net, deep=divisor)
    before = deep_features(net, clip).detach()
    optimizer = make_optimizer(net)
    for group in optimizer.param_groups:
        group["lr"] = 0.004 if group["matrix"] else 0.0
    net(clip, torch.ones(2)).square().mean().backward()
    optimizer.step()
    after = deep_features(net, clip).detach()
    return float((after - before).square().mean() / before.square().mean()) ** 0.5


def test_calmed_features_learn_faster():
    assert moved(10.0) > 2 * moved(1.0)


@pytest.mark.parametrize(("line", "said"), [("calm_deep = 0.0", "above 0"), ("calm_inner = -1.0", "above 0")])
def test_divisors_that_make_no_sense_are_refused(tmp_path, line, said):
    path = tmp_path / "recipe.toml"
    phase = '[[phases]]\nname = "a"\nsteps = 1\nwidth = 16\nheight = 16\n'
    head = 'task = "{}"\nname = "x"\npreset = "tiny"\nseed = 1\ndata = ["x"]\nheldout = "x"\n'
    path.write_text(head.format("inverse") + line + "\n" + phase)
    with pytest.raises(RequestError, match=said):
        read_recipe(path)
    path.write_text(head.format("wan") + "calm_grown = 2.0\n" + phase)
    with pytest.raises(RequestError, match="not wan"):
        read_recipe(path)
