"""Flat-sided shapes and the mesh layout that every shape shares.

A mesh is a triangle list, (N, 8) float32 with N % 3 == 0: position xyz (metres, z up), outward unit normal xyz,
uv (metres along the surface). Triangles are wound counter-clockwise seen from outside, and sheets that can be seen
from both sides are closed solids, so a renderer may cull back faces or not.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Mesh = NDArray[np.float32]
Array = NDArray[Any]  # float64 unless a mesh is meant

_TRIANGLES = np.array([0, 1, 2, 0, 2, 3])
# the six faces of a cube as corner signs, counter-clockwise from outside, the first edge running along u
_FACES = np.array(
    [
        [[1, -1, -1], [1, 1, -1], [1, 1, 1], [1, -1, 1]],
        [[-1, 1, -1], [-1, -1, -1], [-1, -1, 1], [-1, 1, 1]],
        [[1, 1, -1], [-1, 1, -1], [-1, 1, 1], [1, 1, 1]],
        [[-1, -1, -1], [1, -1, -1], [1, -1, 1], [-1, -1, 1]],
        [[-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]],
        [[-1, 1, -1], [1, 1, -1], [1, -1, -1], [-1, -1, -1]],
    ],
    np.float64,
)
_FACE_NORMALS = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], np.float64)
_FACE_U = np.array([1, 1, 0, 0, 0, 0])
_FACE_V = np.array([2, 2, 2, 2, 1, 1])
_CORNER_U = np.array([0.0, 1.0, 1.0, 0.0])
_CORNER_V = np.array([0.0, 0.0, 1.0, 1.0])
# one box of size 1 as 36 rows of position, normal and uv, and the axes that its uv run along
_BOX = np.concatenate(
    [
        (_FACES / 2)[:, _TRIANGLES].reshape(36, 3),
        np.repeat(_FACE_NORMALS, 6, 0),
        np.tile(np.stack([_CORNER_U, _CORNER_V], 1)[_TRIANGLES], (6, 1)),
    ],
    1,
).astype(np.float32)
_BOX_U, _BOX_V = np.repeat(_FACE_U, 6), np.repeat(_FACE_V, 6)


def vec(x: float, y: float, z: float) -> Array:
    """A point or an offset, (3,)."""
    return np.array([x, y, z], np.float64)


def cross(a: NDArray, b: NDArray) -> NDArray:
    """Cross product over the last axis; several times faster than np.cross on many small vectors."""
    out = np.empty(np.broadcast_shapes(a.shape, b.shape), np.result_type(a, b))
    out[..., 0] = a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1]
    out[..., 1] = a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2]
    out[..., 2] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return out


def pack(position: ArrayLike, normal: ArrayLike, uv: ArrayLike) -> Mesh:
    """Put (..., 3), (..., 3) and (..., 2) vertex arrays into one mesh."""
    position = np.asarray(position)
    out = np.empty((*position.shape[:-1], 8), np.float32)
    out[..., :3], out[..., 3:6], out[..., 6:] = position, normal, uv
    return out.reshape(-1, 8)


def join(*meshes: Mesh) -> Mesh:
    """Concatenate meshes."""
    return np.concatenate(meshes)


def turn(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Array:
    """Rotation matrix Rz(yaw) Rx(pitch) Ry(roll), radians; the order that object poses use too."""
    cz, sz, cx, sx, cy, sy = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    rz = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1.0]])
    rx = np.array([[1.0, 0, 0], [0, cx, -sx], [0, sx, cx]])
    ry = np.array([[cy, 0, sy], [0, 1.0, 0], [-sy, 0, cy]])
    return rz @ rx @ ry


def place(
    mesh: Mesh,
    position: ArrayLike,
    yaw: float = 0.0,
    scale: float = 1.0,
    pitch: float = 0.0,
    roll: float = 0.0,
) -> Mesh:
    """One copy of a mesh: scaled, turned, then moved. uv stay in metres."""
    rotation = turn(yaw, pitch, roll).astype(np.float32).T
    out = np.empty_like(mesh)
    out[:, :3] = mesh[:, :3] @ rotation * np.float32(scale) + np.asarray(position, np.float32)
    out[:, 3:6] = mesh[:, 3:6] @ rotation
    out[:, 6:] = mesh[:, 6:] * np.float32(scale)
    return out


def instances(mesh: Mesh, positions: ArrayLike, yaws: ArrayLike, scales: ArrayLike) -> Mesh:
    """Copies of one mesh at (K, 3) positions, turned by (K,) yaws, scaled by (K,) or (K, 3) factors."""
    positions = np.asarray(positions, np.float32).reshape(-1, 3)
    count = len(positions)
    yaws = np.broadcast_to(np.asarray(yaws, np.float32), (count,))
    scales = np.asarray(scales, np.float32)
    scales = np.broadcast_to(scales[..., None] if scales.ndim < 2 else scales, (count, 3))[:, None]
    c, s = np.cos(yaws)[:, None], np.sin(yaws)[:, None]
    out = np.empty((count, len(mesh), 8), np.float32)
    p = mesh[None, :, :3] * scales
    n = mesh[None, :, 3:6] / scales
    n = n / np.linalg.norm(n, axis=-1, keepdims=True)
    for source, start in ((p, 0), (n, 3)):
        out[..., start] = c * source[..., 0] - s * source[..., 1]
        out[..., start + 1] = s * source[..., 0] + c * source[..., 1]
        out[..., start + 2] = source[..., 2]
    out[..., :3] += positions[:, None]
    out[..., 6:] = mesh[None, :, 6:] * scales[..., [0, 2]]
    return out.reshape(-1, 8)


def quads(corners: ArrayLike, uv: ArrayLike | None = None) -> Mesh:
    """Flat quads from (K, 4, 3) corners, counter-clockwise from outside; uv default to edge lengths in metres."""
    corners = np.asarray(corners, np.float64)
    normal = cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    if uv is None:
        along = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=-1)[:, None]
        across = np.linalg.norm(corners[:, 3] - corners[:, 0], axis=-1)[:, None]
        uv = np.stack([along * _CORNER_U, across * _CORNER_V], -1)
    normals = np.repeat(normal[:, None], 6, 1)
    return pack(corners[:, _TRIANGLES], normals, np.asarray(uv)[:, _TRIANGLES])


def triangles(corners: ArrayLike) -> Mesh:
    """Flat triangles from (K, 3, 3) corners, counter-clockwise from outside; uv in the triangle's own plane."""
    corners = np.asarray(corners, np.float64)
    edge, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normal = cross(edge, other)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    u = edge / np.maximum(np.linalg.norm(edge, axis=-1, keepdims=True), 1e-12)
    v = cross(normal, u)
    uv = np.stack([np.einsum("kci,ki->kc", corners, u), np.einsum("kci,ki->kc", corners, v)], -1)
    return pack(corners, np.repeat(normal[:, None], 3, 1), uv)


def boxes(centres: ArrayLike, sizes: ArrayLike, yaws: ArrayLike = 0.0) -> Mesh:
    """K boxes, 36 rows each; centres and sizes (K, 3) metres, yaws (K,) radians."""
    centres = np.asarray(centres, np.float32).reshape(-1, 3)
    count = len(centres)
    sizes = np.asarray(sizes, np.float32).reshape(-1, 3)
    yaws = np.asarray(yaws, np.float32).reshape(-1)
    out = np.empty((count, 36, 8), np.float32)
    out[..., :3] = _BOX[:, :3] * sizes[:, None]
    out[..., 3:6] = _BOX[:, 3:6]
    out[..., 6] = _BOX[:, 6] * sizes[:, _BOX_U]
    out[..., 7] = _BOX[:, 7] * sizes[:, _BOX_V]
    if yaws.any():
        c, s = np.cos(yaws)[:, None], np.sin(yaws)[:, None]
        for start in (0, 3):
            x, y = out[..., start].copy(), out[..., start + 1]
            out[..., start], out[..., start + 1] = c * x - s * y, s * x + c * y
    out[..., :3] += centres[:, None]
    return out.reshape(-1, 8)


def box(size: ArrayLike, centre: ArrayLike = (0.0, 0.0, 0.0), yaw: float = 0.0) -> Mesh:
    """One box of `size` metres around `centre`."""
    return boxes(centre, size, yaw)


def block(size: ArrayLike, base: ArrayLike = (0.0, 0.0, 0.0), yaw: float = 0.0) -> Mesh:
    """One box standing on `base` (the middle of its lower face)."""
    return box(size, np.asarray(base, np.float64) + np.array([0, 0, np.asarray(size)[2] / 2]), yaw)


def grid_mesh(position: Array, normal: Array, uv: Array) -> Mesh:
    """Triangles of a (U, V) lattice of vertices; winding is made to agree with the normals, slivers are dropped."""

    def cells(a: Array) -> Array:
        return np.stack([a[:-1, :-1], a[1:, :-1], a[1:, 1:], a[:-1, 1:]], 2).reshape(-1, 4, a.shape[-1])

    mesh = pack(cells(position)[:, _TRIANGLES], cells(normal)[:, _TRIANGLES], cells(uv)[:, _TRIANGLES])
    return orient(mesh)


def orient(mesh: Mesh) -> Mesh:
    """Wind every triangle so that its geometric normal agrees with its vertex normals; drop empty triangles."""
    tri = mesh.reshape(-1, 3, 8)
    facing = cross(tri[:, 1, :3] - tri[:, 0, :3], tri[:, 2, :3] - tri[:, 0, :3])
    area = np.linalg.norm(facing, axis=-1)
    backward = np.einsum("ki,ki->k", facing, tri[:, :, 3:6].sum(1)) < 0
    tri = np.where(backward[:, None, None], tri[:, [0, 2, 1]], tri)
    return tri[area > 1e-8].reshape(-1, 8)


def bevelled_box(
    size: ArrayLike, bevel: float, centre: ArrayLike = (0.0, 0.0, 0.0), yaw: float = 0.0
) -> Mesh:
    """A box with rounded edges of radius `bevel` metres (108 triangles)."""
    half = np.asarray(size, np.float64) / 2
    bevel = float(min(bevel, half.min() * 0.95))
    inner = half - bevel
    parts = []
    for face in range(6):
        axis, u, v = face // 2, (face // 2 + 1) % 3, (face // 2 + 2) % 3
        sign = 1.0 - 2.0 * (face % 2)
        p = np.empty((4, 4, 3))
        p[..., axis] = sign * half[axis]
        p[..., u] = np.array([-half[u], -inner[u], inner[u], half[u]])[:, None]
        p[..., v] = np.array([-half[v], -inner[v], inner[v], half[v]])[None]
        core = np.clip(p, -inner, inner)
        normal = (p - core) / np.linalg.norm(p - core, axis=-1, keepdims=True)
        flat_u, flat_v = (1, 2) if axis == 0 else (0, 2) if axis == 1 else (0, 1)
        parts.append(
            grid_mesh(core + bevel * normal, normal, p[..., [flat_u, flat_v]] + half[[flat_u, flat_v]])
        )
    return place(np.concatenate(parts), centre, yaw)


def extrude(outline: ArrayLike, height: float) -> Mesh:
    """A prism: convex or star-shaped (K, 2) outline, counter-clockwise, raised from z = 0 to `height`."""
    outline = np.asarray(outline, np.float64)
    following = np.roll(outline, -1, 0)
    low, high = np.zeros((len(outline), 1)), np.full((len(outline), 1), height)
    a, b = np.hstack([outline, low]), np.hstack([following, low])
    c, d = np.hstack([following, high]), np.hstack([outline, high])
    middle = outline.mean(0)
    top = np.broadcast_to(np.append(middle, height), a.shape)
    bottom = np.broadcast_to(np.append(middle, 0.0), a.shape)
    caps = np.concatenate([np.stack([top, d, c], 1), np.stack([bottom, b, a], 1)])
    side = quads(np.stack([a, b, c, d], 1)).reshape(-1, 6, 8)
    start = np.concatenate([[0.0], np.cumsum(np.linalg.norm(following - outline, axis=1))[:-1]])
    side[..., 6] += start[:, None].astype(np.float32)  # the pattern runs on around the corner
    flat_caps = triangles(caps)
    flat_caps[:, 6:] = flat_caps[:, :2]
    return np.concatenate([side.reshape(-1, 8), flat_caps])


def standing_profile(outline: ArrayLike, width: float) -> Mesh:
    """An outline in the (y, z) plane, counter-clockwise seen from +x, widened along x by `width` (car bodies)."""
    mesh = extrude(outline, width)
    out = mesh.copy()
    for start in (0, 3):  # (u, v, w) -> (w, u, v), an even permutation: handedness kept
        out[:, start], out[:, start + 1], out[:, start + 2] = (
            mesh[:, start + 2],
            mesh[:, start],
            mesh[:, start + 1],
        )
    out[:, 0] -= width / 2
    return out
