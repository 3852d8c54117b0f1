"""Under ground: vaulted corridors of stone, or a cave, with torches, columns, barrels, chests, bones of metal."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.buildings import arch, stairs
from worlds.cameras import MODES, View
from worlds.families.layout import add_extras, add_floater, on_ground, scatter
from worlds.plants import Flora, mushroom
from worlds.props import Furniture, barrel, crate
from worlds.round_shapes import cone, cylinder, lathe, sphere
from worlds.shapes import Array, bevelled_box, block, box, boxes, grid_mesh, instances, join, place, vec
from worlds.terrain import Terrain


def build(builder: SceneBuilder) -> View:
    """Build a way along +y, in masonry or in rock."""
    rng = builder.rng
    builder.indoor = True
    half, height = float(rng.uniform(1.8, 5.0)), float(rng.uniform(2.8, 6.5))
    furniture = Furniture(builder, 7)
    cave = rng.random() < 0.45
    ground = _cave(builder, half, height) if cave else _vault(builder, half, height)
    spots = scatter(rng, int(rng.integers(8, 30)), (-half * 0.8, half * 0.8, 1, 36))
    spots = spots[np.abs(spots[:, 0]) > half * 0.35]
    _clutter(builder, furniture, on_ground(spots, ground), cave)
    for y in np.arange(2.0, 44, float(rng.uniform(4, 8))):
        side = float(rng.choice([-1, 1]))
        at = np.array([side * half * 0.72, y, float(rng.uniform(1.6, 2.2))])
        builder.add(place(cone(0.09, 0.35, 8), at - [0, 0, 0.35]), furniture.metals[0])
        builder.add(sphere(0.13, 10, 6, at + vec(0, 0, 0.08)), furniture.glow)
        builder.lamp(at + vec(-side * 0.2, 0, 0.1), (1.0, 0.62, 0.3) if rng.random() < 0.6 else None, 10.0)
    middle = on_ground(np.array([[0.0, 7.0], [0.3, 11.0], [-0.3, 16.0]]), ground)
    add_extras(builder, middle, 0.7)
    if rng.random() < 0.4:
        add_floater(builder, middle[0] + vec(0, 2, 0), 0.5)
    y = np.linspace(-2, 24, 24)
    focus = np.concatenate([on_ground(spots[:8], ground) + vec(0, 0, 0.8), [[0, 20, 1.2]]])
    return View(
        area=(-half * 0.75, half * 0.75, -4, 34),
        focus=focus,
        ground=ground.height,
        path=np.stack([rng.uniform(-0.3, 0.3) * half + 0 * y, y], 1),
        heights=(0.5, max(1.2, height * 0.55)),
        ceiling=height * 0.8,
        pace=4.0,
        scale=0.7,
        modes={**MODES, "above": 0.03, "orbit": 0.06},
        heroes=("walker", "walker", "walker", "robot", "animal"),
    )


def _vault(builder: SceneBuilder, half: float, height: float) -> Terrain:
    rng, palette = builder.rng, builder.palette
    wall, floor, trim = (
        palette.or_metal("stone"),
        palette.cobbles() if rng.random() < 0.5 else palette.floor(),
        palette.or_metal("stone"),
    )
    builder.add(box((2 * half + 12, 70, 0.4), (0, 25, -0.2)), floor)
    builder.add(boxes([(s * (half + 0.4), 25, height / 2) for s in (-1, 1)], (0.8, 70, height)), wall)
    builder.add(boxes([(0, -7, height / 2), (0, 52, height / 2)], (2 * half + 1, 0.6, height)), wall)
    builder.add(box((2 * half + 2, 70, 0.5), (0, 25, height + 0.25)), wall)
    opening = 2 * half - 1.0
    gate = arch(opening, height, 0.6, 0.5, 14)
    for y in np.arange(-4, 48, float(rng.uniform(3.5, 8))):
        builder.add(place(gate, (0, y, 0)), trim)
    if rng.random() < 0.5:
        shaft = lathe(
            [
                (0, 0),
                (0.45, 0),
                (0.45, 0.25),
                (0.3, 0.35),
                (0.27, height - 0.6),
                (0.5, height - 0.3),
                (0.5, height),
                (0, height),
            ],
            12,
        )
        posts = [(s * half * 0.62, y, 0) for y in np.arange(0, 40, 6.5) for s in (-1, 1)]
        builder.add(instances(shaft, posts, 0.0, 1.0), palette.marble() if rng.random() < 0.5 else trim)
    if rng.random() < 0.4:
        builder.add(place(stairs(2 * half, 1.8, 4.0, 9), (0, float(rng.uniform(16, 30)), 0)), trim)
    if rng.random() < 0.5:
        bars = boxes([(x, 14, height / 2) for x in np.arange(half * 0.3, half, 0.2)], (0.05, 0.05, height))
        builder.add(bars, palette.bare_metal())
    return Terrain(np.zeros((1, 4)))


def _cave(builder: SceneBuilder, half: float, height: float) -> Terrain:
    """A rough tube of rock seen from inside, over an uneven floor."""
    rng, palette = builder.rng, builder.palette
    terrain = Terrain.draw(rng, 0.25)
    rock = palette.rock()
    angle, y = np.linspace(-0.45, np.pi + 0.45, 26), np.linspace(-10, 52, 70)
    a, along = np.meshgrid(angle, y, indexing="ij")
    phase = rng.uniform(0, 6.28, (8, 2))
    swell = sum(
        np.sin((1 + k) * 1.3 * a + phase[k, 0] + 0.5 * np.sin(0.7 * along + phase[k, 1]))
        * np.sin((0.25 + 0.24 * k) * along + phase[k, 1])
        for k in range(8)
    )
    swell = 1.06 + 0.09 * np.maximum(swell, -1.2)
    position = np.stack([np.cos(a) * half * 1.15 * swell, along, np.sin(a) * height * 0.92 * swell], -1)
    normal = np.cross(np.gradient(position, axis=0), np.gradient(position, axis=1))
    inward = -np.stack([np.cos(a), 0 * a, np.sin(a)], -1)
    normal *= np.sign((normal * inward).sum(-1, keepdims=True))
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    uv = np.stack([a * half, along], -1)
    builder.add(grid_mesh(position, normal, uv), rock)
    builder.add(terrain.mesh(110, 64, (0.0, 25.0)), rock if rng.random() < 0.5 else palette.soil())
    builder.add(boxes([(0, -10, height / 2), (0, 52, height / 2)], (4 * half, 0.6, height * 3)), rock)
    spikes = scatter(rng, 26, (-half * 0.9, half * 0.9, -2, 40))
    builder.add(
        instances(
            cone(0.22, 1.0, 8), on_ground(spikes[np.abs(spikes[:, 0]) > half * 0.5], terrain, 0.1), 0.0, 1.3
        ),
        rock,
    )
    hang = on_ground(spikes[:18]) + vec(0, 0, height * 0.9)
    builder.add(instances(place(cone(0.2, 1.2, 8), (0, 0, 0), pitch=np.pi), hang, 0.0, 1.0), rock)
    if rng.random() < 0.4:
        builder.add(box((4 * half, 60, 0.4), (0, 25, -0.22)), palette.water())
    return terrain


def _clutter(builder: SceneBuilder, furniture: Furniture, spots: Array, cave: bool) -> None:
    rng, palette = builder.rng, builder.palette
    lid = place(bevelled_box((0.92, 0.6, 0.26), 0.1), (0, 0, 0.55))
    meshes = (
        barrel(),
        crate(0.8),
        join(block((0.9, 0.58, 0.45)), lid),
        cylinder(0.3, 0.7, 14),
        lathe([(0, 0), (0.2, 0), (0.32, 0.3), (0.15, 0.6), (0.2, 0.7), (0, 0.7)], 14),
    )
    for spot in spots[:14]:
        mesh = meshes[int(rng.integers(len(meshes)))]
        builder.add(
            place(mesh, spot, float(rng.uniform(0, 6)), float(rng.uniform(0.7, 1.3))),
            furniture.any_metal() if rng.random() < 0.4 else furniture.any(),
        )
    if cave:
        flora = Flora(builder, ("broad",), 1)
        flora.rocks(spots, 0.4, 1.6)
        stem, cap = mushroom(rng, 1.0)
        sizes = rng.uniform(0.3, 1.5, len(spots))
        builder.add(instances(stem, spots + vec(0.5, 0.4, 0), 0.0, sizes), palette.plaster())
        builder.add(instances(cap, spots + vec(0.5, 0.4, 0), 0.0, sizes), palette.ceramic())
    elif rng.random() < 0.5:
        furniture.solids(spots[14:22], 0.4, 1.2, 0.5, 3)
