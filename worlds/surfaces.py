"""The first half of a frame: triangles become supersampled surface textures and the exact G-buffer."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worlds.blocks import Blocks, shared_corners
from worlds.gpu import Programs, bind, packed, set_uniforms
from worlds.materials import MAX_MATERIALS, ROW
from worlds.scene import Scene
from worlds.viewpoint import FAR, NEAR, Viewpoint, pose_matrices

# layers.frag writes which of sky, near and far surface a pixel shows; a triangle at such a depth, under such
# a test, touches only its pixels: masked fragments cost nothing, untaken branches would
NEAR_LAYER, FAR_LAYER = (0.2, "<="), (0.6, "<=")
SKY_ALONE, SKY_BEHIND = (0.4, ">="), (0.8, "<=")


class SurfacePass:
    """Owns the textures of what is where: samples (width*n, height*n), layers and means (width, height)."""

    def __init__(self, context: Any, programs: Programs, width: int, height: int, samples: int) -> None:
        self.width, self.height, self.samples = width, height, samples
        self._context, self._programs = context, programs
        wide = (width * samples, height * samples)
        # albedo and finish fit half floats (1e-3); depth and motion do not
        self._samples = [self._texture(wide, n, t) for n, t in ((4, "f2"), (4, "f4"), (4, "f2"), (2, "f4"))]
        self._depth = context.depth_texture(wide)
        self._sample_target = context.framebuffer(self._samples, self._depth)
        self._shape_target = context.framebuffer([self._samples[1]])
        self._depth_target = context.framebuffer(depth_attachment=self._depth)
        self._means = [self._texture((width, height), n, "f4") for n in (4, 4, 4, 2)]
        self._mean_target = context.framebuffer(self._means)
        # near then far layer: colour, shape, finish (layers.frag)
        self.layers = [self._texture((width, height), 4, t) for t in ("f2", "f4", "f2") * 2]
        self.layer_depth = context.depth_texture((width, height))
        self._layer_target = context.framebuffer(self.layers, self.layer_depth)
        self._rows, self._materials = (self._texture((ROW // 4, MAX_MATERIALS), 4, "f4") for _ in range(2))
        self._material_target = context.framebuffer([self._materials])
        corners = np.array([-1, -1, 3, -1, -1, 3], np.float32)
        self._corners = context.buffer(corners.tobytes())
        self._buffer: Any = None
        self._draws: dict[int, tuple[Any, Any]] = {}  # program and vertex array of each pattern kind
        self._depth_frame: int | None = None  # the frame whose depths the sample target holds
        self._full: dict[int, Any] = {}

    def _texture(self, size: tuple[int, int], components: int, dtype: str) -> Any:
        texture = self._context.texture(size, components, dtype=dtype)
        texture.filter = (self._context.NEAREST, self._context.NEAREST)
        texture.repeat_x = texture.repeat_y = False
        return texture

    def full_screen(self, program: Any) -> Any:
        """The vertex array that draws `program` over the whole target."""
        if program.glo not in self._full:
            self._full[program.glo] = self._context.vertex_array(
                program, [(self._corners, "2f", "in_corner")]
            )
        return self._full[program.glo]

    def draw_layer(self, target: Any, test: tuple[float, str], program: Any, add: bool = False) -> None:
        """Draw `program` where the layers' depth, which `target` must carry, passes `test`; `add` sums up."""
        target.use()
        target.depth_mask = False  # the layers' depth is only asked, never changed
        self._context.enable_only(self._context.DEPTH_TEST | (self._context.BLEND if add else 0))
        self._context.blend_func = self._context.ONE, self._context.ONE
        self._context.depth_func = test[1]
        set_uniforms(program, plane=test[0] * 2 - 1)
        self.full_screen(program).render()

    def load(self, scene: Scene) -> None:
        """Upload a scene, grouped by pattern kind: a small program each, not one with 20 branches."""
        self._release()
        triangles = scene.vertices.reshape(-1, 3, 10)
        kinds = scene.materials[triangles[:, 0, 8].astype(int), 0].astype(int)
        order = np.argsort(kinds, kind="stable")
        vertices = np.take(triangles, order, axis=0).reshape(-1, 10)
        self._blocks = Blocks(vertices[:, :3], kinds[order], np.rint(vertices[::3, 9]).astype(int))
        self._buffer = self._context.buffer(vertices)
        self._indices = self._context.buffer(shared_corners(vertices))
        for kind in np.unique(self._blocks.groups).tolist():
            program = self._programs.get("geometry.vert", "geometry.frag", KIND=kind)
            array = self._vertex_array(
                program, "3f 3f 2f 2f", "in_position", "in_normal", "in_uv", "in_indices", shared=True
            )
            self._draws[kind] = (program, array)
        depth_program = self._programs.get("depth.vert", "depth.frag")
        array = self._vertex_array(depth_program, "3f 20x 2f", "in_position", "in_indices")
        self._depth_draw = (depth_program, array)
        self._load_materials(scene.materials)

    def _load_materials(self, rows: NDArray[np.float32]) -> None:
        table = np.zeros((MAX_MATERIALS, ROW), np.float32)
        table[: len(rows)] = rows
        self._rows.write(table)
        program = self._programs.get("full.vert", "materials.frag")
        self._material_target.use()
        self._context.enable_only(self._context.NOTHING)
        bind(program, rows=self._rows)
        self.full_screen(program).render()

    def _vertex_array(self, program: Any, layout: str, *names: str, shared: bool = False) -> Any:
        # names that the compiler dropped become padding
        # `in` would walk over all of the program's members
        kept = [n for n in names if program.get(n, None) is not None]
        parts = [p if not n or n in kept else f"{4 * int(p[0])}x" for p, n in _paired(layout, names)]
        # positions alone are worked out faster than they are looked up
        indices = self._indices if shared else None
        return self._context.vertex_array(program, [(self._buffer, " ".join(parts), *kept)], indices)

    def _release(self) -> None:
        arrays = [array for _, array in self._draws.values()]
        if self._buffer is not None:
            arrays += [self._depth_draw[1], self._buffer, self._indices]
        for thing in arrays:
            thing.release()
        self._draws, self._buffer, self._depth_frame = {}, None, None

    def draw_depth(
        self, target: Any, view_projection: NDArray[Any], poses: NDArray[Any] | None, clear: bool = True
    ) -> None:
        """Only depth, into any target: the pre-pass and the shadow maps. Without `poses` only what never moves."""
        program, array = self._depth_draw
        target.use()
        if clear:
            target.clear(depth=1.0)
        self._test_depth()
        if poses is not None:
            set_uniforms(program, poses=poses)
        set_uniforms(program, view_projection=view_projection)
        _draw_runs(program, array, self._blocks.runs(self._blocks.seen(view_projection, poses)))

    def _test_depth(self) -> None:
        self._context.enable_only(self._context.DEPTH_TEST)
        self._context.depth_func = "<="

    def _draw_frame_depth(self, scene: Scene, frame: int, view: Viewpoint) -> None:
        """The pre-pass, unless it is the very frame whose depths were drawn last."""
        if self._depth_frame != frame:
            self.draw_depth(self._depth_target, view.view_projection, pose_matrices(scene.objects[frame]))
            self._depth_frame = frame

    def distances(self, scene: Scene, frame: int) -> NDArray[np.float64]:
        """Planar depths in metres of all samples of a frame that show a surface, without drawing the rest."""
        self._draw_frame_depth(scene, frame, Viewpoint.of(scene, frame, self.width / self.height))
        depth = np.frombuffer(self._depth.read(), np.float32).astype(np.float64)
        return 1 / (1 / NEAR - depth[depth < 1] * (1 / NEAR - 1 / FAR))

    def draw(self, scene: Scene, frame: int) -> Viewpoint:
        """Fill the sample textures for one frame, then the layers that lighting reads; returns the camera."""
        here, earlier = (Viewpoint.of(scene, max(f, 0), self.width / self.height) for f in (frame, frame - 1))
        poses, previous_poses = (pose_matrices(scene.objects[max(f, 0)]) for f in (frame, frame - 1))
        self._shape_target.clear()  # depth 0 tells the sky; what else lies there is never looked at
        self._draw_frame_depth(scene, frame, here)
        self._sample_target.use()  # the pre-pass has left its depths here: what is hidden is never shaded
        self._test_depth()
        uniforms: dict[str, Any] = {
            "view_projection": packed(here.view_projection),
            "previous_view_projection": packed(earlier.view_projection),
            "poses": packed(poses),
            "previous_poses": packed(previous_poses),
            "size": (float(self.width * self.samples), float(self.height * self.samples)),
        }
        uniforms |= camera_uniforms(here)
        runs = self._blocks.runs(self._blocks.seen(here.view_projection, poses), by_group=True)
        for kind, parts in groupby(runs, key=lambda run: run[0]):
            program, array = self._draws[kind]
            set_uniforms(program, **uniforms)
            bind(program, materials=self._materials)
            _draw_runs(program, array, parts)
        self._draw_layers()
        self._resolve(here, earlier)
        return here

    def _draw_layers(self) -> None:
        program = self._programs.get("full.vert", "layers.frag", SAMPLES=self.samples)
        self._layer_target.use()
        self._context.enable_only(self._context.DEPTH_TEST)
        self._context.depth_func = "1"  # always pass, and write
        colours, shapes, finishes, _ = self._samples
        bind(program, colours=colours, shapes=shapes, finishes=finishes)
        self.full_screen(program).render()

    def _resolve(self, here: Viewpoint, earlier: Viewpoint) -> None:
        program = self._programs.get("full.vert", "resolve.frag", SAMPLES=self.samples)
        self._mean_target.use()
        self._context.enable_only(self._context.NOTHING)
        set_uniforms(
            program,
            height=self.height,
            world_to_camera=here.world_to_camera,
            sky_turn=earlier.world_to_camera @ here.world_to_camera.T,
            tangent=here.tangent,
            pixels=(float(self.width), float(self.height)),
        )
        bind(program, **dict(zip(("colours", "shapes", "finishes", "motions"), self._samples, strict=True)))
        self.full_screen(program).render()

    def read(self) -> tuple[NDArray[np.float32], ...]:
        """The frame last drawn, as resolve.frag says: (H, W, 4) colour, shape, finish, (H, W, 2) motion."""
        shape = (self.height, self.width, -1)
        return tuple(np.frombuffer(t.read(), np.float32).reshape(shape) for t in self._means)


def _draw_runs(program: Any, array: Any, runs: Iterable[tuple[int, int, int, bool]]) -> None:
    """Draw runs of vertices, as Blocks.runs gives them, and tell the shader which of them move."""
    told = None
    for _, first, count, moving in runs:
        if moving != told:
            set_uniforms(program, moving=int(moving))
            told = moving
        array.render(vertices=count, first=first)


def _paired(layout: str, names: tuple[str, ...]) -> list[tuple[str, str]]:
    """Each part of a buffer layout with its attribute's name; padding gets none."""
    left = iter(names)
    return [(part, "" if part.endswith("x") else next(left)) for part in layout.split()]


def camera_uniforms(view: Viewpoint) -> dict[str, Any]:
    """The camera as the shaders name it."""
    right, up, forward = (tuple(map(float, axis)) for axis in view.axes)
    return {
        "eye": tuple(map(float, view.eye)),
        "right": right,
        "up": up,
        "forward": forward,
        "tangent": view.tangent,
    }
