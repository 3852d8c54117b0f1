"""How open to the sky every surface of a frame is: small shadow maps from ten directions, once a clip."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worlds.gpu import Programs, bind, set_uniforms
from worlds.scene import Scene
from worlds.surfaces import FAR_LAYER, NEAR_LAYER, SurfacePass, camera_uniforms
from worlds.viewpoint import Viewpoint, shadow_projection

DIRECTIONS = 10
TILE = 128


def dome_directions(count: int = DIRECTIONS) -> NDArray[np.float64]:
    """(count, 3) unit vectors over the upper half, spread as a sunflower's seeds, cosine-weighted."""
    k = np.arange(count) + 0.5
    level = np.sqrt(k / count)
    level = level * 0.93  # none flat on the ground
    turn = k * np.pi * (3 - np.sqrt(5))
    return np.stack([level * np.cos(turn), level * np.sin(turn), np.sqrt(1 - level**2)], axis=1)


class OpennessPass:
    """Owns the maps (a row of tiles) and the two result textures, one a layer, 8 bit: 0 hidden, 1 open."""

    def __init__(self, context: Any, programs: Programs, surfaces: SurfacePass) -> None:
        self._context, self._programs, self._surfaces = context, programs, surfaces
        self._maps = context.depth_texture((TILE * DIRECTIONS, TILE))
        self._maps.compare_func = "<="
        self._maps.filter = (context.LINEAR, context.LINEAR)
        self._maps.repeat_x = self._maps.repeat_y = False
        self._map_target = context.framebuffer(depth_attachment=self._maps)
        self.layers = [context.texture((surfaces.width, surfaces.height), 1, dtype="f1") for _ in range(2)]
        self._targets = [context.framebuffer([t], surfaces.layer_depth) for t in self.layers]
        self._uniforms: dict[str, Any] = {}

    def load(self, scene: Scene, reach: float) -> None:
        """Draw the maps of what never moves, around the camera's whole way; `reach` as in lighting.py."""
        eyes, targets = scene.eyes.astype(np.float64), scene.targets.astype(np.float64)
        ahead = targets - eyes
        ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
        middle = eyes + ahead * reach * 0.5
        centre = middle.mean(axis=0)
        radius = reach + float(np.linalg.norm(middle - centre, axis=1).max())
        directions = dome_directions()
        matrices = np.stack([shadow_projection(d, centre, radius, TILE) for d in directions])
        self._map_target.viewport = (0, 0, TILE * DIRECTIONS, TILE)
        self._map_target.clear(depth=1.0)
        for index, matrix in enumerate(matrices):
            self._map_target.viewport = (index * TILE, 0, TILE, TILE)
            # without what moves: its shadows would stay behind
            self._surfaces.draw_depth(self._map_target, matrix, None, clear=False)
        self._uniforms = {
            "sky_projections": matrices,
            "sky_directions": directions,
            "sky_texel": 2 * radius / TILE,
        }

    def render(self, view: Viewpoint) -> None:
        """Fill both result textures for the frame last drawn."""
        program = self._programs.get("full.vert", "openness.frag", DIRECTIONS=DIRECTIONS)
        set_uniforms(program, **self._uniforms, **camera_uniforms(view))
        for layer, test in enumerate((NEAR_LAYER, FAR_LAYER)):
            bind(program, shapes=self._surfaces.layers[3 * layer + 1], sky_maps=self._maps)
            self._surfaces.draw_layer(self._targets[layer], test, program)

    def read(self) -> NDArray[np.float32]:
        """The near layer's openness (H, W) in [0, 1], row 0 at the top."""
        values = np.frombuffer(self.layers[0].read(alignment=1), np.uint8)
        return values.reshape(self._surfaces.height, self._surfaces.width)[::-1].astype(
            np.float32
        ) / np.float32(255)
