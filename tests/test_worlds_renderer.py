"""The renderer against rays and projections worked out by hand, and the looks against each other."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from alaya.errors import AlayaError, RequestError
from worlds.looks import LOOKS, random_lighting
from worlds.scene import Scene, build_scene
from worlds.viewpoint import Viewpoint, pose_matrices, sun_direction

WIDTH, HEIGHT = 128, 72
BOX = (np.array([-2.0, 5.0, 0.0]), np.array([-0.5, 6.5, 1.8]))
BALL, RADIUS = np.array([1.3, 5.0, 1.2]), 0.9
COLOURS = np.array([[0.5, 0.5, 0.5], [0.9, 0.2, 0.1], [0.1, 0.4, 0.8]])  # ground, box, ball: sRGB-coded
FINISHES = [(0.9, 0.0), (0.4, 0.0), (0.25, 1.0)]  # roughness, metallic


def quad(corners: list[Any], normal: Any, material: int, index: int = 0) -> np.ndarray:
    corner = np.array(corners, np.float64)
    row = np.zeros((6, 10), np.float32)
    row[:, :3] = corner[[0, 1, 2, 0, 2, 3]]
    row[:, 3:6] = normal
    row[:, 6:8] = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])[[0, 1, 2, 0, 2, 3]]
    row[:, 8], row[:, 9] = material, index
    return row


def box(low: np.ndarray, high: np.ndarray, material: int, index: int = 0) -> np.ndarray:
    faces = []
    for axis in range(3):
        for side in (0, 1):
            ring = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
            where = np.insert(ring, axis, side, axis=1)
            normal = np.zeros(3)
            normal[axis] = 2 * side - 1
            faces.append(quad((low + where * (high - low)).tolist(), normal, material, index))
    return np.concatenate(faces)


def ball(centre: np.ndarray, radius: float, material: int, around: int = 160, up: int = 80) -> np.ndarray:
    a, b = np.linspace(0, 2 * np.pi, around + 1), np.linspace(-np.pi / 2, np.pi / 2, up + 1)
    unit = np.stack(
        [
            np.outer(np.cos(a), np.cos(b)),
            np.outer(np.sin(a), np.cos(b)),
            np.outer(np.ones_like(a), np.sin(b)),
        ],
        axis=-1,
    )
    ring = np.stack([unit[:-1, :-1], unit[1:, :-1], unit[1:, 1:], unit[:-1, 1:]], axis=2).reshape(-1, 4, 3)
    n = ring[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
    rows = np.zeros((len(n), 10), np.float32)
    rows[:, :3], rows[:, 3:6], rows[:, 8] = centre + radius * n, n, material
    return rows


def make_scene(
    num_frames: int = 2, step: Any = (0.0, 0.0, 0.0), eye: Any = (0.0, 0.0, 1.6), **changes: Any
) -> Scene:
    """A ground plane, a box and a ball in plain colours, seen by a camera that moves by `step` a frame."""
    vertices = np.concatenate(
        [
            quad([[-50, -20, 0], [50, -20, 0], [50, 60, 0], [-50, 60, 0]], (0, 0, 1), 0),
            box(*BOX, 1),
            ball(BALL, RADIUS, 2),
        ]
    )
    materials = np.zeros((3, 20), np.float32)
    for row, colour, (roughness, metallic) in zip(materials, COLOURS, FINISHES, strict=True):
        row[1], row[2:4], row[4:7], row[8:11] = 1, roughness, colour, colour
        row[[7, 11]], row[13] = metallic, 0.5
    objects = np.zeros((num_frames, 64, 8), np.float32)
    objects[..., 6] = 1
    eyes = np.array(eye) + np.arange(num_frames)[:, None] * np.array(step)
    values: dict[str, Any] = {
        "seed": 0,
        "family": "hand",
        "vertices": vertices,
        "materials": materials,
        "objects": objects,
        "eyes": eyes.astype(np.float32),
        "targets": (eyes + np.array([0.0, 1.0, -0.08])).astype(np.float32),
        "rolls": np.full(num_frames, 0.06, np.float32),
        "fov": 68.0,
        "lamps": np.zeros((0, 7), np.float32),
        "indoor": False,
        "fps": 24.0,
    }
    return Scene(**(values | changes))


@pytest.fixture(scope="module")
def make_renderer():
    """Renderers of any size; skips with the machine's own reason where there is no EGL."""
    from worlds.renderer import Renderer

    kept: dict[tuple[int, int, int], Any] = {}

    def make(width: int = WIDTH, height: int = HEIGHT, supersample: int = 1) -> Any:
        key = (width, height, supersample)
        if key not in kept:
            try:
                kept[key] = Renderer(*key)
            except AlayaError as error:
                pytest.skip(str(error))
        return kept[key]

    return make


def rays(scene: Scene, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """World rays (H, W, 3) of planar length 1 through the pixel centres, and the world-to-camera rotation."""
    view = Viewpoint.of(scene, frame, WIDTH / HEIGHT)
    x = ((np.arange(WIDTH) + 0.5) / WIDTH * 2 - 1) * view.tangent[0]
    y = (1 - (np.arange(HEIGHT) + 0.5) / HEIGHT * 2) * view.tangent[1]
    plane = np.stack([*np.meshgrid(x, y), np.ones((HEIGHT, WIDTH))], axis=-1)
    return plane @ view.axes, view.world_to_camera


def cast(eye: np.ndarray, ray: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth (inf: sky), world normal and surface number (-1: sky) of the hand-made scene along rays."""
    normals = np.zeros((3, *ray.shape))
    with np.errstate(divide="ignore", invalid="ignore"):
        ground = np.where(ray[..., 2] < 0, -eye[2] / ray[..., 2], np.inf)
        hit = eye + ground[..., None] * ray
        inside = (np.abs(hit[..., 0]) < 50) & (hit[..., 1] < 60)
        ground = np.where(inside, ground, np.inf)
        sides = np.stack([(BOX[0] - eye) / ray, (BOX[1] - eye) / ray])
    enter, leave = sides.min(axis=0), sides.max(axis=0).min(axis=-1)
    axis = enter.argmax(axis=-1)
    first = enter.max(axis=-1)
    cube = np.where((first < leave) & (first > 0), first, np.inf)
    normals[0, ..., 2] = 1
    sign = -np.sign(np.take_along_axis(ray, axis[..., None], -1))
    np.put_along_axis(normals[1], axis[..., None], sign, -1)
    a, b = (ray**2).sum(-1), (ray * (eye - BALL)).sum(-1)
    root = b**2 - a * (((eye - BALL) ** 2).sum() - RADIUS**2)
    sphere = np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / a, np.inf)
    reached = np.where(np.isfinite(sphere), sphere, 0.0)
    normals[2] = (eye + reached[..., None] * ray - BALL) / RADIUS
    depth = np.stack([ground, cube, sphere])
    surface = depth.argmin(axis=0)
    best = depth.min(axis=0)
    normal = np.take_along_axis(normals, surface[None, ..., None], 0)[0]
    return best, normal, np.where(np.isfinite(best), surface, -1)


def interior(surface: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Pixels whose eight neighbours see the same face, so that no silhouette is near."""
    same = np.zeros(surface.shape, bool)
    same[1:-1, 1:-1] = True
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            shifted = np.roll(surface, (dy, dx), (0, 1))
            turned = np.roll(normal, (dy, dx), (0, 1))
            same &= (shifted == surface) & ((normal * turned).sum(-1) > 0.85)
    return same & (surface >= 0)


@pytest.mark.egl
def test_gbuffer_is_what_rays_meet(make_renderer: Any) -> None:
    scene = make_scene()
    renderer = make_renderer()
    renderer.load(scene)
    buffers = renderer.gbuffer(0)
    ray, rotation = rays(scene, 0)
    depth, normal, surface = cast(scene.eyes[0].astype(np.float64), ray)
    good = interior(surface, normal)
    assert all((good & (surface == k)).sum() > 40 for k in range(3))
    assert np.abs(buffers["depth"][good] / depth[good] - 1).max() < 1e-3
    cosine = (buffers["normal"] * (normal @ rotation.T)).sum(-1)[good]
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).max() < 0.5
    linear = np.where(COLOURS <= 0.04045, COLOURS / 12.92, ((COLOURS + 0.055) / 1.055) ** 2.4)
    assert np.abs(buffers["albedo"][good] - linear[surface[good]]).max() < 1e-3
    assert np.abs(buffers["roughness"][good] - np.array(FINISHES)[surface[good], 0]).max() < 1e-3
    assert np.abs(buffers["metallic"][good] - np.array(FINISHES)[surface[good], 1]).max() < 1e-3
    sky = surface == -1
    assert (buffers["mask"] == ~sky).mean() > 0.99
    assert np.isinf(buffers["depth"][~buffers["mask"]]).all()
    assert not any(
        buffers[name][~buffers["mask"]].any() for name in ("albedo", "normal", "roughness", "metallic")
    )


@pytest.mark.egl
def test_motion_is_the_projection_into_the_frame_before(make_renderer: Any) -> None:
    scene = make_scene(step=(0.11, 0.07, 0.02))
    renderer = make_renderer(supersample=2)
    renderer.load(scene)
    assert not renderer.gbuffer(0)["motion"].any()
    buffers = renderer.gbuffer(1)
    motion = buffers["motion"]
    ray, _ = rays(scene, 1)
    eye = scene.eyes[1].astype(np.float64)
    depth, normal, surface = cast(eye, ray)
    good = interior(surface, normal) & (depth < 40)
    before = Viewpoint.of(scene, 0, WIDTH / HEIGHT)
    place = (eye + np.where(good, depth, 1.0)[..., None] * ray - before.eye) @ before.axes.T
    x = (place[..., 0] / place[..., 2] / before.tangent[0] + 1) / 2 * WIDTH - 0.5
    y = (1 - place[..., 1] / place[..., 2] / before.tangent[1]) / 2 * HEIGHT - 0.5
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    error = np.hypot(motion[..., 0] - (x - columns), motion[..., 1] - (y - rows))
    assert np.hypot(motion[..., 0], motion[..., 1])[good].max() > 2
    assert error[good].max() < 0.1
    assert np.abs(motion[~buffers["mask"]]).max() < 1e-3  # the camera does not turn, so the sky stays


@pytest.mark.egl
def test_motion_of_a_turning_thing_and_of_the_sky(make_renderer: Any) -> None:
    pose = np.zeros((2, 64, 8), np.float32)
    pose[..., 6] = 1
    pose[0, 1] = (0.0, 5.0, 1.2, 0.1, 0.2, -0.1, 1.0, 0)
    pose[1, 1] = (0.3, 5.2, 1.3, 0.3, 0.1, 0.15, 1.1, 0)
    card = quad([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]], (0, -1, 0), 1, 1)
    targets = np.array([[0.0, 6.0, 1.6], [0.3, 6.0, 1.5]], np.float32)
    scene = make_scene(vertices=card, objects=pose, targets=targets, rolls=np.array([0.0, 0.05], np.float32))
    renderer = make_renderer()
    renderer.load(scene)
    buffers = renderer.gbuffer(1)
    ray, _ = rays(scene, 1)
    world = scene.eyes[1] + np.where(buffers["mask"], buffers["depth"], 100.0)[..., None] * ray
    matrices = [pose_matrices(p)[1].astype(np.float64) for p in pose]
    one = np.concatenate([world, np.ones((*world.shape[:2], 1))], axis=-1)
    there = (one @ np.linalg.inv(matrices[1]).T @ matrices[0].T)[..., :3]
    there = np.where(buffers["mask"][..., None], there, scene.eyes[0] + ray)
    before = Viewpoint.of(scene, 0, WIDTH / HEIGHT)
    place = (there - before.eye) @ before.axes.T
    x = (place[..., 0] / place[..., 2] / before.tangent[0] + 1) / 2 * WIDTH - 0.5
    y = (1 - place[..., 1] / place[..., 2] / before.tangent[1]) / 2 * HEIGHT - 0.5
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    error = np.hypot(buffers["motion"][..., 0] - (x - columns), buffers["motion"][..., 1] - (y - rows))
    assert 300 < buffers["mask"].sum() < WIDTH * HEIGHT / 2
    assert error.max() < 0.1


@pytest.mark.egl
@pytest.mark.parametrize("kind", range(20))
def test_every_pattern_gives_valid_surfaces_with_bumps_that_average_out(
    make_renderer: Any, kind: int
) -> None:
    materials = np.zeros((1, 20), np.float32)
    materials[0] = [kind, 1.5, 0.3, 0.9, 0.7, 0.3, 0.2, 0, 0.1, 0.3, 0.6, 1, 0.5, 0.6, 0, 0.3, 4.2, 1, 0, 0]
    wall = quad([[-9, 4, -5], [9, 4, -5], [9, 4, 8], [-9, 4, 8]], (0, -1, 0), 0)
    wall[:, 6:8] = wall[:, [0, 2]]
    scene = make_scene(vertices=wall, materials=materials)
    renderer = make_renderer()
    renderer.load(scene)
    buffers = renderer.gbuffer(0)
    assert buffers["mask"].all()
    assert buffers["albedo"].min() >= 0
    assert buffers["albedo"].max() <= 1
    assert buffers["roughness"].min() > 0
    assert buffers["roughness"].max() <= 1
    np.testing.assert_allclose(np.linalg.norm(buffers["normal"], axis=-1), 1, atol=1e-4)
    mean = buffers["normal"].mean(axis=(0, 1))
    flat = Viewpoint.of(scene, 0, 1.0).world_to_camera @ [0, -1, 0]
    assert mean @ flat / np.linalg.norm(mean) > 0.98
    if kind not in (0, 16, 19):
        assert (buffers["normal"] @ flat).min() < 0.9995
    if kind != 0:
        assert buffers["albedo"].std() > 0.005


@pytest.mark.egl
def test_same_seed_same_bytes(make_renderer: Any) -> None:
    pictures = []
    for supersample in (2, 2):
        renderer = make_renderer(supersample=supersample)
        renderer.load(build_scene(5, num_frames=3))
        buffers = renderer.gbuffer(2)
        look, options = random_lighting(np.random.default_rng(8))
        parts = [buffers[name] for name in sorted(buffers)] + [
            renderer.light(look, **options),
            renderer.light(LOOKS["rain"]),
        ]
        pictures.append(b"".join(part.tobytes() for part in parts))
        renderer.load(make_scene())  # what was drawn before must not show
        renderer.gbuffer(1)
    assert pictures[0] == pictures[1]


@pytest.mark.egl
def test_two_renderers_do_not_meet(make_renderer: Any) -> None:
    alone = make_renderer(supersample=2)
    alone.load(make_scene())
    expected = alone.gbuffer(1)["albedo"], alone.light(LOOKS["night"])
    other = make_renderer()
    alone.load(make_scene())
    other.load(build_scene(5, "plaza", 3))
    albedo = alone.gbuffer(1)["albedo"]
    other.gbuffer(2)
    picture = alone.light(LOOKS["night"])
    np.testing.assert_array_equal(albedo, expected[0])
    np.testing.assert_array_equal(picture, expected[1])


@pytest.mark.egl
def test_sunlight_casts_a_shadow_away_from_the_sun(make_renderer: Any) -> None:
    scene = make_scene()
    renderer = make_renderer(supersample=2)
    renderer.load(scene)
    renderer.gbuffer(0)
    crisp = replace(LOOKS["sunny"], sun=(4.1, 3.75, 3.05), ambient=1.0, shadow=1.0, shadow_soft=0.03)
    left, right = (
        renderer.light(crisp, sun_azimuth=side * np.pi / 2, sun_elevation=0.45).astype(int)
        for side in (-1, 1)
    )
    beside = slice(52, 56), slice(60, 68)  # the ground at the box's right foot
    assert right[beside].mean() > left[beside].mean() + 60


def test_sun_stays_with_the_first_camera() -> None:
    scene = make_scene(step=(3.0, 1.0, 0.0))
    np.testing.assert_allclose(sun_direction(scene, 0.0, 0.0), [0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(sun_direction(scene, np.pi / 2, 0.0), [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(sun_direction(scene, 1.0, np.pi / 2), [0, 0, 1], atol=1e-6)


@pytest.mark.egl
def test_particles_stay_behind_near_surfaces_and_can_be_left_out(make_renderer: Any) -> None:
    wall = quad([[-9, 1, -5], [9, 1, -5], [9, 1, 8], [-9, 1, 8]], (0, -1, 0), 0)
    renderer = make_renderer(supersample=2)
    renderer.load(make_scene(vertices=wall))
    renderer.gbuffer(0)
    for name in ("rain", "snow", "underwater", "fantasy", "dust", "storm", "cyberpunk"):
        np.testing.assert_array_equal(
            renderer.light(LOOKS[name]), renderer.light(LOOKS[name], particles=False)
        )
    renderer.load(make_scene())
    renderer.gbuffer(0)
    for name in ("rain", "snow", "underwater", "fantasy", "dust", "storm", "cyberpunk"):
        assert (renderer.light(LOOKS[name]) != renderer.light(LOOKS[name], particles=False)).mean() > 0.02


@pytest.mark.egl
def test_looks_are_told_apart(make_renderer: Any) -> None:
    renderer = make_renderer(supersample=2)
    for scene in (make_scene(), build_scene(2, "plaza", 3)):
        renderer.load(scene)
        renderer.gbuffer(0)
        pictures = {name: renderer.light(look).astype(float) for name, look in LOOKS.items()}
        for one, other in combinations(pictures, 2):
            assert np.abs(pictures[one] - pictures[other]).mean() > 14, (one, other)


@pytest.mark.egl
def test_random_lighting_covers_dark_to_clipped(make_renderer: Any) -> None:
    renderer = make_renderer(supersample=2)
    renderer.load(make_scene())
    renderer.gbuffer(0)
    means, clipped = [], []
    for seed in range(40):
        look, options = random_lighting(np.random.default_rng(seed), indoor=seed % 4 == 0)
        assert (look, options) == random_lighting(np.random.default_rng(seed), indoor=seed % 4 == 0)
        picture = renderer.light(look, **options)
        means.append(picture.mean())
        clipped.append((picture.max(axis=-1) == 255).mean())
        assert picture.std() > 1
    assert min(means) < 70
    assert max(means) > 170
    assert max(clipped) > 0.1
    assert np.median(means) == pytest.approx(120, abs=45)


def test_no_egl_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    moderngl = pytest.importorskip("moderngl")
    from worlds.renderer import Renderer

    def fail(**_: Any) -> None:
        raise Exception("eglInitialize failed (0x3001)\nmore")

    monkeypatch.setattr(moderngl, "create_context", fail)
    with pytest.raises(AlayaError, match=r"EGL.*eglInitialize failed.*apt-get install") as caught:
        Renderer(64, 36)
    assert "\n" not in str(caught.value)


@pytest.mark.egl
def test_what_cannot_be_drawn_is_refused(make_renderer: Any) -> None:
    renderer = make_renderer(supersample=2)
    renderer.load(make_scene(num_frames=3))
    with pytest.raises(RequestError, match="frame 3 was asked for, the scene has 3"):
        renderer.gbuffer(3)
    with pytest.raises(RequestError, match="no frame is drawn"):
        renderer.light(LOOKS["neutral"])
    renderer.gbuffer(0)
    with pytest.raises(RequestError, match="tone 'hdr' is not known; choose from standard, aces, film"):
        renderer.light(LOOKS["neutral"], tone="hdr")
