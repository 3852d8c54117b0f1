"""Ways to draw the published inverse renderer's pictures faster that are not exact, off until asked for."""

from __future__ import annotations

from typing import Any

from diffusers import EDMDPMSolverMultistepScheduler  # pyright: ignore[reportPrivateImportUsage]

from alaya.fp8 import use_fp8
from inverse.cosmos import CosmosInverseTransformer


def make_fast_scheduler() -> Any:
    """The reference's noise levels with DPM-Solver++'s steps of second order, for `cosmos_sampler.sample`.

    At ten steps it is nearer to the limit of many steps than Euler is.
    """
    return EDMDPMSolverMultistepScheduler(
        sigma_min=0.02, sigma_max=80.0, sigma_data=0.5, rho=7.0, solver_order=2, final_sigmas_type="zero"
    )


def apply_fp8(net: CosmosInverseTransformer) -> None:
    """Keep the linear layers of a loaded network's blocks in 8 bits, for good; adapters are merged before."""
    use_fp8(block for block in net.blocks)
