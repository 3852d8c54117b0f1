"""The brush of the weather overlay: from touched pixels to a changed picture, hidden behind near surfaces."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from editing.particles import Floats, Ints, Particles, Touch

Picture = NDArray[np.float32]
Piece = tuple[Ints, Floats]  # pixels, and the cover or light that each gets
BASE_ASPECT = 16 / 9  # a layer's count is for a frame of this shape


@dataclass(frozen=True)
class Layer:
    """Particles at about one depth."""

    depth: float  # metres
    count: int
    size: float  # radius or half thickness in metres
    alpha: float


@dataclass(frozen=True)
class Frame:
    """What an effect needs to know of the picture it is put on."""

    rgb: Picture  # (H, W, 3), written in place
    depth: NDArray[np.float32]  # (H, W) metres, inf = sky
    light: float  # how bright the picture is on the whole, 0..1
    time: float  # seconds
    seed: int
    strength: float  # 0..1

    @property
    def height(self) -> int:
        """Rows."""
        return self.rgb.shape[0]

    @property
    def width(self) -> int:
        """Columns."""
        return self.rgb.shape[1]

    def count(self, layer: Layer) -> int:
        """How many of a layer's particles are there, by the strength and the frame's shape."""
        return round(layer.count * self.strength * self.width / self.height / BASE_ASPECT)


def visible_size(radius: Floats | float, alpha: float) -> tuple[Floats, Floats]:
    """Draw what is thinner than a pixel one pixel wide and that much fainter."""
    wide = np.maximum(radius, 0.55)
    return wide, alpha * np.minimum(1.0, np.asarray(radius) / wide)


def in_front(frame: Frame, p: Particles, touch: Touch, amount: Floats) -> Piece:
    """Keep what lies in front of the surfaces; amount: (M,) cover or (M, 3) light."""
    kept = p.depth[touch.owner] < frame.depth.reshape(-1)[touch.pixel]
    return touch.pixel[kept], amount[kept]


def blend(frame: Frame, pieces: list[Piece], tint: Floats) -> None:
    """Mix one colour into the pixels that the pieces cover."""
    hit, slot, amount = _gathered(frame, pieces)
    cover = np.minimum(np.bincount(slot, amount, len(hit)), 0.92)[:, None].astype(np.float32)
    flat = frame.rgb.reshape(-1, 3)
    flat[hit] += cover * (tint.astype(np.float32) - flat[hit])


def add_light(frame: Frame, pieces: list[Piece]) -> None:
    """Add light to the pixels of the pieces, screened so that it never clips hard."""
    hit, slot, light = _gathered(frame, pieces)
    total = np.stack([np.bincount(slot, light[:, c], len(hit)) for c in range(3)], axis=1)
    flat = frame.rgb.reshape(-1, 3)
    flat[hit] = 1 - (1 - flat[hit]) * (1 - np.minimum(total, 1)).astype(np.float32)


def _gathered(frame: Frame, pieces: list[Piece]) -> tuple[Ints, Ints, Floats]:
    """All touched pixels once, and for each touch its place among them and its amount."""
    pixel = np.concatenate([pixel for pixel, _ in pieces] or [np.zeros(0, np.int64)])
    amount = np.concatenate([amount for _, amount in pieces] or [np.zeros(0)])
    touched = np.zeros(frame.height * frame.width, np.bool_)
    touched[pixel] = True
    hit = np.flatnonzero(touched)
    place = np.empty(len(touched), np.int64)
    place[hit] = np.arange(len(hit))
    return hit, place[pixel], amount
