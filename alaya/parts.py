"""A few frames at a time, into one piece of memory: what is made in many pieces leaves holes between them."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def in_parts(
    function: Callable[..., Tensor], out: Tensor, *given: Tensor, size: int, axis: int = 0
) -> Tensor:
    """Fill `out` part by part with what a function makes of the same parts of the tensors given.

    Args:
        function: takes one part of each tensor and returns that part of the result.
        out: written, and returned.
        given: as long as `out` along the axis.
        size: of a part; the last one may be shorter.
        axis: along which all are parted.
    """
    parts = zip(*(tensor.split(size, axis) for tensor in (out, *given)), strict=True)
    for place, *part in parts:
        place.copy_(function(*part))
    return out
