"""Enlargement along a guide: exact where it can be, sharper than bilinear where there is an edge."""

import pytest
import torch
import torch.nn.functional as F

from alaya import guided
from alaya.guided import _solve, bilinear, enlarge

SMALL, LARGE = (18, 32), (72, 128)


def shrink(planes):
    return F.interpolate(planes[None], SMALL, mode="bilinear", antialias=True, align_corners=False)[0]


def textured(channels, seed=0):
    """Detail of every size, (channels, *LARGE)."""
    torch.manual_seed(seed)
    sizes = [(5, 8), (18, 32), (72, 128)]
    layers = [F.interpolate(torch.rand(1, channels, *size), LARGE, mode="bilinear")[0] for size in sizes]
    return torch.stack(layers).mean(0)


@pytest.mark.parametrize(("guides", "radius"), [(1, 1), (3, 1), (3, 2), (7, 2)])
def test_a_linear_function_of_the_guide_comes_back(guides, radius):
    guide = textured(guides).double()
    mixing = torch.randn(4, guides).double() / guides
    truth = torch.einsum("cg,ghw->chw", mixing, guide) + torch.tensor([0.0, 1, 2, -3])[:, None, None]
    found = enlarge(shrink(truth), shrink(guide), guide, radius, ridge=1e-10)
    plain = bilinear(shrink(truth), guide)
    inner = (
        slice(None),
        slice(16, -16),
        slice(16, -16),
    )  # in a corner four pixels are too few for seven slopes
    assert float((found - truth)[inner].abs().max()) < 1e-4
    assert float((plain - truth)[inner].abs().max()) > 1e-2


@pytest.mark.parametrize("values", [1, 5000])
def test_the_strips_it_is_worked_on_in_do_not_show(monkeypatch, values):
    guide, coarse = textured(3), shrink(textured(2, seed=1))
    whole = enlarge(coarse, shrink(guide), guide)
    monkeypatch.setattr(guided, "STRIP_VALUES", values)
    assert torch.equal(enlarge(coarse, shrink(guide), guide), whole)


def test_a_constant_stays_constant():
    guide = textured(3)
    coarse = torch.tensor([0.0, 0.3, 1.0])[:, None, None].expand(3, *SMALL)
    found = enlarge(coarse, shrink(guide), guide)
    assert torch.allclose(found, coarse[:, :1, :1].expand(3, *LARGE), atol=1e-5)


def test_a_flat_guide_gives_bilinear():
    coarse = textured(2)[:, ::4, ::4]
    guide = torch.full((3, *LARGE), 0.4)
    assert torch.allclose(enlarge(coarse, shrink(guide), guide), bilinear(coarse, guide), atol=1e-5)


def test_an_edge_of_the_guide_is_sharper_than_bilinear():
    guide = torch.zeros(1, *LARGE)
    guide[:, :, 66:] = 1
    truth = 0.2 + 0.6 * guide
    found, plain = enlarge(shrink(truth), shrink(guide), guide), bilinear(shrink(truth), guide)
    row = slice(30, 31)
    assert float((found - truth).abs().amax()) < 0.05
    assert float((plain - truth).abs().amax()) > 0.15
    # the width of the step: pixels between a tenth and nine tenths of it
    widths = [int(((x[:, row] > 0.26) & (x[:, row] < 0.74)).sum()) for x in (found, plain)]
    assert widths[0] == 0
    assert widths[1] >= 3


def test_a_ridge_for_each_channel():
    guide, coarse = textured(3), textured(2, seed=1)[:, 1::4, 1::4]
    together = enlarge(coarse, shrink(guide), guide, ridge=[1e-3, 1e-1])
    alone = [
        enlarge(coarse[i : i + 1], shrink(guide), guide, ridge=ridge) for i, ridge in enumerate([1e-3, 1e-1])
    ]
    assert torch.allclose(together, torch.cat(alone), atol=1e-6)
    plain = bilinear(coarse, guide)
    follows = (together - plain).abs().mean((1, 2))
    assert follows[1] < 0.3 * follows[0]  # a large ridge follows less


def test_solve_agrees_with_a_library():
    torch.manual_seed(0)
    root = torch.randn(4, 5, 6, 6, dtype=torch.float64)
    matrix = root @ root.mT + 0.1 * torch.eye(6)
    right = torch.randn(6, 3, 4, 5, dtype=torch.float64)
    found = _solve([[matrix[..., i, j] for j in range(6)] for i in range(6)], right)
    expected = torch.linalg.solve(matrix, right.permute(2, 3, 0, 1)).permute(2, 3, 0, 1)
    assert torch.allclose(found, expected, atol=1e-8)
