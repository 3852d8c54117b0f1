"""Curved shapes: surfaces of revolution, spheres, capsules, tori and tubes along a path."""

import numpy as np
from numpy.typing import ArrayLike

from worlds.shapes import Array, Mesh, cross, grid_mesh, place, turn


def lathe(profile: ArrayLike, segments: int = 12, smooth: bool = False) -> Mesh:
    """Turn a (K, 2) profile of (radius, z) around the z axis.

    The profile runs upwards with the solid on its inner side. `smooth` shares normals between profile pieces
    (vases, domes); without it every piece keeps a hard edge (cylinders, barrels with hoops).
    """
    profile = np.asarray(profile, np.float64)
    steps = np.diff(profile, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    facing = np.stack([steps[:, 1], -steps[:, 0]], 1) / np.maximum(lengths, 1e-9)[:, None]
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    if smooth:
        shared = np.concatenate([facing[:1], facing[:-1] + facing[1:], facing[-1:]])
        shared /= np.maximum(np.linalg.norm(shared, axis=1, keepdims=True), 1e-9)
        facing = np.stack([shared[:-1], shared[1:]], 1)
    else:
        facing = np.repeat(facing[:, None], 2, 1)
    return _revolve(profile, facing, along, segments)


def _revolve(profile: Array, facing: Array, along: Array, segments: int) -> Mesh:
    """(K, 2) profile, (K - 1, 2, 2) normals at both ends of every piece, (K,) length along the profile."""
    pieces = len(profile) - 1
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    # corners of one quad: which end of the angle step and which end of the piece, counter-clockwise from outside
    turn_end, piece_end = np.array([0, 1, 1, 0, 1, 0]), np.array([0, 0, 1, 0, 1, 1])
    at = angle[np.arange(segments)[:, None] + turn_end]  # (S, 6)
    index = np.arange(pieces)[:, None] + piece_end  # (P, 6)
    radius, z = profile[index, 0], profile[index, 1]
    normal = facing[np.arange(pieces)[:, None], piece_end]  # (P, 6, 2)
    c, s = np.cos(at)[:, None], np.sin(at)[:, None]
    out = np.empty((segments, pieces, 6, 8), np.float32)
    out[..., 0], out[..., 1], out[..., 2] = c * radius, s * radius, z
    out[..., 3], out[..., 4], out[..., 5] = c * normal[..., 0], s * normal[..., 0], normal[..., 1]
    out[..., 6], out[..., 7] = at[:, None] * max(float(profile[:, 0].max()), 1e-6), along[index]
    # a triangle with two corners on a pole is empty: the first one at a lower pole, the second at an upper one
    keep = np.stack([profile[:-1, 0] > 1e-9, profile[1:, 0] > 1e-9], 1)
    return out.reshape(segments, pieces, 2, 3, 8)[:, keep].reshape(-1, 8)


def cylinder(radius: float, height: float, segments: int = 12, top: float | None = None) -> Mesh:
    """A closed cylinder or frustum on z = 0; `top` is the upper radius in metres."""
    top = radius if top is None else top
    return lathe([(0, 0), (radius, 0), (top, height), (0, height)], segments)


def cone(radius: float, height: float, segments: int = 12) -> Mesh:
    """A closed cone on z = 0."""
    return lathe([(0, 0), (radius, 0), (0, height)], segments)


def sphere(radius: float, segments: int = 16, rings: int = 9, centre: ArrayLike = (0, 0, 0)) -> Mesh:
    """A sphere around `centre`, with the exact normals of a ball."""
    lat = np.linspace(-np.pi / 2, np.pi / 2, rings + 1)
    circle = np.stack([np.cos(lat), np.sin(lat)], 1)
    circle[[0, -1], 0] = 0.0
    mesh = _revolve(
        circle * radius, np.stack([circle[:-1], circle[1:]], 1), (lat + np.pi / 2) * radius, segments
    )
    mesh[:, :3] += np.asarray(centre, np.float32)
    return mesh


def dome(radius: float, segments: int = 18, rings: int = 6, stretch: float = 1.0) -> Mesh:
    """The upper half of a ball on z = 0, closed below; `stretch` scales its height."""
    lat = np.linspace(0, np.pi / 2, rings + 1)
    arc = np.stack([np.cos(lat) * radius, np.sin(lat) * radius * stretch], 1)
    arc[-1, 0] = 0.0
    return np.concatenate([lathe(arc, segments, smooth=True), lathe([(0, 0), (radius, 0)], segments)])


def capsule(radius: float, length: float, segments: int = 10, rings: int = 3) -> Mesh:
    """A capsule from z = 0 to z = `length` (its whole length, caps included)."""
    lat = np.linspace(-np.pi / 2, 0, rings + 1)
    low = np.stack([np.cos(lat), np.sin(lat)], 1)
    facing = np.concatenate([low, low[::-1] * [1, -1]])
    half = max(length - 2 * radius, 0.0)
    profile = facing * radius + np.concatenate([np.zeros(rings + 1), np.full(rings + 1, half)])[:, None] * [
        0,
        1,
    ]
    profile[:, 1] += radius
    profile[[0, -1], 0] = 0.0
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(profile, axis=0), axis=1))])
    return _revolve(profile, np.stack([facing[:-1], facing[1:]], 1), along, segments)


def torus(ring: float, tube: float, segments: int = 20, sides: int = 8, arc: float = 2 * np.pi) -> Mesh:
    """A torus lying in the xy plane around the origin; with arc < 2 pi its ends stay open (bury them)."""
    a, b = np.linspace(0, arc, segments + 1)[:, None], np.linspace(0, 2 * np.pi, sides + 1)[None]
    normal = np.stack([np.cos(a) * np.cos(b), np.sin(a) * np.cos(b), np.sin(b) + 0 * a], -1)
    position = normal * tube + np.stack([np.cos(a), np.sin(a), 0 * a], -1) * ring
    return grid_mesh(position, normal, np.stack([a * ring + 0 * b, b * tube + 0 * a], -1))


def tube(path: ArrayLike, radius: ArrayLike, sides: int = 6) -> Mesh:
    """A round tube along a (K, 3) path; radius metres, one number or (K,). Ends are open (bury or taper them)."""
    path = np.asarray(path, np.float64)
    radius = np.broadcast_to(np.asarray(radius, np.float64), (len(path),))
    tangent = np.gradient(path, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    # the reference axis least along the path, so that the frame never degenerates on gentle curves
    reference = np.eye(3)[int(np.argmin(np.abs(tangent).max(0)))]
    side = cross(tangent, reference)
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-9)
    up = cross(side, tangent)
    b = np.linspace(0, 2 * np.pi, sides + 1)
    normal = np.cos(b)[None, :, None] * side[:, None] + np.sin(b)[None, :, None] * up[:, None]
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    uv = np.stack([b[None] * radius[:, None], along[:, None] + 0 * b], -1)
    return grid_mesh(path[:, None] + normal * radius[:, None, None], normal, uv)


def rod(start: ArrayLike, end: ArrayLike, radius: float, segments: int = 8, top: float | None = None) -> Mesh:
    """A closed cylinder from `start` to `end` (rails, limbs, poles at any angle)."""
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    axis = end - start
    length = float(np.linalg.norm(axis))
    return _aim(cylinder(radius, length, segments, top), start, axis / max(length, 1e-9))


def limb(start: ArrayLike, end: ArrayLike, radius: float, segments: int = 8) -> Mesh:
    """A capsule whose caps reach `radius` beyond `start` and `end`."""
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    axis = end - start
    length = float(np.linalg.norm(axis))
    axis = axis / max(length, 1e-9)
    return _aim(capsule(radius, length + 2 * radius, segments), start - axis * radius, axis)


def _aim(mesh: Mesh, base: Array, axis: Array) -> Mesh:
    tilt = np.arccos(np.clip(axis[2], -1, 1))
    heading = np.arctan2(axis[1], axis[0]) + np.pi / 2
    # Rz(heading) Rx(tilt) takes +z to the axis
    return place(mesh, base, yaw=heading, pitch=float(tilt))


def wheel(radius: float, width: float, segments: int = 14) -> Mesh:
    """A wheel whose axle lies along x, centred on the origin."""
    lip = width * 0.22
    profile = [
        (0, -width / 2 + lip * 0.4),
        (radius * 0.6, -width / 2 + lip * 0.4),
        (radius * 0.65, -width / 2),
        (radius - lip, -width / 2),
        (radius, -width / 2 + lip),
        (radius, width / 2 - lip),
        (radius - lip, width / 2),
        (radius * 0.65, width / 2),
        (radius * 0.6, width / 2 - lip * 0.4),
        (0, width / 2 - lip * 0.4),
    ]
    mesh = lathe(profile, segments)
    rotation = turn(0.0, 0.0, np.pi / 2).astype(np.float32).T
    mesh[:, :3], mesh[:, 3:6] = mesh[:, :3] @ rotation, mesh[:, 3:6] @ rotation
    return mesh
