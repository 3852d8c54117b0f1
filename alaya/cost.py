"""What a stage of a large model takes: weights, activations and arithmetic, phase by phase."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Task:
    """One window to be worked on.

    Attributes:
        frames, height, width: of the window, at the working size.
        num_steps: sampling steps.
        dtype_bytes: of a value in the network: 2 or 4.
        codec_bytes: of a value in the autoencoder.
        guided: two texts are followed at once,
        guided_between: these noise levels, from 0 to 1; one text elsewhere.
        new_words: a text was asked for that has to be read first.
        tiled: the autoencoder works in tiles.
        fp8: the linear layers of the network's blocks are kept in 8 bits.
        extra_pictures: that are to be drawn besides a G-buffer's.
    """

    frames: int
    height: int
    width: int
    num_steps: int
    dtype_bytes: int
    codec_bytes: int
    guided: bool = True
    guided_between: tuple[float, float] = (0.0, 1.0)
    new_words: bool = False
    tiled: bool = False
    fp8: bool = False
    extra_pictures: int = 0


@dataclass(frozen=True)
class Phase:
    """One network at work.

    Attributes:
        name: for people.
        network: which of the model's networks; several phases may use the same.
        weights: bytes of that network.
        streamed: bytes of it that must be on the device when its layers are brought there one after another.
        activations: bytes beside the weights, at the highest.
        flops: of one window; of the whole clip if `once`.
        once: done once for a clip, and the network is let go afterwards.
    """

    name: str
    network: str
    weights: int
    streamed: int
    activations: int
    flops: float
    once: bool = False


def count_values(shapes: Shapes, prefix: str = "") -> int:
    """Numbers in all tensors whose names begin with a prefix."""
    return sum(prod(shape) for name, shape in shapes.items() if name.startswith(prefix))


def streamed_values(shapes: Shapes, layers: Iterable[str]) -> int:
    """Numbers to hold when the layers of these prefixes come one after another: all else, and two layers."""
    sizes = [count_values(shapes, layer) for layer in layers]
    return count_values(shapes) - sum(sizes) + 2 * max(sizes, default=0)


def network_bytes(shapes: Shapes, layers: Iterable[str], task: Task) -> tuple[int, int]:
    """Bytes of a network, and of what must be there when the layers of these prefixes come one after another."""
    layers = list(layers)
    size = task.dtype_bytes
    whole, streamed = count_values(shapes) * size, streamed_values(shapes, layers) * size
    if not task.fp8:
        return whole, streamed
    saved = [_saved_in_8_bits(shapes, layer, size) for layer in layers]
    return whole - sum(saved), streamed - 2 * max(saved, default=0)


def _saved_in_8_bits(shapes: Shapes, prefix: str, size: int) -> int:
    """Bytes that `alaya.fp8` saves on the linear layers of a prefix: one byte a value, and a scale an output."""
    linear = [
        shape
        for name, shape in shapes.items()
        if name.startswith(prefix) and name.endswith(".weight") and len(shape) == 2
    ]
    return sum((size - 1) * prod(shape) - 4 * shape[0] for shape in linear)


def conv_flops(shapes: Shapes, prefix: str, grid: Iterable[int]) -> float:
    """Of all convolutions whose names begin with a prefix, each giving values at all places of a grid."""
    kernels = [
        prod(shape)
        for name, shape in shapes.items()
        if name.startswith(prefix) and name.endswith(".weight") and len(shape) >= 4
    ]
    return 2.0 * sum(kernels) * prod(grid)


def header_shapes(paths: Iterable[Path]) -> Shapes:
    """The shapes of all tensors in weights files, from their headers."""
    from alaya.torch_files import open_tensors

    return {name: shape for path in sorted(paths) for name, (_, shape) in open_tensors(path).header.items()}
