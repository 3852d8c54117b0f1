"""Kept out of training: a terminal hall and an apron with aircraft, gates, luggage carts."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.cameras import View
from worlds.families.layout import add_extras, on_ground, scatter
from worlds.materials import Kind
from worlds.motion import drive
from worlds.props import Furniture, bench
from worlds.round_shapes import capsule, cylinder, lathe, wheel
from worlds.shapes import Array, Mesh, bevelled_box, block, box, boxes, instances, join, place, vec
from worlds.vehicles import add_car, add_truck


def build(builder: SceneBuilder) -> View:
    """Build an apron in front of a glazed terminal."""
    rng, palette = builder.rng, builder.palette
    furniture = Furniture(builder)
    builder.add(
        box((400, 400, 1), (0, 40, -0.5)), palette.concrete() if rng.random() < 0.7 else palette.asphalt()
    )
    paint = builder.materials.add(
        Kind.SOLID, palette.colour((0.1, 0.16), (0.0, 0.9), (0.8, 0.95)), roughness=0.6, bump=0.0
    )
    builder.add(boxes([(0.0, float(y), 0.0) for y in np.arange(-30, 90, 5.0)], (0.25, 3.6, 0.03)), paint)
    builder.add(boxes([(x, 34, 0) for x in (-22, 22)], (0.2, 60, 0.03)), paint)
    _terminal(builder, furniture)
    planes = int(rng.integers(1, 4))
    for index in range(planes):
        speed = float(rng.choice([0.0, 0.0, rng.uniform(2, 10)]))
        at = (
            float(rng.uniform(9, 22)) * (1 if index % 2 else -1),
            14.0 + 22 * index + float(rng.uniform(0, 6)),
            0.0,
        )
        add_plane(builder, drive(builder, at, float(rng.uniform(-0.6, 0.6) + rng.choice([0, np.pi])), speed))
    spots = on_ground(scatter(rng, 18, (-8, 8, 2, 40)))
    for spot in spots:
        kind = rng.random()
        if kind < 0.3:
            sizes = rng.uniform(0.3, 0.8, (6, 3))
            heap = spot + rng.uniform(-0.6, 0.6, (6, 3)) * [1, 1, 0]
            builder.add(boxes(heap + sizes * [0, 0, 0.5], sizes, rng.uniform(0, 3, 6)), furniture.any())
        elif kind < 0.55:
            builder.add(
                place(lathe([(0, 0), (0.25, 0), (0.22, 0.05), (0.06, 0.8), (0, 0.8)], 12), spot),
                furniture.any(),
            )
        elif kind < 0.75:
            builder.add(
                place(bevelled_box((1.4, 2.2, 1.5), 0.1), spot + vec(0, 0, 0.95)), furniture.any_metal()
            )
        else:
            furniture.solids([spot], 0.5, 1.6, 0.5, 1)
    for y in np.arange(0, 70, 16.0):
        furniture.street_lamp((float(rng.choice([-12, 12])), y, 0), 9.0)
    for _ in range(int(rng.integers(1, 4))):
        speed = float(rng.uniform(0, 9))
        pose = drive(
            builder, (rng.uniform(-6, 6), rng.uniform(6, 40), 0), float(rng.choice([0, np.pi, 1.57])), speed
        )
        (add_truck if rng.random() < 0.6 else add_car)(builder, pose, rng, speed)
    add_extras(builder, on_ground(scatter(rng, 3, (-5, 5, 4, 14))), 0.7)
    focus = np.stack([rng.uniform(-18, 18, 9), rng.uniform(8, 50, 9), rng.uniform(0.5, 4, 9)], 1)
    return View(
        area=(-20, 20, -18, 40),
        focus=focus,
        heights=(0.5, 11.0),
        pace=8.0,
        heroes=("walker", "robot", "car", "kart"),
    )


def _terminal(builder: SceneBuilder, furniture: Furniture) -> None:
    rng, palette = builder.rng, builder.palette
    y, height = float(rng.uniform(60, 85)), float(rng.uniform(8, 16))
    builder.add(block((140, 20, height), (0, y + 12, 0)), palette.facade())
    builder.add(place(cylinder(14, 140, 24), (-70, y + 12, height - 8), roll=np.pi / 2), palette.metal())
    mullions = boxes([(float(x), y + 1.8, height / 2) for x in np.arange(-66, 67, 4)], (0.3, 0.5, height))
    builder.add(mullions, palette.bare_metal())
    tower = lathe([(0, 0), (2.5, 0), (2, 18), (4.5, 21), (4.8, 25), (3, 26), (0, 27)], 18)
    builder.add(place(tower, (rng.uniform(-45, 45), y + 25, 0)), palette.or_metal("concrete"))
    for x in np.arange(-40, 41, 20.0):
        if rng.random() < 0.6:
            builder.add(
                box((3, 16, 3), (x, y - 6, 5.5)),
                palette.or_metal("plaster") if rng.random() < 0.3 else furniture.any_metal(),
            )
            builder.add(block((1, 1, 4.2), (x, y - 12, 0)), furniture.any())
    slats, legs = bench(2.0)
    row = on_ground(np.array([[x, -6.0] for x in (-6, -3, 3, 6)]))
    builder.add(instances(slats, row, 0.0, 1.0), furniture.any())
    builder.add(instances(legs, row, 0.0, 1.0), furniture.any_metal())


def wing(span: float, root: float, tip: float, sweep: float, thick: float) -> Mesh:
    """A tapered wing towards +x from the origin, a flat solid of six faces."""
    from worlds.shapes import quads

    def section(x: float, back: float, chord: float, t: float) -> Array:
        return np.array([[x, -back, -t], [x, -back + chord, -t], [x, -back + chord, t], [x, -back, t]])

    a, b = section(0, 0, root, thick), section(span, sweep, tip, thick * 0.4)
    faces = [[a[i], b[i], b[(i + 1) % 4], a[(i + 1) % 4]] for i in range(4)]
    faces += [[b[0], b[3], b[2], b[1]], [a[0], a[1], a[2], a[3]]]
    corners = np.array(faces)
    centre = (a.mean(0) + b.mean(0)) / 2
    normal = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    inward = ((corners.mean(1) - centre) * normal).sum(1) < 0
    corners[inward] = corners[inward][:, ::-1]
    return quads(corners)


def add_plane(builder: SceneBuilder, pose: Array) -> None:
    """An airliner on its wheels, nose towards +y."""
    rng, palette = builder.rng, builder.palette
    size = float(rng.uniform(0.35, 0.8))
    skin = palette.bare_metal() if rng.random() < 0.6 else palette.plastic()
    trim = palette.car_paint()
    body = builder.add_object(pose)
    lift = 2.6 * size + 0.6
    hull = place(capsule(2.0 * size, 26 * size, 20, 6), (0, -13 * size, lift), pitch=-np.pi / 2)
    builder.add(hull, skin, body)
    right = wing(13 * size, 5 * size, 1.6 * size, 5 * size, 0.3 * size)
    left = right.copy()
    left[:, [0, 3]] *= -1
    left = left.reshape(-1, 3, 8)[:, [0, 2, 1]].reshape(-1, 8)
    builder.add(place(join(left, right), (0, -2 * size, lift - 0.8 * size)), skin, body)
    builder.add(place(join(left, right), (0, -12 * size, lift + 0.6 * size), 0.0, 0.38), trim, body)
    builder.add(place(right, (0, -12 * size, lift + 1.2 * size), 0.0, 0.42, 0.0, -np.pi / 2), trim, body)
    engines = [
        place(
            cylinder(0.9 * size, 3 * size, 16, top=0.8 * size),
            (s * 5 * size, -1.5 * size, lift - 1.9 * size),
            pitch=-np.pi / 2,
        )
        for s in (-1, 1)
    ]
    builder.add(join(*engines), trim, body)
    panes = boxes(
        [(s * 1.96 * size, y, lift + 0.5 * size) for s in (-1, 1) for y in np.arange(-9, 9, 0.9) * size],
        (0.12, 0.4 * size, 0.45 * size),
    )
    builder.add(panes, palette.glass(), body)
    legs = [(0.0, 9 * size), (-2.2 * size, -2 * size), (2.2 * size, -2 * size)]
    tyres = [place(wheel(0.5, 0.35), (x, y, 0.5)) for x, y in legs] + [
        block((0.2, 0.2, lift - 0.5), (x, y, 0.5)) for x, y in legs
    ]
    builder.add(join(*tyres), palette.rubber(), body)
