"""Which device a network runs on, and the reason in words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from alaya.errors import RequestError


@dataclass(frozen=True)
class Device:
    """A device that exists, as torch names it, and why it was taken."""

    name: str
    reason: str


def choose_device(asked: str = "auto") -> Device:
    """Settle what "auto" means here.

    Args:
        asked: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        RequestError: another name, or CUDA on a machine (or with a torch) that has none.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", asked):
        raise RequestError(f"device must be auto, cpu, cuda or cuda:N, got {asked!r}")
    if asked == "cpu":
        return Device("cpu", "as asked")
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    number = int(asked.partition(":")[2] or 0)
    if number < count:
        name = "cuda" if ":" not in asked else asked
        return Device(
            name, f"{torch.cuda.get_device_name(number)}, {'found' if asked == 'auto' else 'as asked'}"
        )
    why = "this torch has no CUDA" if torch.version.cuda is None else f"there are {count} CUDA GPUs"
    if asked != "auto":
        raise RequestError(
            f"--device {asked} was asked for, but {why}; use --device cpu, or a CUDA build of torch"
        )
    return Device("cpu", why)
