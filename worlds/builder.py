"""What a scene is put together in: meshes with their materials, moving objects and lamps."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from worlds.materials import MaterialTable, Mood
from worlds.palette import Palette
from worlds.shapes import Array, Mesh
from worlds.variety import USUAL, Variety

MAX_OBJECTS = 64
X, Y, Z, YAW, PITCH, ROLL, SCALE = range(7)


class SceneBuilder:
    """Collects one scene. Families draw from `rng`, take materials from `palette` and call `add`."""

    def __init__(
        self, rng: np.random.Generator, num_frames: int, fps: float, variety: Variety = USUAL
    ) -> None:
        self.rng, self.variety = rng, variety
        self.mood = Mood.draw(rng, variety)
        self.materials = MaterialTable(self.mood, rng)
        self.palette = Palette(self.materials, rng)
        self.times = np.arange(num_frames) / fps  # (F,) seconds
        self.indoor = False
        self._meshes: list[NDArray[np.float32]] = []
        self._poses = [self.still()]
        self._lamps: list[list[float]] = []
        self._joined: NDArray[np.float32] | None = None

    def still(self, position: ArrayLike = (0.0, 0.0, 0.0), yaw: float = 0.0) -> Array:
        """(F, 8) pose of something that stays where it is."""
        pose = np.zeros((len(self.times), 8))
        pose[:, :3] = position
        pose[:, YAW] = yaw
        pose[:, SCALE] = 1.0
        return pose

    def add(self, mesh: Mesh, material: int | NDArray[np.intp], obj: int = 0) -> None:
        """Add triangles; `material` is one row or one per vertex row of the mesh."""
        out = np.empty((len(mesh), 10), np.float32)
        out[:, :8] = mesh
        out[:, 8] = material
        out[:, 9] = obj
        self._meshes.append(out)
        self._joined = None

    def add_object(self, pose: Array) -> int:
        """Register an (F, 8) pose and return its object index; a full table gives None-like 0 only by error."""
        if len(self._poses) >= MAX_OBJECTS:
            raise ValueError(f"a scene may have {MAX_OBJECTS - 1} moving objects and this one asks for more")
        self._poses.append(np.asarray(pose, np.float64))
        return len(self._poses) - 1

    @property
    def room_for_objects(self) -> int:
        """How many more moving objects fit."""
        return MAX_OBJECTS - len(self._poses)

    def lamp(
        self, position: ArrayLike, colour: tuple[float, float, float] | None = None, reach: float = 12.0
    ) -> None:
        """A point lamp; the colour defaults to a warm or cold white of this scene."""
        if colour is None:
            colour = self.palette.colour((0.05, 0.15), (0.05, 0.55), (0.85, 1.0))
        self._lamps.append([*np.asarray(position, np.float64).tolist(), *colour, reach])

    def vertices(self) -> NDArray[np.float32]:
        """(N, 10) float32, all triangles."""
        if self._joined is None:
            self._joined = np.concatenate(self._meshes)
            self._meshes = [self._joined]
        return self._joined

    def objects(self) -> NDArray[np.float32]:
        """(F, 64, 8) float32 poses; unused objects stand still at the origin."""
        out = np.zeros((len(self.times), MAX_OBJECTS, 8), np.float32)
        out[:, :, SCALE] = 1.0
        for index, pose in enumerate(self._poses):
            out[:, index] = pose
        return out

    def lamps(self) -> NDArray[np.float32]:
        """(L, 7) float32."""
        return np.array(self._lamps, np.float32).reshape(-1, 7)
