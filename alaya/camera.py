"""A camera's turn in every frame, read from a JSON file, to carry normals between camera and world space."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alaya.errors import ClipError
from alaya.strict_json import as_text, check_keys, load_object

SCHEMA = "alaya.camera/1"
CAMERA_NAME = "camera.json"
ORTHONORMAL_TOLERANCE = 1e-3
DIRECTX = np.array([1, -1, 1], np.float32)


@dataclass(frozen=True)
class CameraPath:
    """Rotations from camera to world space.

    Attributes:
        world: what the world's axes are, in words, such as "right-handed, z up".
        rotations: (T, 3, 3) or (1, 3, 3) for a camera that never turns, float64. Columns are the camera's
            right, up and backward (toward the viewer) axes in world coordinates.
    """

    world: str
    rotations: np.ndarray

    @classmethod
    def load(cls, path: Path) -> CameraPath:
        """Read a camera file; a ClipError names it.

        `{"schema": "alaya.camera/1", "world": "right-handed, z up", "camera_to_world": [4x4 or 3x3, ...]}`
        """
        where = str(path)
        data = load_object(path)
        check_keys(data, ("schema", "world", "camera_to_world"), (), where)
        if data["schema"] != SCHEMA:
            raise ClipError(f"{where}: schema {str(data['schema'])[:60]!r} is not {SCHEMA!r}")
        return cls(as_text(data["world"], "world", where)[:200], _rotations(data["camera_to_world"], where))

    def to_json(self) -> str:
        """The text of a camera file with 3x3 matrices."""
        matrices = self.rotations.tolist()
        return json.dumps({"schema": SCHEMA, "world": self.world, "camera_to_world": matrices}) + "\n"

    def check_frames(self, frames: int, where: str) -> None:
        """Raise ClipError unless there is a matrix for every one of `frames` frames, or one for all."""
        if len(self.rotations) not in (1, frames):
            raise ClipError(
                f"{where}: {len(self.rotations)} camera matrices for {frames} frames; give one a frame"
            )

    def to_world(self, normal: np.ndarray, index: int) -> np.ndarray:
        """Turn normals (H, W, 3) of frame `index` from camera to world space."""
        return (normal @ self._rotation(index).T).astype(np.float32)

    def to_camera(self, normal: np.ndarray, index: int) -> np.ndarray:
        """Turn normals (H, W, 3) of frame `index` from world to camera space."""
        return (normal @ self._rotation(index)).astype(np.float32)

    def _rotation(self, index: int) -> np.ndarray:
        return self.rotations[index if len(self.rotations) > 1 else 0].astype(np.float32)


def normals_out(normal: np.ndarray, space: str, camera: CameraPath | None, index: int) -> np.ndarray:
    """Turn normals (H, W, 3) of frame `index` from our camera space (OpenGL) to `space`.

    `camera-directx` flips y; `world` needs the camera.
    """
    if space == "camera-directx":
        return normal * DIRECTX
    return camera.to_world(normal, index) if space == "world" and camera else normal


def normals_in(normal: np.ndarray, space: str, camera: CameraPath | None, index: int) -> np.ndarray:
    """Undo `normals_out`."""
    if space == "camera-directx":
        return normal * DIRECTX
    return camera.to_camera(normal, index) if space == "world" and camera else normal


def _rotations(value: Any, where: str) -> np.ndarray:
    try:
        matrices = np.array(value, dtype=np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise ClipError(f"{where}: camera_to_world must be a list of 4x4 or 3x3 matrices") from error
    if matrices.ndim == 2:
        matrices = matrices[None]
    if matrices.ndim != 3 or matrices.shape[1:] not in ((3, 3), (4, 4)) or not np.isfinite(matrices).all():
        raise ClipError(
            f"{where}: camera_to_world must be a list of 4x4 or 3x3 matrices, got shape {matrices.shape}"
        )
    rotations = matrices[:, :3, :3]
    for i, rotation in enumerate(rotations):
        if (
            np.abs(rotation @ rotation.T - np.eye(3)).max() > ORTHONORMAL_TOLERANCE
            or np.linalg.det(rotation) < 0
        ):
            raise ClipError(f"{where}: matrix {i} is not a rotation (scaled, sheared or mirrored axes)")
    return rotations
