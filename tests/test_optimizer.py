"""Muon and AdamW as one optimiser, held against an SVD and against torch's own AdamW."""

import pytest
import torch
from torch import nn

from training.optimizer import Muon, make_optimizer, orthogonalise


@pytest.mark.parametrize("shape", [(8, 8), (4, 24), (24, 4), (16, 9)])
def test_orthogonalise_against_svd(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    found = left.T @ orthogonalise(matrix) @ right.T  # diagonal in the matrix's own directions
    diagonal = found.diagonal()
    assert float((found - diagonal.diag()).abs().max()) < 1e-4
    kept = values > 0.1 * values[0]
    assert ((diagonal[kept] > 0.6) & (diagonal[kept] < 1.3)).all()
    assert torch.allclose(orthogonalise(100 * matrix), orthogonalise(matrix), atol=1e-4)
    assert torch.equal(orthogonalise(torch.zeros(3, 4)), torch.zeros(3, 4))


def test_wide_matrices_take_the_same_steps_by_a_shorter_way():
    torch.manual_seed(0)
    for matrix in (torch.randn(12, 90), torch.randn(12, 3) @ torch.randn(3, 90) + 0.01 * torch.randn(12, 90)):
        x = matrix / matrix.norm()
        for _ in range(5):  # the steps as Jordan et al. 2024 write them
            gram = x @ x.T
            x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
        assert torch.allclose(orthogonalise(matrix), x, atol=1e-3 * float(x.abs().max()))
        assert torch.allclose(orthogonalise(matrix.T), x.T, atol=1e-3 * float(x.abs().max()))


def test_half_precision_around_it_does_not_reach_the_short_way():
    torch.manual_seed(0)
    matrix = 1e-3 * torch.randn(16, 2) @ torch.randn(2, 144) + 1e-5 * torch.randn(16, 144)
    plain = orthogonalise(matrix)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(orthogonalise(matrix), plain)
    assert orthogonalise(matrix.bfloat16()).dtype == torch.bfloat16
    assert torch.linalg.matrix_norm(orthogonalise(matrix.bfloat16()).float(), 2) < 1.3


def test_plain_groups_are_adamw():
    torch.manual_seed(0)
    start = torch.randn(5, 3)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    mine = Muon([{"params": [ours], "lr": 0.01}], betas=(0.9, 0.98), weight_decay=0.1)
    torchs = torch.optim.AdamW([theirs], lr=0.01, betas=(0.9, 0.98), weight_decay=0.1)
    for step in range(20):
        for parameter in (ours, theirs):
            parameter.grad = torch.sin(parameter.detach() * (step + 1))
        mine.step()
        torchs.step()
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert not torch.allclose(ours, start, atol=1e-2)


def test_a_muon_step_has_the_length_of_its_rate():
    torch.manual_seed(0)
    kernel = nn.Parameter(torch.zeros(16, 4, 3, 3))
    optimizer = Muon([{"params": [kernel], "lr": 0.1, "matrix": True}])
    kernel.grad = 1e-6 * torch.randn_like(kernel)  # however small the gradient
    optimizer.step()
    values = torch.linalg.svdvals(kernel.detach().reshape(16, -1))
    assert ((values > 0.06) & (values < 0.13)).all()


def test_which_weights_muon_takes():
    net = nn.ModuleDict(
        {
            "stem": nn.Conv2d(3, 8, 3),
            "inner": nn.Conv2d(8, 8, 3),
            "text": nn.Embedding(5, 4),
            "exit": nn.Linear(8, 2),
        }
    )
    inner, outer = make_optimizer(net).param_groups
    assert inner["matrix"] is True
    assert [id(p) for p in inner["params"]] == [id(net["inner"].weight)]
    assert len(outer["params"]) == 6


def test_the_loss_goes_down():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 1))
    x = torch.randn(64, 6)
    y = (x[:, :1] * x[:, 1:2]).tanh()
    optimizer = make_optimizer(net, plain=())
    for group in optimizer.param_groups:
        group["lr"] = 0.02
    losses = []
    for _ in range(60):
        loss = (net(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]
