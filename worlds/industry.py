"""Heavy things: shipping containers, racks, gantry cranes, pipes, tanks, ducts."""

import numpy as np
from numpy.typing import ArrayLike

from worlds.round_shapes import capsule, cylinder, rod, torus, tube
from worlds.shapes import Array, Mesh, block, box, boxes, join, place


def container_frame(length: float = 6.06, width: float = 2.44, height: float = 2.59) -> Mesh:
    """Corner posts, rails and door bars of a shipping container, standing on z = 0; its long side along x."""
    x, y, t = length / 2, width / 2, 0.12
    parts = []
    for a in (-1, 1):
        for b in (-1, 1):
            parts.append(((a * x, b * y, height / 2), (t, t, height)))
            parts.append(((0, a * y, height / 2 + b * height / 2), (length, t, t)))
            parts.append(((a * x, 0, height / 2 + b * height / 2), (t, width, t)))
    bars = [
        ((x + 0.03, s * width * 0.22, height / 2), (0.05, 0.05, height * 0.9)) for s in (-1.4, -0.5, 0.5, 1.4)
    ]
    parts += bars
    return boxes(np.array([p[0] for p in parts]), np.array([p[1] for p in parts]))


def container_walls(length: float = 6.06, width: float = 2.44, height: float = 2.59) -> Mesh:
    """The sheet walls between the posts."""
    return block((length - 0.04, width - 0.04, height - 0.02), (0, 0, 0.01))


def rack(length: float, depth: float, height: float, levels: int, bay: float = 2.4) -> tuple[Mesh, Mesh]:
    """(uprights, shelves) of a storage rack along x, standing on z = 0."""
    posts = np.linspace(-length / 2, length / 2, max(2, int(length / bay) + 1))
    ends = np.array([(x, y, height / 2) for x in posts for y in (-depth / 2, depth / 2)])
    uprights = [boxes(ends, (0.09, 0.09, height))]
    for x in posts:
        for z in np.arange(0.2, height - 0.9, 1.1):
            uprights.append(rod((x, -depth / 2, z), (x, depth / 2, z + 0.9), 0.02, 5))
    z = np.linspace(0.15, height - 0.3, levels)
    shelves = [
        boxes(np.stack([0 * z, 0 * z + y, z], 1), (length, 0.06, 0.12)) for y in (-depth / 2, depth / 2)
    ]
    shelves.append(boxes(np.stack([0 * z, 0 * z, z + 0.05], 1), (length, depth, 0.03)))
    return join(*uprights), join(*shelves)


def lattice_beam(length: float, size: float, bar: float = 0.06) -> Mesh:
    """A girder of four chords and zigzag braces along x, centred on the origin."""
    s = size / 2
    parts = [box((length, bar * 1.5, bar * 1.5), (0, a * s, b * s)) for a in (-1, 1) for b in (-1, 1)]
    steps = np.arange(-length / 2, length / 2 - size / 2, size)
    for i, x in enumerate(steps):
        up = 1 if i % 2 else -1
        for a in (-1, 1):
            parts.append(rod((x, a * s, -s * up), (x + size, a * s, s * up), bar * 0.6, 5))
    return join(*parts)


def gantry_crane(span: float, height: float) -> Mesh:
    """Four legs, two girders, a cab and a hanging hook."""
    parts = [place(lattice_beam(span, 1.2), (0, y, height)) for y in (-2.5, 2.5)]
    for x in (-span / 2 + 0.6, span / 2 - 0.6):
        for y in (-2.5, 2.5):
            parts.append(block((0.6, 0.6, height), (x, y, 0)))
        parts.append(box((0.5, 5, 0.4), (x, 0, 1.0)))
        parts.append(rod((x, -2.5, 1.5), (x, 2.5, height - 1), 0.15, 6))
    parts.append(box((2.2, 3.6, 1.6), (span * 0.15, 0, height - 1.0)))
    for y in (-0.5, 0.5):
        parts.append(rod((span * 0.15, y, height * 0.45), (span * 0.15, y, height), 0.03, 5))
    parts.append(box((1.4, 1.6, 0.4), (span * 0.15, 0, height * 0.43)))
    return join(*parts)


def pipe_run(points: ArrayLike, radius: float, sides: int = 10) -> Mesh:
    """A pipe with flanges at its corners."""
    points = np.asarray(points, np.float64)
    parts = [tube(points[i : i + 2], radius, sides) for i in range(len(points) - 1)]
    for i, point in enumerate(points):
        ahead = points[min(i + 1, len(points) - 1)] - points[max(i - 1, 0)]
        ahead /= np.linalg.norm(ahead)
        parts.append(rod(point - ahead * radius * 0.6, point + ahead * radius * 0.6, radius * 1.45, sides))
    return join(*parts)


def tank(radius: float, height: float, lying: bool = False) -> Mesh:
    """A storage tank with hoops and legs."""
    if lying:
        body = place(capsule(radius, height, 18, 4), (-height / 2, 0, radius * 1.4), roll=np.pi / 2)
        feet = [block((0.3, radius * 1.6, radius), (x, 0, 0)) for x in (-height * 0.3, height * 0.3)]
        return join(body, *feet)
    hoops = [place(torus(radius, 0.06, 22, 5), (0, 0, z)) for z in np.linspace(0.3, height * 0.95, 4)]
    ladder = [boxes([(radius + 0.25, y, height / 2) for y in (-0.2, 0.2)], (0.05, 0.05, height))]
    ladder.append(boxes([(radius + 0.25, 0, z) for z in np.arange(0.3, height, 0.4)], (0.04, 0.4, 0.04)))
    return join(cylinder(radius, height, 22), *hoops, *ladder)


def ribs(path: Array, width: float, height: float, thick: float = 0.25) -> Mesh:
    """Door-shaped frames around a corridor at (K, 3) points with yaw in column 3 if given; opening width x height."""
    parts = []
    for row in path:
        yaw = float(row[3]) if len(row) > 3 else 0.0
        frame = join(
            block((thick, thick, height), (-width / 2 + thick / 2, 0, 0)),
            block((thick, thick, height), (width / 2 - thick / 2, 0, 0)),
            box((width, thick, thick), (0, 0, height - thick / 2)),
        )
        parts.append(place(frame, row[:3], yaw))
    return join(*parts)
