"""Which of torch's and diffusers' attention implementations a network uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

from alaya.device import ATTENTION
from alaya.errors import RequestError

NEED_CUDA = ("cudnn", "flash", "xformers")
HOPPER = (9, 0)


def check_attention(asked: str, device: torch.device) -> str:
    """The same name, if there is such a thing and it can be used on the device; else RequestError."""
    if asked not in ("auto", *ATTENTION):
        raise RequestError(f"attention must be one of auto, {', '.join(ATTENTION)}, got {asked!r}")
    if asked in NEED_CUDA and device.type != "cuda":
        raise RequestError(f"--attention {asked} needs CUDA, the device is {device}; leave it out")
    with attending(asked, device):
        return asked


@contextmanager
def attending(asked: str, device: torch.device) -> Iterator[None]:
    """Attend in one way inside the block.

    Args:
        asked: of `ATTENTION`, or "auto": on Hopper GPUs and newer cuDNN's where it takes the tensors, else torch's
            own choice.
        device: where the tensors are.
    """
    with ExitStack() as stack:
        if asked == "auto":
            if device.type == "cuda" and torch.cuda.get_device_capability(device) >= HOPPER:
                stack.enter_context(_cudnn_first())
        else:
            from diffusers.models.attention_dispatch import attention_backend

            try:
                stack.enter_context(attention_backend(ATTENTION[asked]))
            except (ImportError, RuntimeError, ValueError) as error:
                raise RequestError(
                    f"--attention {asked} cannot be used here ({error}); leave it out"
                ) from error
        yield


def _cudnn_first():  # noqa: ANN202 - torch does not name the type
    from torch.nn.attention import SDPBackend, sdpa_kernel

    order = [
        SDPBackend.CUDNN_ATTENTION,
        SDPBackend.FLASH_ATTENTION,
        SDPBackend.EFFICIENT_ATTENTION,
        SDPBackend.MATH,
    ]
    return sdpa_kernel(order, set_priority=True)
