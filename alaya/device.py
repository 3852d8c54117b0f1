"""Which device a network runs on, how much memory is free there, and the reason in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alaya.errors import RequestError

if TYPE_CHECKING:
    import torch

DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
"""--dtype -> torch's name."""
OFFLOADS = ("none", "model", "group")
"""What --offload takes; see `alaya.offload`."""
ATTENTION = {"cudnn": "_native_cudnn", "flash": "flash", "xformers": "xformers", "native": "native"}
"""--attention -> diffusers' name; see `alaya.attention`."""


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


def dtype_name(asked: str, device: str) -> str:
    """What a published network's --dtype means on a device: "bf16", "fp16" or "fp32".

    Args:
        asked: one of these, or "auto": bf16 on CUDA, fp32 elsewhere.
        device: as torch names it.
    """
    if asked == "auto":
        return "bf16" if device.startswith("cuda") else "fp32"
    if asked not in DTYPES:
        raise RequestError(f"dtype must be one of auto, {', '.join(DTYPES)}, got {asked!r}")
    return asked


def choose_dtype(asked: str, device: str) -> torch.dtype:
    """As `dtype_name`, for torch."""
    import torch

    return getattr(torch, DTYPES[dtype_name(asked, device)])


def free_bytes_on(device: str) -> float | None:
    """Bytes of memory that can still be used on a device, as torch names it; None where nobody says."""
    if device.startswith("cuda"):
        import torch

        return float(torch.cuda.mem_get_info(torch.device(device))[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return float(fields["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in fields else None
