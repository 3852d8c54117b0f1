"""Whether a camera's way is free, whether it stands inside something, and what fills its view."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worlds.shapes import Array, cross, vec


@dataclass
class Look:
    """What a coarse grid of view rays met."""

    covered: float  # share of rays that meet a surface
    median: float  # metres along the rays that meet one
    hidden: float  # share of rays stopped nearer than `close`
    inside: bool  # some ray leaves a solid: the eye is in it
    plain: float  # share of rays that meet surfaces facing one way (a bare wall or floor is 1)


class Clearance:
    """Tests against the still triangles (exact) and the moving objects (bounding spheres)."""

    def __init__(self, vertices: NDArray[np.float32], objects: NDArray[np.float32]) -> None:
        tri = vertices.reshape(-1, 3, 10)
        still = tri[:, 0, 9] == 0
        a, b, c = (np.ascontiguousarray(tri[:, i, :3][still]) for i in range(3))
        self._corner, self._edge1, self._edge2 = a, b - a, c - a
        self._normal = cross(self._edge1, self._edge2)
        self._low, self._high = np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)
        self._middle = (self._low + self._high) / 2
        half = self._high - self._middle
        self._radius = np.sqrt(np.einsum("ki,ki->k", half, half))
        self._spheres = _object_spheres(tri[~still], objects)

    def nearest(self, points: Array, reach: float) -> float:
        """Least distance (metres) of any (K, 3) point to a triangle, or `reach` if none is nearer than that."""
        low, high = points.min(0) - reach, points.max(0) + reach
        near = np.flatnonzero((self._low <= high).all(1) & (self._high >= low).all(1))
        if len(near) == 0:
            return reach
        best = reach
        a, b, c = self._corner[near], self._edge1[near], self._edge2[near]
        for point in points[:: max(1, len(points) // 5)]:
            best = min(best, float(_triangle_distance(point.astype(np.float32), a, b, c).min()))
        return best

    def hits_object(self, eyes: Array, margin: float) -> bool:
        """Whether a moving object's sphere comes within `margin` of the eye of the same frame."""
        if self._spheres is None:
            return False
        centres, radii = self._spheres  # (F, O, 3), (O,)
        return bool((np.linalg.norm(centres - eyes[:, None], axis=-1) < radii + margin).any())

    def blocked(self, eyes: Array, points: Array) -> bool:
        """Whether something stands between the eye and a point, in the first or the last frame."""
        for frame in (0, len(eyes) - 1):
            way = points[frame] - eyes[frame]
            length = float(np.linalg.norm(way))
            distance, _ = self._cast(eyes[frame], (way / length)[None].astype(np.float32))
            if distance[0] < length - 0.3:
                return True
        return False

    def look(self, eyes: Array, targets: Array, fov: float, close: float) -> Look:
        """Cast a coarse grid of rays in the middle frame and a few in the first and the last."""
        inside, plain, distances = False, 0.0, np.empty(0)
        middle = len(eyes) // 2
        for frame in sorted({0, middle, len(eyes) - 1}):
            rays = view_rays(eyes[frame], targets[frame], fov, *((8, 5) if frame == middle else (3, 2)))
            distance, normal = self._cast(eyes[frame], rays, self._in_view(eyes[frame], rays))
            inside = inside or bool(((rays * normal).sum(1) > 0).any())
            if frame == middle:
                distances = distance
                plain = float((normal @ normal.T > 0.94).mean(1).max())
        met = distances[np.isfinite(distances)]
        median = float(np.median(met)) if len(met) else np.inf
        return Look(len(met) / len(distances), median, float((distances < close).mean()), inside, plain)

    def _in_view(self, eye: Array, rays: NDArray[np.float32]) -> NDArray[np.intp]:
        """Triangles that are not wholly outside the cone around a bundle of rays."""
        axis = rays.mean(0)
        axis /= np.linalg.norm(axis)
        spread = float((rays @ axis).min()) - 0.02  # cosine of the cone's half angle
        way = self._middle - eye.astype(np.float32)
        along = way @ axis
        across = np.sqrt(np.maximum(np.einsum("ki,ki->k", way, way) - along * along, 0))
        # distance of the bounding sphere's centre from the cone's surface
        return np.flatnonzero(across * spread - along * np.sqrt(1 - spread * spread) < self._radius)

    def _cast(
        self, eye: Array, rays: NDArray[np.float32], which: NDArray[np.intp] | slice = slice(None)
    ) -> tuple[Array, Array]:
        """(R,) distances to the first triangle (inf for none) and (R, 3) its outward unit normal (0 for none)."""
        distance, first = self._first(eye, rays, which)
        normal = (
            self._normal[which][first].astype(np.float64)
            if len(self._normal[which])
            else np.zeros((len(rays), 3))
        )
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        return distance, np.where(np.isfinite(distance)[:, None], normal, 0.0)

    def first_hit(self, eye: Array, rays: NDArray[np.float32]) -> NDArray[np.intp]:
        """(R,) index, among the still triangles, of the first one that each ray meets; -1 for none."""
        distance, first = self._first(eye, rays, slice(None))
        return np.where(np.isfinite(distance), first, -1)

    def _first(
        self, eye: Array, rays: NDArray[np.float32], which: NDArray[np.intp] | slice
    ) -> tuple[Array, NDArray[np.intp]]:
        """(R,) distance and (R,) place within `which` of the first triangle met.

        Moeller-Trumbore with everything that depends on the eye alone taken out of the ray loop.
        """
        edge1, edge2 = self._edge1[which], self._edge2[which]
        if len(edge1) == 0:
            return np.full(len(rays), np.inf), np.zeros(len(rays), np.intp)
        way = eye.astype(np.float32) - self._corner[which]
        v_axis = cross(way, edge1)
        u_axis = cross(edge2, way)
        height = np.einsum("ki,ki->k", edge2, v_axis)
        det = -(self._normal[which] @ rays.T)  # (T, R)
        sign = np.sign(det)
        u, v = (u_axis @ rays.T) * sign, (v_axis @ rays.T) * sign
        size = np.abs(det)
        hit = (u >= 0) & (v >= 0) & (u + v <= size) & (height[:, None] * sign > 1e-5 * size) & (size > 1e-12)
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = np.where(hit, height[:, None] / det, np.inf)
        first = distance.argmin(0)
        return distance[first, np.arange(len(rays))].astype(np.float64), first


def _object_spheres(tri: NDArray[np.float32], objects: NDArray[np.float32]) -> tuple[Array, Array] | None:
    if len(tri) == 0:
        return None
    centres, radii = [], []
    for index in np.unique(tri[:, 0, 9]).astype(int):
        points = tri[tri[:, 0, 9] == index][:, :, :3].reshape(-1, 3)
        radii.append(float(np.linalg.norm(points, axis=1).max()) * float(objects[:, index, 6].max()))
        centres.append(objects[:, index, :3])
    return np.stack(centres, 1).astype(np.float64), np.array(radii)


def _triangle_distance(point: NDArray, corner: NDArray, edge1: NDArray, edge2: NDArray) -> NDArray:
    """Distance from one point to K triangles: over the face where it projects inside, else to the nearest edge."""
    way = point - corner
    d11, d12, d22 = (np.einsum("ki,ki->k", a, b) for a, b in ((edge1, edge1), (edge1, edge2), (edge2, edge2)))
    p1, p2 = np.einsum("ki,ki->k", way, edge1), np.einsum("ki,ki->k", way, edge2)
    det = np.maximum(d11 * d22 - d12 * d12, 1e-12)
    u, v = (d22 * p1 - d12 * p2) / det, (d11 * p2 - d12 * p1) / det
    over = way - u[:, None] * edge1 - v[:, None] * edge2
    face = np.where((u >= 0) & (v >= 0) & (u + v <= 1), np.linalg.norm(over, axis=1), np.inf)
    edges = [_segment(way, edge1), _segment(way, edge2), _segment(way - edge1, edge2 - edge1)]
    return np.minimum(face, np.minimum.reduce(edges))


def _segment(way: NDArray, edge: NDArray) -> NDArray:
    along = np.einsum("ki,ki->k", way, edge) / np.maximum(np.einsum("ki,ki->k", edge, edge), 1e-12)
    return np.linalg.norm(way - np.clip(along, 0, 1)[:, None] * edge, axis=1)


def view_rays(
    eye: Array, target: Array, fov: float, columns: int, rows: int, aspect: float = 16 / 9
) -> NDArray:
    """(rows * columns, 3) float32 unit directions through a coarse grid of a picture; fov is horizontal, degrees."""
    forward = target - eye
    forward = forward / np.linalg.norm(forward)
    right = cross(forward, vec(0, 0, 1))
    right /= np.linalg.norm(right)
    up = cross(right, forward)
    half = np.tan(np.radians(fov) / 2)
    u = (np.arange(columns) + 0.5) / columns * 2 - 1
    v = (np.arange(rows) + 0.5) / rows * 2 - 1
    rays = forward + right * (u[:, None, None] * half) + up * (v[None, :, None] * half / aspect)
    rays = rays.reshape(-1, 3)
    return (rays / np.linalg.norm(rays, axis=1, keepdims=True)).astype(np.float32)
