"""The second half of a frame: a look's light over the layers of the frame last drawn, in five passes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worlds.gpu import Programs, bind, set_uniforms
from worlds.look import PARTICLES, TONES, Look
from worlds.openness import OpennessPass
from worlds.scene import Scene
from worlds.surfaces import FAR_LAYER, NEAR_LAYER, SKY_ALONE, SKY_BEHIND, SurfacePass, camera_uniforms
from worlds.viewpoint import Viewpoint, pose_matrices, shadow_projection, sun_direction

SHADOW_SIZE = 1024
MAX_LAMPS = 12


class LightingPass:
    """Owns the shadow map and the pictures between the passes: (width, height), the bounce half of it."""

    def __init__(
        self, context: Any, programs: Programs, surfaces: SurfacePass, openness: OpennessPass
    ) -> None:
        self._context, self._programs, self._surfaces, self._openness = context, programs, surfaces, openness
        size = (surfaces.width, surfaces.height)
        self._shadow = context.depth_texture((SHADOW_SIZE, SHADOW_SIZE))
        self._shadow.compare_func = "<="
        self._shadow.filter = (context.LINEAR, context.LINEAR)
        self._shadow.repeat_x = self._shadow.repeat_y = False
        self._shadow_target = context.framebuffer(depth_attachment=self._shadow)
        # near then far: colour, shape, finish, radiance (style.frag)
        self._styled = [[self._texture(size, t) for t in ("f2", "f4", "f2", "f2")] for _ in range(2)]
        self._style_targets = [
            context.framebuffer(textures, surfaces.layer_depth) for textures in self._styled
        ]
        self._bounce = self._texture(((size[0] + 1) // 2, (size[1] + 1) // 2), "f2")
        self._bounce_target = context.framebuffer([self._bounce])
        self._light = self._texture(size, "f2")
        self._light_target = context.framebuffer([self._light], surfaces.layer_depth)
        self._picture = context.texture(size, 4, dtype="f1")
        self._picture_target = context.framebuffer([self._picture])

    def _texture(self, size: tuple[int, int], dtype: str) -> Any:
        texture = self._context.texture(size, 4, dtype=dtype)
        texture.filter = (self._context.NEAREST, self._context.NEAREST)
        texture.repeat_x = texture.repeat_y = False
        return texture

    def render(
        self, scene: Scene, frame: int, view: Viewpoint, look: Look, reach: float
    ) -> NDArray[np.uint8]:
        """The picture (H, W, 3), sRGB-coded; `reach` is the half-width of the shadowed square in metres."""
        sun = sun_direction(scene, look.sun_azimuth, look.sun_elevation)
        uniforms = camera_uniforms(view) | look_uniforms(look, scene) | lamp_uniforms(scene, view, look)
        uniforms["time"] = frame / scene.fps
        if max(look.sun) > 0:
            uniforms |= self._draw_shadow(scene, frame, view, sun, reach)
        self._style(look, uniforms)
        self._gather(uniforms)
        self._shade(uniforms)
        self._draw_sky(uniforms)
        return self._finish(look, uniforms)

    def _draw_shadow(
        self, scene: Scene, frame: int, view: Viewpoint, sun: NDArray[np.float64], reach: float
    ) -> dict[str, Any]:
        centre = view.eye + view.axes[2] * (1.0, 1.0, 0.3) * reach * 0.7
        matrix = shadow_projection(sun, centre, reach, SHADOW_SIZE)
        self._surfaces.draw_depth(self._shadow_target, matrix, pose_matrices(scene.objects[frame]))
        return {"shadow_projection": matrix, "shadow_texel": 2 * reach / SHADOW_SIZE}

    def _program(
        self, fragment: str, textures: dict[str, Any], uniforms: dict[str, Any], **defines: int
    ) -> Any:
        program = self._programs.get("full.vert", fragment, **defines)
        set_uniforms(program, plane=0.0, **uniforms)
        bind(program, **textures)
        return program

    def _style(self, look: Look, uniforms: dict[str, Any]) -> None:
        defines = {
            "SUN": int(max(look.sun) > 0),
            "SHADOW_TAPS": 4 if look.shadow_soft < 0.04 else 12,
            "SNOW": int(look.snow > 0),
            "WET": int(look.wet > 0),
            "AUTUMN": int(look.autumn > 0),
            "MAGIC": int(look.magic > 0),
            "CAUSTICS": int(look.caustics > 0),
        }
        program = self._program("style.frag", {}, uniforms, **defines)
        for layer, test in enumerate((NEAR_LAYER, FAR_LAYER)):
            colours, shapes, finishes = self._surfaces.layers[3 * layer : 3 * layer + 3]
            textures = {"colours": colours, "shapes": shapes, "finishes": finishes}
            textures |= {"openness": self._openness.layers[layer], "shadow_map": self._shadow}
            bind(program, **textures)
            self._style_targets[layer].depth_mask = False
            self._style_targets[layer].clear()
            self._surfaces.draw_layer(self._style_targets[layer], test, program)

    def _gather(self, uniforms: dict[str, Any]) -> None:
        _, shapes, _, radiances = self._styled[0]
        radiances.build_mipmaps()
        radiances.filter = (self._context.LINEAR_MIPMAP_NEAREST, self._context.NEAREST)
        program = self._program("gather.frag", {"shapes": shapes, "radiances": radiances}, uniforms)
        self._bounce_target.use()
        self._context.enable_only(self._context.NOTHING)
        self._surfaces.full_screen(program).render()

    def _shade(self, uniforms: dict[str, Any]) -> None:
        self._light_target.depth_mask = False
        self._light_target.clear()
        near = self._styled[0]
        shared = {"mirrored": near[3], "bounces": self._bounce, "near_shapes": near[1]}
        last_level = max(near[3].size).bit_length() - 1
        program = self._program("shade.frag", {}, uniforms | {"last_level": last_level})
        for layer, test in enumerate((NEAR_LAYER, FAR_LAYER)):
            names = ("colours", "shapes", "finishes", "radiances")
            textures = shared | dict(zip(names, self._styled[layer], strict=True))
            bind(program, **textures, openness=self._openness.layers[layer])
            self._surfaces.draw_layer(self._light_target, test, program, add=True)

    def _draw_sky(self, uniforms: dict[str, Any]) -> None:
        textures = {"near_shapes": self._styled[0][1], "far_shapes": self._styled[1][1]}
        program = self._program("background.frag", textures, uniforms)
        for test in (SKY_ALONE, SKY_BEHIND):
            self._surfaces.draw_layer(self._light_target, test, program, add=True)

    def _finish(self, look: Look, uniforms: dict[str, Any]) -> NDArray[np.uint8]:
        if look.bloom > 0:
            self._light.build_mipmaps()
            self._light.filter = (self._context.LINEAR_MIPMAP_LINEAR, self._context.LINEAR)
        else:  # what an earlier look left must not show: the same scene gives the same bytes in any order
            self._light.filter = (self._context.NEAREST, self._context.NEAREST)
        textures = {"lights": self._light, "near_shapes": self._surfaces.layers[1]}
        defines = {"PARTICLES": PARTICLES.index(look.particles), "BLOOM": int(look.bloom > 0)}
        program = self._program("finish.frag", textures, uniforms, **defines)
        self._picture_target.use()
        self._context.enable_only(self._context.NOTHING)
        self._surfaces.full_screen(program).render()
        shape = (self._surfaces.height, self._surfaces.width, 4)
        return np.frombuffer(self._picture.read(), np.uint8).reshape(shape)[..., :3].copy()


def look_uniforms(look: Look, scene: Scene) -> dict[str, Any]:
    """A look's numbers as the shaders name them: angles become directions, words become numbers."""
    values: dict[str, Any] = {name: value for name, value in vars(look).items() if not isinstance(value, str)}
    for light in ("sun", "key", "rim"):
        direction = sun_direction(scene, values[f"{light}_azimuth"], values[f"{light}_elevation"])
        values[f"{light}_direction"] = tuple(map(float, direction))
    values["tone"] = TONES.index(look.tone)
    values["indoor"] = float(scene.indoor)
    return values


def lamp_uniforms(scene: Scene, view: Viewpoint, look: Look) -> dict[str, Any]:
    """The lamps that matter most to this camera, padded to 12; colours as the look wants them."""
    places, colours = np.zeros((MAX_LAMPS, 4), np.float32), np.zeros((MAX_LAMPS, 3), np.float32)
    count = 0
    if look.lamp > 0 and len(scene.lamps):
        away = np.linalg.norm(scene.lamps[:, :3] - (view.eye + view.axes[2] * 6), axis=1) - scene.lamps[:, 6]
        chosen = np.sort(np.argsort(away, kind="stable")[:MAX_LAMPS])
        count = len(chosen)
        lamps = scene.lamps[chosen]
        places[:count] = lamps[:, [0, 1, 2, 6]]
        colours[:count] = look.lamp_own * lamps[:, 3:6] + (1 - look.lamp_own) * np.array(look.lamp_colour)
    return {"lamp_places": places, "lamp_colours": colours, "lamp_count": count}
