"""Parts of buildings: roofs, arches, stairs, fences, windows, doors, and whole houses."""

import numpy as np
from numpy.typing import ArrayLike

from worlds.builder import SceneBuilder
from worlds.round_shapes import rod, tube
from worlds.shapes import Array, Mesh, block, box, boxes, join, place, quads, triangles, vec


def gabled_roof(length: float, width: float, height: float, thick: float = 0.15) -> Mesh:
    """A saddle roof with its ridge along x, eaves at z = 0; solid, so its underside is closed."""
    x, y = length / 2, width / 2
    low = [(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0)]
    ridge = [(-x, 0, height), (x, 0, height)]
    slopes = quads([[low[0], low[1], ridge[1], ridge[0]], [low[2], low[3], ridge[0], ridge[1]]])
    gables = triangles([[low[1], low[2], ridge[1]], [low[3], low[0], ridge[0]]])
    under = box((length, width, thick), (0, 0, -thick / 2))
    return join(slopes, gables, under)


def hip_roof(length: float, width: float, height: float, ridge: float = 0.4) -> Mesh:
    """A roof sloping on four sides; `ridge` is the ridge's share of the length (0 makes a pyramid)."""
    x, y, r = length / 2, width / 2, length / 2 * ridge
    low = [(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0)]
    top = [(-r, 0, height), (r, 0, height)]
    slopes = quads([[low[0], low[1], top[1], top[0]], [low[2], low[3], top[0], top[1]]])
    ends = triangles([[low[1], low[2], top[1]], [low[3], low[0], top[0]]])
    return join(slopes, ends, box((length, width, 0.15), (0, 0, -0.075)))


def arch(width: float, height: float, depth: float, pillar: float, segments: int = 12) -> Mesh:
    """A gate: a round-headed opening of `width` in a wall of `height`, standing along x, `depth` thick in y."""
    radius = width / 2
    spring = max(height - radius - pillar, 0.1)
    angle = np.linspace(0, np.pi, segments + 1)
    inner = np.stack([radius * np.cos(angle), spring + radius * np.sin(angle)], 1)
    outer = np.stack(
        [np.clip(inner[:, 0] * 9, -radius - pillar, radius + pillar), np.full(len(inner), height)], 1
    )
    outer[:, 0] = np.linspace(radius + pillar, -radius - pillar, len(inner))
    outer[0, 1] = outer[-1, 1] = spring
    outer = np.concatenate(
        [outer[:1], [[radius + pillar, height]], outer[1:-1], [[-radius - pillar, height]], outer[-1:]]
    )
    inner = np.concatenate([inner[:1], inner[:1], inner[1:-1], inner[-1:], inner[-1:]])
    d = depth / 2

    def at(points: Array, y: float) -> Array:
        return np.stack([points[:, 0], np.full(len(points), y), points[:, 1]], 1)

    front = np.stack([at(inner[:-1], -d), at(outer[:-1], -d), at(outer[1:], -d), at(inner[1:], -d)], 1)
    back = np.stack([at(inner[1:], d), at(outer[1:], d), at(outer[:-1], d), at(inner[:-1], d)], 1)
    under = np.stack([at(inner[:-1], d), at(inner[:-1], -d), at(inner[1:], -d), at(inner[1:], d)], 1)
    over = np.stack([at(outer[:-1], -d), at(outer[:-1], d), at(outer[1:], d), at(outer[1:], -d)], 1)
    faces = np.concatenate([front, back, under, over])
    size = np.linalg.norm(np.cross(faces[:, 2] - faces[:, 0], faces[:, 3] - faces[:, 1]), axis=1)
    mesh = quads(faces[size > 1e-6])
    tri = mesh.reshape(-1, 3, 8)
    area = np.linalg.norm(np.cross(tri[:, 1, :3] - tri[:, 0, :3], tri[:, 2, :3] - tri[:, 0, :3]), axis=1)
    legs = [block((pillar, depth, spring), (side * (radius + pillar / 2), 0, 0)) for side in (-1, 1)]
    return join(tri[area > 1e-7].reshape(-1, 8), *legs)


def stairs(width: float, rise: float, run: float, steps: int) -> Mesh:
    """Steps going up along +y from the origin; the whole flight is `rise` high and `run` deep."""
    tread, height = run / steps, rise / steps
    index = np.arange(steps)
    centres = np.stack([0 * index, (index + 0.5) * tread, (index + 1) * height / 2], 1)
    sizes = np.stack([np.full(steps, width), np.full(steps, tread), (index + 1) * height], 1)
    return boxes(centres, sizes)


def fence(
    path: ArrayLike,
    height: float,
    gap: float = 2.0,
    rails: int = 2,
    round_rails: bool = True,
    thick: float = 0.04,
) -> Mesh:
    """Posts and rails along a (K, 3) path."""
    path = np.asarray(path, np.float64)
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    at = np.linspace(0, along[-1], max(2, int(along[-1] / gap) + 1))
    posts = np.stack([np.interp(at, along, path[:, i]) for i in range(3)], 1)
    parts = [boxes(posts + vec(0, 0, height / 2 - 0.1), (thick * 2, thick * 2, height + 0.2))]
    for level in np.linspace(height * 0.95, height * 0.35, rails):
        line = posts + vec(0, 0, level)
        if round_rails:
            parts.append(tube(line, thick, 5))
        else:
            step = np.diff(line, axis=0)
            length = np.linalg.norm(step, axis=1)
            yaw = np.arctan2(step[:, 1], step[:, 0])
            sizes = np.stack([length, np.full(len(step), thick), np.full(len(step), thick * 4)], 1)
            parts.append(boxes((line[:-1] + line[1:]) / 2, sizes, yaw))
    return join(*parts)


def wire(start: ArrayLike, end: ArrayLike, sag: float, radius: float = 0.015) -> Mesh:
    """A hanging cable."""
    t = np.linspace(0, 1, 9)[:, None]
    path = np.asarray(start, float) * (1 - t) + np.asarray(end, float) * t
    path[:, 2] -= sag * (4 * t * (1 - t))[:, 0]
    return tube(path, radius, 4)


def window_grid(width: float, height: float, columns: int, rows: int) -> tuple[Array, Array]:
    """(frames, panes) of windows spread over a wall in the xz plane facing -y, its lower left at the origin.

    Both are (K, 6): centre and size of boxes, so that a house can build all its windows in one go.
    """
    w, h = width / columns * 0.5, height / rows * 0.55
    u, v = np.meshgrid((np.arange(columns) + 0.5) * width / columns, (np.arange(rows) + 0.5) * height / rows)
    at = np.stack([u.ravel(), np.zeros(u.size), v.ravel()], 1)
    # offset and size of every part of one window: two bars, two jambs, sill and lintel
    parts = np.array(
        [
            [0, -0.03, 0, w, 0.08, 0.05],
            [0, -0.03, 0, 0.05, 0.08, h],
            [-w / 2, -0.05, 0, 0.09, 0.16, h + 0.1],
            [w / 2, -0.05, 0, 0.09, 0.16, h + 0.1],
            [0, -0.05, -h / 2, w + 0.1, 0.2, 0.09],
            [0, -0.05, h / 2, w + 0.1, 0.16, 0.09],
        ]
    )
    frames = np.repeat(parts[None], len(at), 0)
    frames[..., :3] += at[:, None]
    panes = np.concatenate([at, np.broadcast_to([w, 0.08, h], at.shape)], 1)
    return frames.reshape(-1, 6), panes


def around(walls: list[tuple[Array, float, float]]) -> Mesh:
    """Boxes (K, 6) hung on walls: each list entry is (boxes in wall axes, half depth to the wall, yaw of the wall)."""
    centres, sizes, yaws = [], [], []
    for parts, depth, yaw in walls:
        c, s = np.cos(yaw), np.sin(yaw)
        x, y = parts[:, 0], parts[:, 1] - depth
        centres.append(np.stack([c * x - s * y, s * x + c * y, parts[:, 2]], 1))
        sizes.append(parts[:, 3:])
        yaws.append(np.full(len(parts), yaw))
    return boxes(np.concatenate(centres), np.concatenate(sizes), np.concatenate(yaws))


class HouseStyle:
    """Materials that the houses of one scene share."""

    def __init__(self, builder: SceneBuilder) -> None:
        palette, rng = builder.palette, builder.rng
        self.walls = [palette.or_metal("wall") for _ in range(4)] + [palette.facade()]
        self.roofs = [palette.roof() for _ in range(2)]
        self.trims = [palette.planks(), palette.or_metal("plaster")]
        self.panes = palette.glass()
        self.doors = [palette.or_metal("wood"), palette.or_metal("plastic")]
        self.steep = float(rng.uniform(0.25, 0.9))


def add_house(
    builder: SceneBuilder, style: HouseStyle, position: ArrayLike, yaw: float, size: ArrayLike
) -> None:
    """A house with windows, door, roof, chimney; `size` = length (x), depth (y), wall height. The door faces -y."""
    rng = builder.rng
    length, depth, height = (float(v) for v in np.asarray(size))
    wall = style.walls[int(rng.integers(4))]

    def put(mesh: Mesh, material: int) -> None:
        builder.add(place(mesh, position, yaw), material)

    put(block((length, depth, height + 0.6), (0, 0, -0.6)), wall)
    trim = style.trims[int(rng.integers(2))]
    storeys = max(1, round(height / 2.9))
    columns = max(1, int(length / rng.uniform(1.8, 3.0)))
    shift = np.array([0.0, 0, 0.2, 0, 0, 0])
    frames, panes = [], []
    for wide, far, count, yaws in (
        (length, depth, columns, (0.0, np.pi)),
        (depth, length, max(1, int(depth / 2.6)), (np.pi / 2, -np.pi / 2)),
    ):
        frame, pane = window_grid(wide - 0.6, height - 0.3, count, storeys)
        shift[0] = 0.3 - wide / 2
        for turned in yaws:
            frames.append((frame + shift, far / 2 + 0.01, turned))
            panes.append((pane + shift, far / 2 + 0.01, turned))
    put(around(frames), trim)
    put(around(panes), style.panes)
    door = block((1.0, 0.2, 2.1), (float(rng.uniform(-0.3, 0.3)) * (length - 1.4), -depth / 2 - 0.06, 0))
    put(door, style.doors[int(rng.integers(2))])
    _top(builder, style, put, length, depth, height)
    if rng.random() < 0.5:
        put(block((0.6, 0.6, height * style.steep * 0.6 + 1.2), (length * 0.25, depth * 0.12, height)), wall)


def _top(builder: SceneBuilder, style: HouseStyle, put, length: float, depth: float, height: float) -> None:  # noqa: ANN001
    rng = builder.rng
    roof, over = style.roofs[int(rng.integers(2))], float(rng.uniform(0.3, 0.9))
    rise = depth * style.steep * rng.uniform(0.5, 0.8)
    kind = rng.random()
    if kind < 0.6:
        put(place(gabled_roof(length + over, depth + over, rise), (0, 0, height)), roof)
    elif kind < 0.85:
        put(
            place(hip_roof(length + over, depth + over, rise, float(rng.uniform(0, 0.6))), (0, 0, height)),
            roof,
        )
    else:
        put(block((length + 0.3, depth + 0.3, 0.35), (0, 0, height)), roof)
        put(
            join(*[rod((x, 0, height), (x, 0, height + 1.4), 0.08) for x in (-length * 0.3, length * 0.2)]),
            style.trims[1],
        )
