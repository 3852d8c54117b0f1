"""Muon for the convolutions and matrices inside a network, AdamW for everything else, as one optimiser."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

_QUINTIC = (3.4445, -4.7750, 2.0315)  # Newton-Schulz coefficients of Jordan et al. 2024 (Muon)


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """Bring all singular values of a matrix near one (Newton-Schulz). ``matrix``: (rows, columns)."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    wide = x.device.type == "cpu" and x.shape[1] > 2 * x.shape[0]
    x = _through_gram(x.float(), steps).to(x.dtype) if wide else _directly(x, steps)
    return x.T if tall else x


def _directly(x: Tensor, steps: int) -> Tensor:
    a, b, c = _QUINTIC
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


def _through_gram(x: Tensor, steps: int) -> Tensor:
    """The same steps on the small square matrix x x^T, applied to the wide one once: they all commute.

    In full precision whatever autocast says: what is rounded off here grows from step to step, as nothing brings the
    square back to what it stands for.
    """
    a, b, c = _QUINTIC
    with torch.autocast(x.device.type, enabled=False):
        gram, eye = x @ x.T, torch.eye(x.shape[0], device=x.device)
        whole = eye
        for _ in range(steps):
            step = a * eye + b * gram + c * gram @ gram
            whole, gram = step @ whole, step @ gram @ step
        return whole @ x


class Muon(torch.optim.Optimizer):
    """Muon steps for groups with ``matrix=True``, AdamW steps for the others.

    A convolution's weight is treated as the matrix (out, in * kernel).

    Args:
        groups: parameter groups with ``lr`` and ``matrix``.
        momentum: of the Muon groups (Nesterov).
        betas: of the AdamW groups.
        weight_decay: decoupled, of both.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, object]],
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.98),
        weight_decay: float = 0.01,
    ) -> None:
        defaults = {"lr": 1e-3, "matrix": False, "momentum": momentum, "betas": betas, "decay": weight_decay}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take one step with the gradients that are there."""
        for group in self.param_groups:
            update = self._muon if group["matrix"] else self._adamw
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1 - group["lr"] * group["decay"])
                    update(parameter, parameter.grad, self.state[parameter], group)

    @staticmethod
    def _muon(parameter: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict) -> None:
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum = state["momentum"].mul_(group["momentum"]).add_(gradient)
        ahead = gradient + group["momentum"] * momentum
        rows = ahead.shape[0]
        step = orthogonalise(ahead.reshape(rows, -1))
        scale = max(1.0, rows / step.shape[1]) ** 0.5
        parameter.add_(step.reshape(parameter.shape), alpha=-group["lr"] * scale)

    @staticmethod
    def _adamw(parameter: Tensor, gradient: Tensor, state: dict[str, Tensor], group: dict) -> None:
        if "count" not in state:
            state["count"] = torch.zeros(())
            state["first"], state["second"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["count"] += 1
        (beta1, beta2), count = group["betas"], float(state["count"])
        first = state["first"].lerp_(gradient, 1 - beta1)
        second = state["second"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        spread = (second / (1 - beta2**count)).sqrt_().add_(1e-8)
        parameter.addcdiv_(first, spread, value=-group["lr"] / (1 - beta1**count))


def make_optimizer(
    net: nn.Module, plain: tuple[str, ...] = ("stem", "exit", "head", "noisy", "text")
) -> Muon:
    """Muon for the inner weights, AdamW for what meets pixels or words and for vectors.

    Args:
        net: the network.
        plain: names of modules (anywhere in a parameter's path) that AdamW keeps.

    Returns:
        The optimiser; its groups carry ``matrix``, the loop sets their ``lr``.
    """
    inner, outer = [], []
    for name, parameter in net.named_parameters():
        is_matrix = parameter.ndim >= 2 and not set(name.split(".")) & set(plain)
        (inner if is_matrix else outer).append(parameter)
    return Muon([{"params": inner, "matrix": True}, {"params": outer, "matrix": False}])


def make_adamw(net: nn.Module) -> Muon:
    """AdamW for every weight that is trained, in the same two groups: how published networks are fine-tuned."""
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    return Muon([{"params": [], "matrix": True}, {"params": trained, "matrix": False}])
