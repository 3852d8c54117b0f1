"""Where a frame is seen from: camera axes, projections, object poses as matrices, and the sun's direction."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worlds.scene import Scene
from worlds.shapes import cross, vec

NEAR, FAR = 0.08, 2000.0
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Viewpoint:
    """One frame's camera: `axes` are the rows right, up, forward; `tangent` is half the picture at z = 1."""

    eye: Array
    axes: Array
    tangent: tuple[float, float]

    @staticmethod
    def of(scene: Scene, frame: int, aspect: float) -> "Viewpoint":
        """The camera of `frame`; `aspect` is width / height."""
        eye = scene.eyes[frame].astype(np.float64)
        forward = scene.targets[frame] - eye
        forward /= np.linalg.norm(forward)
        right = cross(forward, vec(0, 0, 1))
        right /= np.linalg.norm(right)
        up = cross(right, forward)
        c, s = np.cos(float(scene.rolls[frame])), np.sin(float(scene.rolls[frame]))
        axes = np.stack([c * right - s * up, s * right + c * up, forward])
        tangent = float(np.tan(np.radians(scene.fov) / 2))
        return Viewpoint(eye, axes, (tangent, tangent / aspect))

    @property
    def world_to_camera(self) -> Array:
        """(3, 3) rotation into OpenGL camera space: +x right, +y up, +z toward the viewer."""
        return self.axes * np.array([[1.0], [1.0], [-1.0]])

    @property
    def view_projection(self) -> Array:
        """(4, 4) world to clip space; w is the planar depth."""
        rotation = self.world_to_camera
        view = np.eye(4)
        view[:3, :3] = rotation
        view[:3, 3] = -rotation @ self.eye
        projection = np.zeros((4, 4))
        projection[0, 0], projection[1, 1] = 1 / self.tangent[0], 1 / self.tangent[1]
        projection[2, 2], projection[2, 3] = -(FAR + NEAR) / (FAR - NEAR), -2 * FAR * NEAR / (FAR - NEAR)
        projection[3, 2] = -1
        return projection @ view


def pose_matrices(poses: NDArray[np.float32]) -> NDArray[np.float32]:
    """(64, 8) rows xyz, yaw, pitch, roll, scale, 0 -> (64, 4, 4) T Rz(yaw) Rx(pitch) Ry(roll) scale."""
    x = poses.astype(np.float64)
    (cz, cx, cy), (sz, sx, sy) = np.cos(x[:, 3:6]).T, np.sin(x[:, 3:6]).T
    rows = [
        [cz * cy - sz * sx * sy, -sz * cx, cz * sy + sz * sx * cy],
        [sz * cy + cz * sx * sy, cz * cx, sz * sy - cz * sx * cy],
        [-cx * sy, sx, cx * cy],
    ]
    matrices = np.zeros((len(x), 4, 4))
    matrices[:, :3, :3] = np.array(rows).transpose(2, 0, 1) * x[:, 6, None, None]
    matrices[:, :3, 3] = x[:, :3]
    matrices[:, 3, 3] = 1
    return matrices.astype(np.float32)


def sun_direction(scene: Scene, azimuth: float, elevation: float) -> Array:
    """Unit vector to the sun; azimuth clockwise from where the clip's FIRST camera looks, so it stays put."""
    forward = (scene.targets[0] - scene.eyes[0]).astype(np.float64)
    forward[2] = 0
    length = np.linalg.norm(forward)
    forward = forward / length if length > 1e-3 else np.array([0.0, 1.0, 0.0])
    right = np.array([forward[1], -forward[0], 0.0])
    level = np.cos(azimuth) * forward + np.sin(azimuth) * right
    return np.cos(elevation) * level + np.array([0.0, 0.0, np.sin(elevation)])


def shadow_projection(direction: Array, centre: Array, radius: float, texels: int) -> Array:
    """(4, 4) view from the sun of a square of half-width `radius`, snapped to texels against crawling."""
    side = cross(vec(0, 1, 0) if abs(direction[1]) < 0.9 else vec(1, 0, 0), direction)
    side /= np.linalg.norm(side)
    matrix = np.eye(4)
    matrix[0, :3], matrix[1, :3] = side / radius, cross(direction, side) / radius
    matrix[2, :3] = -direction / (radius * 2.5)
    shift = -matrix[:3, :3] @ centre
    shift[:2] = np.round(shift[:2] * texels / 2) * 2 / texels
    matrix[:3, 3] = shift
    return matrix
