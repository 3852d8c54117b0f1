"""The renderer: a scene's frame becomes an exact G-buffer and then a picture under any look, off screen."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alaya.errors import RequestError
from worlds.gpu import Programs, create_context
from worlds.lighting import LightingPass
from worlds.look import Look
from worlds.openness import OpennessPass
from worlds.scene import Scene
from worlds.surfaces import SurfacePass
from worlds.viewpoint import Viewpoint

USUAL_LEVEL = 0.18  # light level (see _light_level) at which an adapting exposure changes nothing


class Renderer:
    """Draws frames of one scene at a time, on a GPU or the CPU. AlayaError when there is no EGL.

    On the CPU (llvmpipe) run one process a core with LP_NUM_THREADS=0 in its environment: at 256x144 with 2x2 samples
    a frame takes about 45 ms for its G-buffer and 30 ms a look. The first frames compile shaders, Mesa keeps them.
    """

    def __init__(self, width: int, height: int, supersample: int = 2) -> None:
        self.width, self.height = width, height
        self._context = create_context()
        programs = Programs(self._context)
        self._surfaces = SurfacePass(self._context, programs, width, height, supersample)
        self._openness = OpennessPass(self._context, programs, self._surfaces)
        self._lighting = LightingPass(self._context, programs, self._surfaces, self._openness)
        self._scene: Scene | None = None
        self._view: Viewpoint | None = None
        self._drawn: tuple[int, Viewpoint] | None = None

    def load(self, scene: Scene) -> None:
        """Make `scene` the one that gbuffer() draws."""
        with self._context:  # a process may hold several renderers, each with a context of its own
            self._surfaces.load(scene)
            self._scene, self._view, self._drawn, self._ready = scene, None, None, False
            ends = sorted({0, scene.num_frames - 1}, reverse=True)  # the first frame, drawn next, comes last
            self._ends = {frame: self._surfaces.distances(scene, frame) for frame in ends}

    def _prepare(self, scene: Scene) -> None:
        """Work out what holds for the whole clip; not before its first frame, as many a scene is looked at and left."""
        # one reach for the whole clip: shadows must not change blur between frames
        far = self._ends.values()
        self._reach = max(float(np.clip(np.percentile(d, 85), 4.0, 45.0)) if len(d) else 4.0 for d in far)
        self._openness.load(scene, self._reach)
        self._level = self._light_level(scene)
        self._ready = True

    def gbuffer(self, frame: int) -> dict[str, NDArray[Any]]:
        """Draw a frame and return its buffers, row 0 at the top, float32 unless said; sky: 0, depth inf.

        albedo (H, W, 3) linear Rec.709 in [0, 1]; normal (H, W, 3) camera space, unit, bumps included;
        depth (H, W) planar metres; roughness, metallic, vegetation (H, W) in [0, 1]; emission (H, W) >= 0;
        motion (H, W, 2) pixels from here to where this surface point was one frame ago, x right, y down
        (frame 0: 0; sky: by the camera's turn alone); mask (H, W) bool, True where at least half is surface.
        """
        scene = self._require_scene()
        if not 0 <= frame < scene.num_frames:
            raise RequestError(
                f"frame {frame} was asked for, the scene has {scene.num_frames}; "
                f"give 0 to {scene.num_frames - 1}"
            )
        with self._context:
            if not self._ready:
                self._prepare(scene)
            if self._drawn is None or self._drawn[0] != frame:
                self._draw(scene, frame)
            assert self._drawn is not None
            self._frame, self._view = self._drawn
            colour, shape, finish, motion = self._surfaces.read()
        mask = shape[..., 3] > 0
        return {
            "albedo": colour[..., :3].copy(),
            "normal": shape[..., :3].copy(),
            "depth": np.where(mask, shape[..., 3], np.float32(np.inf)),
            "roughness": finish[..., 0].copy(),
            "metallic": finish[..., 1].copy(),
            "vegetation": finish[..., 2].copy(),
            "emission": colour[..., 3].copy(),
            "motion": motion.copy() if frame else np.zeros_like(motion),
            "mask": mask,
        }

    def distances(self, frame: int) -> NDArray[np.float64]:
        """Planar depths in metres of a frame's samples that show a surface, (samples,); little work, nothing is lit."""
        scene = self._require_scene()
        if frame in self._ends:
            return self._ends[frame]
        with self._context:
            return self._surfaces.distances(scene, frame)

    @property
    def num_samples(self) -> int:
        """Samples in one frame: pixels times supersampling squared."""
        return self._surfaces.width * self._surfaces.height * self._surfaces.samples**2

    def _draw(self, scene: Scene, frame: int) -> None:
        view = self._surfaces.draw(scene, frame)
        self._openness.render(view)
        self._drawn = frame, view

    def light(
        self,
        look: Look,
        sun_azimuth: float | None = None,
        sun_elevation: float | None = None,
        particles: bool = True,
        tone: str | None = None,
        exposure: float | None = None,
    ) -> NDArray[np.uint8]:
        """The picture (H, W, 3) uint8 sRGB of the frame last drawn by gbuffer(), under a look.

        The other arguments override the look's own: sun angles in radians (azimuth clockwise from where the
        first camera looks), tone 'standard', 'aces' or 'film', exposure a factor.
        particles=False empties the air.
        """
        scene = self._require_scene()
        if self._view is None:
            raise RequestError("light was asked for and no frame is drawn; call gbuffer(frame) first")
        wanted = {
            "sun_azimuth": sun_azimuth,
            "sun_elevation": sun_elevation,
            "tone": tone,
            "exposure": exposure,
        }
        changes: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
        if not particles:
            changes["particles"] = "none"
        look = replace(look, **changes)
        factor = np.clip(USUAL_LEVEL / self._level, 0.4, 6.0) ** look.adapt
        look = replace(look, exposure=look.exposure * float(factor))
        with self._context:
            return self._lighting.render(scene, self._frame, self._view, look, self._reach)

    def _light_level(self, scene: Scene) -> float:
        """How bright the clip's first frame is under an even sky of brightness 1: albedo times openness."""
        self._draw(scene, 0)
        colour, shape, _, _ = self._surfaces.read()
        surface = shape[..., 3] > 0
        if not surface.any():
            return USUAL_LEVEL
        open_share = self._openness.read()[surface].mean()
        return float(
            np.exp(np.log(colour[surface, :3].mean(axis=-1) + 0.01).mean()) * (0.3 + 0.7 * open_share)
        )

    def _require_scene(self) -> Scene:
        if self._scene is None:
            raise RequestError("a frame was asked for and no scene is loaded; call load(scene) first")
        return self._scene
