"""Things with wheels or hulls: cars, vans, karts, hover craft, boats."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.motion import attach
from worlds.round_shapes import capsule, cone, cylinder, lathe, limb, sphere, torus, wheel
from worlds.shapes import Array, Mesh, bevelled_box, box, join, place, standing_profile


def _roll_wheels(
    builder: SceneBuilder,
    pose: Array,
    spots: list[tuple[float, float]],
    radius: float,
    width: float,
    speed: float,
) -> None:
    tyre, rim = builder.palette.rubber(), builder.palette.bare_metal()
    mesh, hub = (
        wheel(radius, width),
        place(cylinder(radius * 0.6, width * 1.02, 10), (-width * 0.51, 0, 0), roll=np.pi / 2),
    )
    bolts = [
        box((width * 1.06, radius * 0.9, radius * 0.16)),
        box((width * 1.06, radius * 0.16, radius * 0.9)),
    ]
    for x, y in spots:
        if builder.room_for_objects < 8 or abs(speed) < 0.1:
            parent = builder.add_object(attach(pose, (x, y, radius))) if builder.room_for_objects else 0
        else:
            angle = -builder.times * speed / radius
            parent = builder.add_object(attach(pose, (x, y, radius), pitch=angle))
        if parent:
            builder.add(mesh, tyre, parent)
            builder.add(join(hub, *bolts), rim, parent)


def add_car(builder: SceneBuilder, pose: Array, rng: np.random.Generator, speed: float) -> None:
    """A road car: extruded side profile with a narrower cabin, glass, lights and wheels."""
    palette = builder.palette
    length, width, height = rng.uniform(3.4, 4.8), rng.uniform(1.55, 1.95), rng.uniform(1.25, 1.8)
    half, sill, belt = length / 2, 0.28, height * rng.uniform(0.52, 0.62)
    nose, tail = half * rng.uniform(0.25, 0.6), half * rng.uniform(0.35, 0.95)
    body = builder.add_object(pose)
    lower = [
        (-half, sill),
        (half, sill),
        (half, belt * 0.72),
        (half * 0.92, belt * 0.86),
        (nose, belt),
        (-tail, belt),
        (-half, belt * 0.95),
    ]
    paint = palette.car_paint()
    builder.add(standing_profile(lower, width), paint, body)
    cabin = [
        (-tail, belt - 0.02),
        (nose, belt - 0.02),
        (nose * 0.35, height - 0.08),
        (-tail * 0.8, height - 0.08),
    ]
    builder.add(standing_profile(cabin, width * 0.84), palette.glass(), body)
    top = bevelled_box(
        (width * 0.85, nose * 0.35 + tail * 0.8 + 0.06, 0.1),
        0.045,
        (0, (nose * 0.35 - tail * 0.8) / 2, height - 0.05),
    )
    builder.add(top, paint, body)
    bumper = join(
        box((width * 0.98, 0.12, 0.2), (0, half, sill + 0.12)),
        box((width * 0.98, 0.12, 0.2), (0, -half, sill + 0.12)),
    )
    builder.add(bumper, palette.anything(0.5), body)
    lights = [box((0.3, 0.06, 0.14), (side * width * 0.36, half + 0.02, belt * 0.66)) for side in (-1, 1)]
    rear = [box((0.26, 0.06, 0.16), (side * width * 0.38, -half - 0.02, belt * 0.78)) for side in (-1, 1)]
    builder.add(join(*lights, *rear), palette.light(), body)
    radius = rng.uniform(0.29, 0.38)
    spots = [(side * (width / 2 - 0.1), end * half * 0.62) for side in (-1, 1) for end in (-1, 1)]
    _roll_wheels(builder, pose, spots, radius, 0.24, speed)


def add_truck(builder: SceneBuilder, pose: Array, rng: np.random.Generator, speed: float) -> None:
    """A van or lorry: cab and a box or tank behind."""
    palette = builder.palette
    body = builder.add_object(pose)
    width, height, load = rng.uniform(1.9, 2.4), rng.uniform(2.2, 3.2), rng.uniform(3, 6)
    paint = palette.car_paint()
    builder.add(
        bevelled_box((width, 1.9, height * 0.75), 0.15, (0, load / 2 + 1.0, 0.45 + height * 0.375)),
        paint,
        body,
    )
    builder.add(
        box((width * 0.9, 0.1, height * 0.28), (0, load / 2 + 1.92, 0.5 + height * 0.5)),
        palette.glass(),
        body,
    )
    if rng.random() < 0.35:
        tank = place(capsule(width * 0.46, load, 16), (0, -load / 2, 0.75 + width * 0.46), pitch=-np.pi / 2)
        builder.add(tank, palette.metal(), body)
    else:
        builder.add(
            box((width, load, height * 0.85), (0, 0, 0.7 + height * 0.425)), palette.or_metal("sign"), body
        )
    builder.add(box((width * 0.6, load + 2.6, 0.25), (0, 0.6, 0.6)), palette.bare_metal(), body)
    spots = [(side * (width / 2 - 0.12), y) for side in (-1, 1) for y in (load / 2 + 1.1, -load / 2 + 0.6)]
    _roll_wheels(builder, pose, spots, 0.42, 0.28, speed)


def add_kart(builder: SceneBuilder, pose: Array, rng: np.random.Generator, speed: float) -> None:
    """A racing kart with a round driver."""
    palette = builder.palette
    body = builder.add_object(pose)
    paint, trim = palette.car_paint(), palette.anything(0.5)
    builder.add(bevelled_box((0.75, 1.7, 0.22), 0.1, (0, 0, 0.26)), paint, body)
    nose = place(capsule(0.2, 0.9, 12), (-0.45, 0.85, 0.3), roll=np.pi / 2)
    builder.add(nose, trim, body)
    builder.add(bevelled_box((0.55, 0.2, 0.6), 0.08, (0, -0.5, 0.6)), trim, body)
    builder.add(place(capsule(0.16, 0.7, 10), (-0.35, -0.8, 0.4), roll=np.pi / 2), palette.bare_metal(), body)
    suit, helmet = palette.fabric(), palette.or_metal("plastic")
    builder.add(place(capsule(0.23, 0.75, 12), (0, -0.2, 0.3)), suit, body)
    builder.add(
        join(
            limb((-0.25, -0.15, 0.8), (-0.18, 0.25, 0.65), 0.07),
            limb((0.25, -0.15, 0.8), (0.18, 0.25, 0.65), 0.07),
        ),
        suit,
        body,
    )
    builder.add(sphere(rng.uniform(0.2, 0.3), 14, 8, (0, -0.2, 1.2)), helmet, body)
    builder.add(place(torus(0.15, 0.025, 14, 6), (0, 0.32, 0.65), pitch=1.0), palette.rubber(), body)
    radius = float(rng.uniform(0.2, 0.3))
    spots = [(side * 0.55, end * 0.58) for side in (-1, 1) for end in (-1, 1)]
    _roll_wheels(builder, pose, spots, radius, 0.26, speed)


def add_hover(builder: SceneBuilder, pose: Array, rng: np.random.Generator, speed: float) -> None:
    """A floating craft or drone: lathed hull, fins, glow."""
    palette = builder.palette
    lifted = pose.copy()
    lifted[:, 2] += 0.5 + 0.08 * np.sin(builder.times * 5)
    lifted[:, 5] += 0.1 * np.sin(builder.times * 3)
    body = builder.add_object(lifted)
    size = float(rng.uniform(0.6, 1.2))
    hull: Mesh
    if rng.random() < 0.5:
        hull = lathe(
            [(0, 0), (size * 0.5, 0.05), (size, 0.3 * size), (size * 0.6, 0.5 * size), (0, 0.62 * size)],
            18,
            smooth=True,
        )
    else:
        hull = place(
            lathe(
                [
                    (0, -size * 1.3),
                    (size * 0.4, -size),
                    (size * 0.45, 0),
                    (size * 0.2, size),
                    (0, size * 1.4),
                ],
                14,
                True,
            ),
            (0, 0, 0.4),
            pitch=-np.pi / 2,
        )
    builder.add(hull, palette.car_paint() if rng.random() < 0.5 else palette.metal(), body)
    builder.add(sphere(size * 0.3, 12, 7, (0, size * 0.2, size * 0.5 + 0.1)), palette.glass(), body)
    fins = [
        box((0.06, size * 0.7, size * 0.5), (side * size * 0.5, -size * 0.6, 0.5 * size)) for side in (-1, 1)
    ]
    builder.add(join(*fins), palette.anything(0.6), body)
    builder.add(
        place(cylinder(size * 0.2, 0.1, 12), (0, -size * 0.9, 0.3 * size + 0.1), pitch=np.pi / 2),
        palette.light(),
        body,
    )


def add_boat(builder: SceneBuilder, pose: Array, rng: np.random.Generator, speed: float) -> None:
    """A small boat with a cabin and a mast."""
    palette = builder.palette
    rocking = pose.copy()
    rocking[:, 5] += 0.06 * np.sin(builder.times * 2 + rng.uniform(0, 6))
    body = builder.add_object(rocking)
    length, width = rng.uniform(4, 9), rng.uniform(1.6, 2.8)
    hull = [(-length / 2, -0.6), (length * 0.38, -0.6), (length / 2, 0.8), (-length / 2, 0.6)]
    builder.add(standing_profile(hull, width), palette.or_metal("plastic"), body)
    builder.add(box((width * 0.7, length * 0.3, 1.2), (0, -length * 0.15, 1.2)), palette.anything(), body)
    mast = join(
        place(cylinder(0.07, rng.uniform(3, 7), 7), (0, 0, 0.6)), place(cone(0.1, 0.3, 6), (0, 0, 0.6))
    )
    builder.add(mast, palette.bare_metal(), body)
