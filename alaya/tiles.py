"""Work on a large clip in overlapping tiles that are blended with ramps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tiles:
    """Tiles' (rows, columns), and the way from one to the next."""

    size: tuple[int, int]
    stride: tuple[int, int]

    def times(self, factor: int) -> Tiles:
        """The same tiles in a unit that is `factor` times as small."""
        return Tiles(_times(self.size, factor), _times(self.stride, factor))


def work_tiled(whole: Tensor, tiles: Tiles, factor: float, work: Callable[[Tensor], Tensor]) -> Tensor:
    """Work on overlapping tiles and blend them with ramps, the smaller of the two ramps where they cross.

    Args:
        whole: (1, C, T, H, W).
        tiles: in units of `whole`.
        factor: by which `work` changes rows and columns.
        work: on a tile.
    """
    height, width = whole.shape[-2:]
    size = int(height * factor), int(width * factor)
    total, weights = torch.zeros(0), whole.new_zeros(size)
    for top, bottom in _spans(height, tiles.size[0], tiles.stride[0]):
        for left, right in _spans(width, tiles.size[1], tiles.stride[1]):
            done = work(whole[..., top:bottom, left:right])
            borders = _times(tiles.size, factor, tiles.stride)
            down = _ramp(done.shape[-2], borders[0], top > 0, bottom < height)
            across = _ramp(done.shape[-1], borders[1], left > 0, right < width)
            weight = torch.minimum(down[:, None], across[None]).to(done)
            if not total.numel():
                total = done.new_zeros(*done.shape[:3], *size)
            at = (slice(int(top * factor), None), slice(int(left * factor), None))
            rows, columns = done.shape[-2:]
            total[..., *at][..., :rows, :columns] += done * weight
            weights[at][:rows, :columns] += weight
    return total / weights


def _times(pair: tuple[int, int], factor: float, minus: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    return int((pair[0] - minus[0]) * factor), int((pair[1] - minus[1]) * factor)


def _spans(length: int, size: int, stride: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of the tiles along one side; a tile that adds nothing to the one before is left out."""
    for start in range(0, length, stride):
        if start and start - stride + size >= length:
            break
        yield start, min(start + size, length)


def _ramp(length: int, border: int, before: bool, after: bool) -> Tensor:
    """(length,) weights that rise over the border towards a neighbour and fall towards the next."""
    weights = torch.ones(length)
    rise = (torch.arange(border) + 1) / border
    if before:
        weights[:border] = rise
    if after:
        weights[-border:] = rise.flip(0)
    return weights
