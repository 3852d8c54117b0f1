"""A corridor of a space ship or base: panelled metal walls, ribs, pipes, light strips, doors, robots."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.cameras import MODES, View
from worlds.families.layout import add_extras, add_floater, on_ground, scatter
from worlds.industry import pipe_run, ribs, tank
from worlds.motion import drive
from worlds.props import Furniture
from worlds.round_shapes import cylinder, sphere, torus
from worlds.shapes import bevelled_box, block, box, boxes, extrude, instances, join, place, turn, vec
from worlds.vehicles import add_hover


def build(builder: SceneBuilder) -> View:
    """Build a corridor along +y with a slanted or square section."""
    rng, palette = builder.rng, builder.palette
    builder.indoor = True
    half, height = float(rng.uniform(1.6, 4.5)), float(rng.uniform(2.6, 5.0))
    furniture = Furniture(builder, 7)
    walls = [palette.panels() if rng.random() < 0.4 else palette.anything(0.3) for _ in range(2)]
    floor = palette.metal() if rng.random() < 0.4 else palette.floor()
    builder.add(box((2 * half + 3, 70, 0.4), (0, 25, -0.2)), floor)
    builder.add(box((2 * half + 3, 70, 0.4), (0, 25, height + 0.2)), walls[0])
    builder.add(boxes([(s * (half + 0.4), 25, height / 2) for s in (-1, 1)], (0.8, 70, height)), walls[1])
    builder.add(boxes([(0, -7, height / 2), (0, 54, height / 2)], (2 * half + 1, 0.6, height)), walls[0])
    slant = float(rng.uniform(0, 0.9))
    if slant > 0.25:
        wedge = extrude([(0, 0), (slant, 0), (0, slant * 1.2)], 66.0)
        wedge = _lay(wedge)
        builder.add(place(wedge, (-half - 0.02, 58, 0)), walls[0])
        mirrored = _lay(extrude([(0, 0), (-0.0 - slant * 0, slant * 1.2), (-slant, 0)], 66.0))
        builder.add(place(mirrored, (half + 0.02, 58, 0)), walls[0])
    step = float(rng.uniform(2.2, 5.5))
    frames = np.arange(-5, 50, step)
    builder.add(
        ribs(np.stack([0 * frames, frames, 0 * frames], 1), 2 * half, height, float(rng.uniform(0.15, 0.5))),
        palette.metal() if rng.random() < 0.7 else palette.plastic(),
    )
    _fittings(builder, furniture, half, height, frames, step)
    spots = scatter(rng, int(rng.integers(3, 16)), (-half + 0.7, half - 0.7, 2, 36))
    spots = spots[np.abs(spots[:, 0]) > half * 0.4]
    _boxes(builder, furniture, on_ground(spots))
    add_extras(
        builder, np.array([[rng.uniform(-0.5, 0.5), rng.uniform(5, 12), 0], [0, rng.uniform(8, 18), 0]]), 0.7
    )
    if rng.random() < 0.4:
        add_hover(
            builder,
            drive(
                builder, (0, rng.uniform(7, 14), 0.3), float(rng.choice([0, np.pi])), float(rng.uniform(0, 6))
            ),
            rng,
            2.0,
        )
    if rng.random() < 0.4:
        add_floater(builder, np.array([rng.uniform(-0.5, 0.5), rng.uniform(5, 10), 0.4]), 0.5)
    y = np.linspace(-3, 26, 24)
    focus = np.stack(
        [rng.uniform(-half, half, 8), rng.uniform(6, 30, 8), rng.uniform(0.4, height * 0.7, 8)], 1
    )
    return View(
        area=(-half + 0.6, half - 0.6, -5.5, 36),
        focus=focus,
        path=np.stack([rng.uniform(-0.3, 0.3) * half + 0 * y, y], 1),
        heights=(0.4, height - 0.8),
        ceiling=height - 0.2,
        pace=6.0,
        scale=0.7,
        modes={**MODES, "above": 0.03, "orbit": 0.06},
        heroes=("robot", "walker", "robot", "hover"),
    )


def _lay(mesh: np.ndarray) -> np.ndarray:
    """Turn a prism from standing along z to lying along -y."""
    out = mesh.copy()
    rotation = turn(0.0, np.pi / 2).astype(np.float32).T
    out[:, :3], out[:, 3:6] = mesh[:, :3] @ rotation, mesh[:, 3:6] @ rotation
    return out


def _fittings(
    builder: SceneBuilder, furniture: Furniture, half: float, height: float, frames: np.ndarray, step: float
) -> None:
    rng, palette = builder.rng, builder.palette
    strips = [
        place(box((0.12, step * 0.7, 0.06)), (s * half * 0.7, y + step / 2, height - 0.04))
        for y in frames
        for s in (-1, 1)
    ]
    builder.add(join(*strips), furniture.glow)
    for y in frames[::2]:
        builder.lamp((0, y + step / 2, height - 0.4), palette.colour((0, 1), (0.0, 0.5), (0.9, 1.0)), 10.0)
    for side in (-1, 1):
        for _ in range(int(rng.integers(0, 4))):
            z, radius = float(rng.uniform(0.3, height - 0.4)), float(rng.uniform(0.04, 0.16))
            points = [
                (side * (half - radius - 0.02), -6, z),
                (side * (half - radius - 0.02), 20, z),
                (side * (half - radius - 0.02), 50, z),
            ]
            builder.add(pipe_run(points, radius), furniture.any_metal())
        for y in frames:
            kind = rng.random()
            at = np.array([side * (half - 0.05), y + step / 2, 0.0])
            if kind < 0.3:
                builder.add(box((0.16, step * 0.5, 1.1), at + vec(0, 0, 1.4)), furniture.any())
                builder.add(
                    box((0.2, step * 0.4, 0.5), at + vec(0, 0, 1.6)),
                    palette.glass() if len(builder.materials) < 60 else furniture.glow,
                )
            elif kind < 0.45:
                builder.add(block((0.14, step * 0.45, 2.1), at), furniture.any_metal())
            elif kind < 0.6:
                builder.add(box((0.12, 0.5, 0.3), at + vec(0, 0, 1.5)), furniture.sign)
    if rng.random() < 0.5:
        y = float(rng.uniform(14, 34))
        ring = place(torus(min(half, height / 2) * 0.95, 0.25, 28, 8), (0, y, height / 2), pitch=np.pi / 2)
        builder.add(ring, furniture.any_metal())
    if rng.random() < 0.4:
        grating = boxes([(0, y, 0.02) for y in np.arange(-4, 40, 0.25)], (half, 0.06, 0.04))
        builder.add(grating, furniture.metals[1])


def _boxes(builder: SceneBuilder, furniture: Furniture, spots: np.ndarray) -> None:
    rng = builder.rng
    for spot in spots:
        kind = rng.integers(4)
        material = furniture.any_metal() if rng.random() < 0.5 else furniture.any()
        if kind == 0:
            size = rng.uniform(0.5, 1.2, 3)
            builder.add(
                place(bevelled_box(size, 0.08), spot + vec(0, 0, size[2] / 2), float(rng.normal(0, 0.3))),
                material,
            )
        elif kind == 1:
            builder.add(place(tank(0.35, 1.2), spot), material)
        elif kind == 2:
            builder.add(
                instances(cylinder(0.2, 0.9, 14), spot + np.array([[0, 0, 0], [0.45, 0, 0]]), 0.0, 1.0),
                material,
            )
        else:
            builder.add(place(bevelled_box((0.8, 0.5, 1.0), 0.1), spot + vec(0, 0, 0.5)), material)
            builder.add(sphere(0.2, 14, 8, spot + vec(0, 0, 1.15)), furniture.glow)
