"""Where particles are at a time, and which pixels they touch: the ground of the weather overlay.

Everything is a function of (seed, particle number, absolute time), so a window, a resumed run and a whole run
draw the same particles. Positions are in frame heights: y from 0 (top) to 1, x from 0 to width / height.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FOCAL = 1.2  # frame heights a metre takes at one metre: about 45 degrees from top to bottom
MARGIN = 0.15  # heights outside the frame where particles are born and die
DEPTH_SPREAD = 0.3  # particles of a layer lie within +-30 % of its depth


@dataclass(frozen=True)
class Particles:
    """Some particles at one moment: (N,) arrays."""

    x: Floats  # heights
    y: Floats  # heights
    depth: Floats  # metres
    number: Ints  # the particle's number in its layer
    life: Floats  # in [0, 1): a chance for each particle and each of its falls


@dataclass(frozen=True)
class Touch:
    """Pixels that particles touch: (M,) arrays, one entry for each particle and pixel."""

    pixel: Ints  # row * width + column
    weight: Floats  # 0..1
    owner: Ints  # index of the particle


def chance(seed: int, salt: int, *numbers: Ints) -> Floats:
    """Hash whole numbers to uniform chances in [0, 1), the same on every machine (splitmix64)."""
    state = np.full(numbers[0].shape, (seed * 1000003 + salt * 7919) & (2**64 - 1), np.uint64)
    for number in numbers:
        state = _mix(state + number.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def falling(
    seed: int, count: int, depth: float, speed: float, wind: float, aspect: float, time: float
) -> Particles:
    """Particles that cross the frame from top to bottom (speed < 0: upwards) and come back at another place.

    speed, wind: metres per second down and to the right; time: seconds.
    """
    number = np.arange(count)
    own_depth = depth * (1 + DEPTH_SPREAD * (2 * chance(seed, 1, number) - 1))
    rate = FOCAL / own_depth * (0.85 + 0.3 * chance(seed, 2, number))
    span, width = 1 + 2 * MARGIN, aspect + 2 * MARGIN
    travel = chance(seed, 3, number) + speed * rate * time / span
    fall = np.floor(travel)
    place, life = (chance(seed, salt, number, fall.astype(np.int64)) for salt in (4, 5))
    x = np.mod(place * width + wind * rate * time, width) - MARGIN
    return Particles(x, (travel - fall) * span - MARGIN, own_depth, number, life)


def sway(seed: int, number: Ints, time: float, period: float) -> tuple[Floats, Floats]:
    """A smooth wandering of each particle: two (N,) offsets in about [-1, 1]."""
    turns = 2 * np.pi * time / period
    a, b, c = (2 * np.pi * chance(seed, salt, number) for salt in (11, 12, 13))
    pace = 0.6 + 0.8 * chance(seed, 14, number)
    across = 0.7 * np.sin(turns * pace + a) + 0.3 * np.sin(2.3 * turns * pace + b)
    return across, 0.7 * np.sin(0.8 * turns * pace + c) + 0.3 * np.sin(1.9 * turns * pace + a)


def discs(
    p: Particles, radius: Floats, reach: float, height: int, width: int
) -> tuple[Touch, Floats, Floats]:
    """The pixels within `reach` radii of each particle; radius: (N,) pixels.

    Returns the touches (weight 1) and, for each, the offset from the centre in radii (across, down).
    """
    half = max(1, int(np.ceil(reach * radius.max())) if len(radius) else 1)
    grid = np.arange(-half, half + 1)
    column = np.floor(p.x * height)[:, None, None] + grid[None, None, :]
    row = np.floor(p.y * height)[:, None, None] + grid[None, :, None]
    across = (column + 0.5 - (p.x * height)[:, None, None]) / radius[:, None, None]
    down = (row + 0.5 - (p.y * height)[:, None, None]) / radius[:, None, None]
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    inside = inside & (across * across + down * down < reach * reach)
    owner, i, j = np.nonzero(inside)
    pixel = (row[owner, i, 0] * width + column[owner, 0, j]).astype(np.int64)
    touch = Touch(pixel, np.ones(len(pixel)), owner)
    return touch, across[owner, 0, j], down[owner, i, 0]


def streaks(p: Particles, length: Floats, slope: float, thick: float, height: int, width: int) -> Touch:
    """The pixels of one soft line for each particle: from its place upwards, tapered at both ends.

    length: (N,) pixels downwards; slope: pixels to the right for each pixel down; thick: sigma in pixels.
    """
    steps = np.arange(int(np.ceil(length.max())) + 1 if len(length) else 1)
    foot = np.floor(p.y * height)
    row = foot[:, None] - steps[None, :]  # (N, S)
    centre = (p.x * height)[:, None] - slope * (steps[None, :] + (p.y * height - foot)[:, None])
    along = steps[None, :] / np.maximum(length, 1)[:, None]
    taper = np.clip(4 * along * (1 - along), 0, 1)
    alive = (taper > 0.02) & (row >= 0) & (row < height) & (centre > -2) & (centre < width + 2)
    owner, step = np.nonzero(alive)
    half = max(1, int(2 * thick - 0.3))
    middle = centre[owner, step, None]
    column = np.floor(middle).astype(np.int64) + np.arange(-half, half + 1)  # (M, taps)
    weight = np.exp((column + 0.5 - middle) ** 2 * (-0.5 / thick**2)) * taper[owner, step, None]
    pixel = row.astype(np.int64)[owner, step, None] * width + column
    inside = (column >= 0) & (column < width)
    owners = np.broadcast_to(owner[:, None], column.shape)
    return Touch(pixel[inside], weight[inside], owners[inside])
