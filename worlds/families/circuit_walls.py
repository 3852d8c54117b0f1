"""High walls along a circuit, gates over it and houses behind: a track through a town, a fort or an estate."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.buildings import HouseStyle, add_house, arch
from worlds.materials import Kind, hsv
from worlds.shapes import Array, block, join, place, vec

SUNK = 2.0
"""Metres that walls reach into the ground, which is not level."""


def sideways(path: Array) -> tuple[Array, Array]:
    """Along (N, 2) and to the right (N, 3) of a path (N, 3), unit vectors."""
    step = np.gradient(path[:, :2], axis=0)
    step /= np.linalg.norm(step, axis=1, keepdims=True)
    return step, np.stack([step[:, 1], -step[:, 0], 0 * step[:, 0]], 1)


def add_walls(builder: SceneBuilder, path: Array, half: float) -> None:
    """Wall a track in: often limewashed, as bright as the sky above it."""
    rng = builder.rng
    masonry = _limewash(builder) if rng.random() < 0.55 else builder.palette.wall()
    trim = builder.palette.wall() if rng.random() < 0.6 else masonry
    step, side = sideways(path)
    for sign in (-1, 1):
        if rng.random() < 0.85:
            line = path + side * sign * (half + float(rng.uniform(2.0, 9.0)))
            _wall(builder, line[2:-2], masonry, trim)
    for at in rng.integers(24, 75, int(rng.integers(0, 3))):
        yaw = float(np.arctan2(-step[at, 0], step[at, 1]))
        _gate(builder, path[at], yaw, half, masonry)
    if rng.random() < 0.5:
        style = HouseStyle(builder)
        for at in rng.integers(20, 100, int(rng.integers(2, 8))):
            sign = float(rng.choice([-1, 1]))
            spot = path[at] + side[at] * sign * (half + float(rng.uniform(18, 30)))
            yaw = float(np.arctan2(-step[at, 0], step[at, 1])) + sign * np.pi / 2
            add_house(builder, style, spot, yaw, rng.uniform([6, 5, 4], [16, 10, 12]))


def _limewash(builder: SceneBuilder) -> int:
    """Near white to cream, plain or weathered."""
    rng = builder.rng
    white = hsv(float(rng.uniform(0.04, 0.16)), float(rng.uniform(0, 0.25)), float(rng.uniform(0.82, 0.99)))
    worn = tuple(channel * float(rng.uniform(0.75, 1.0)) for channel in white)
    kind = Kind.SOLID if rng.random() < 0.4 else Kind.BLOTCHES
    return builder.materials.add(
        kind,
        white,
        (worn[0], worn[1], worn[2]),
        roughness=float(rng.uniform(0.6, 1.0)),
        scale=float(rng.uniform(0.2, 1.0)),
        bump=0.1,
        exact=True,
    )


def _wall(builder: SceneBuilder, line: Array, masonry: int, trim: int) -> None:
    """Pieces of three metres along a line, level or in steps: bare, capped, with battlements or with piers."""
    rng = builder.rng
    ends = line[::2]
    middles, ways = (ends[1:] + ends[:-1]) / 2, np.diff(ends, axis=0)
    yaws = np.arctan2(-ways[:, 0], ways[:, 1])
    lengths = np.linalg.norm(ways[:, :2], axis=1) + 0.15
    height, thick = float(rng.uniform(1.5, 7.0)), float(rng.uniform(0.3, 1.2))
    heights = np.full(len(middles), height)
    if rng.random() < 0.4:
        heights = np.repeat(height * rng.uniform(0.6, 1.3, len(middles) // 5 + 1), 5)[: len(middles)]
    top, pierced = rng.random(), rng.random() < 0.35
    pieces, tops = [], []
    for index, (at, yaw, length, high) in enumerate(zip(middles, yaws, lengths, heights, strict=True)):
        if pierced and index % 7 == 3:  # a way in
            continue
        pieces.append(block((thick, length, high + SUNK), at - vec(0, 0, SUNK), float(yaw)))
        if top < 0.35:
            tops.append(block((thick * 1.3, length, 0.25), at + vec(0, 0, high), float(yaw)))
        elif top < 0.6:
            tops.append(block((thick, length * 0.5, 0.7), at + vec(0, 0, high), float(yaw)))
        if top > 0.8 and index % 3 == 0:
            tops.append(block((thick * 1.8, 0.9, high + SUNK + 0.4), at - vec(0, 0, SUNK), float(yaw)))
    builder.add(join(*pieces), masonry)
    if tops:
        builder.add(join(*tops), trim if rng.random() < 0.5 else masonry)


def _gate(builder: SceneBuilder, spot: Array, yaw: float, half: float, masonry: int) -> None:
    """A round-headed gate over the track, with walls at both sides or free-standing."""
    rng = builder.rng
    width, pillar = 2 * half * float(rng.uniform(0.8, 1.4)), float(rng.uniform(0.6, 2.5))
    height = width / 2 + pillar + float(rng.uniform(0.5, 4.0))
    deep = float(rng.uniform(0.6, 3.0))
    parts = [arch(width, height, deep, pillar)]
    if rng.random() < 0.6:
        wing = float(rng.uniform(4, 14))
        for sign in (-1, 1):
            foot = (sign * (width / 2 + pillar + wing / 2), 0, -SUNK)
            parts.append(block((wing, deep * 0.8, height * float(rng.uniform(0.5, 0.9)) + SUNK), foot))
    builder.add(place(join(*parts), spot, yaw), masonry)
