"""Docks and works: container stacks, cranes, tanks, pipes, sheds, water and ships."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.buildings import fence, stairs
from worlds.cameras import View
from worlds.families.layout import add_extras, on_ground, scatter
from worlds.industry import container_frame, container_walls, gantry_crane, pipe_run, tank
from worlds.motion import drive
from worlds.props import Furniture, barrel, crate
from worlds.round_shapes import lathe
from worlds.shapes import block, box, boxes, instances, place
from worlds.vehicles import add_boat, add_car, add_truck


def build(builder: SceneBuilder) -> View:
    """Build a quay along +y with water at its right."""
    rng, palette = builder.rng, builder.palette
    furniture = Furniture(builder)
    quay = float(rng.uniform(9, 18))
    builder.add(
        box((100, 240, 3), (quay - 50, 40, -1.5)),
        palette.concrete() if rng.random() < 0.75 else palette.panels(),
    )
    builder.add(box((400, 400, 1), (0, 40, -2.6)), palette.water())
    builder.add(box((0.6, 240, 0.35), (quay - 0.3, 40, 0.17)), furniture.any())
    lane = float(rng.uniform(2.2, 4.5))
    _containers(builder, lane, quay)
    _heavy(builder, furniture, quay)
    _small(builder, furniture, lane, quay)
    for _ in range(int(rng.integers(0, 4))):
        add_boat(
            builder,
            drive(
                builder,
                (quay + rng.uniform(4, 25), rng.uniform(0, 50), -2.0),
                float(rng.uniform(0, 6.28)),
                float(rng.uniform(0, 4)),
            ),
            rng,
            1.0,
        )
    for _ in range(int(rng.integers(0, 3))):
        speed = float(rng.uniform(0, 8))
        pose = drive(
            builder,
            (rng.uniform(-lane, lane) * 0.5, rng.uniform(6, 30), 0),
            float(rng.choice([0, np.pi])),
            speed,
        )
        (add_truck if rng.random() < 0.6 else add_car)(builder, pose, rng, speed)
    add_extras(
        builder,
        np.array(
            [[rng.uniform(-lane, lane) * 0.5, rng.uniform(4, 12), 0], [lane * 0.4, rng.uniform(8, 20), 0]]
        ),
        0.6,
    )
    y = np.linspace(-12, 30, 24)
    focus = np.stack([rng.uniform(-14, quay, 10), rng.uniform(4, 45, 10), rng.uniform(0.5, 6, 10)], 1)
    return View(
        area=(-16, quay + 6, -18, 45),
        focus=focus,
        path=np.stack([0 * y + rng.uniform(-0.4, 0.4) * lane, y], 1),
        heights=(0.5, 12.0),
        pace=8.0,
        heroes=("walker", "robot", "car", "kart", "hover"),
    )


def _containers(builder: SceneBuilder, lane: float, quay: float) -> None:
    rng, palette = builder.rng, builder.palette
    metal = float(rng.choice([0.2, 0.5, 0.9]))
    skins = [
        palette.corrugated(palette.colour((0, 1), (0.1, 0.85), (0.2, 0.85)))
        if rng.random() < metal
        else palette.anything()
        for _ in range(5)
    ]
    skins.append(palette.rusty())
    frames = [palette.bare_metal(), palette.rusty()]
    frame, walls = container_frame(), container_walls()
    spots: list[tuple[float, float, float, float]] = []
    along = rng.random() < 0.6
    wide, deep = (2.44, 6.06) if along else (6.06, 2.44)
    for side in (-1, 1):
        for column in range(int(rng.integers(1, 4))):
            x = side * (lane + wide / 2 + column * (wide + 0.4))
            if x + wide / 2 > quay - 1.5:
                continue
            y = -12.0 + float(rng.uniform(0, 4))
            while y < 60:
                for level in range(int(rng.integers(0, 5))):
                    spots.append((x, y, level * 2.6, (np.pi / 2 if along else 0.0) + rng.normal(0, 0.01)))
                y += deep + float(rng.choice([0.3, 0.5, 3.0]))
    if not spots:
        return
    rows = np.array(spots)
    which = rng.integers(0, len(skins), len(rows))
    for index, skin in enumerate(skins):
        at = which == index
        if at.any():
            builder.add(instances(walls, rows[at, :3], rows[at, 3], 1.0), skin)
            builder.add(instances(frame, rows[at, :3], rows[at, 3], 1.0), frames[index % 2])


def _heavy(builder: SceneBuilder, furniture: Furniture, quay: float) -> None:
    rng, palette = builder.rng, builder.palette
    if rng.random() < 0.6:
        span, height = float(rng.uniform(18, 30)), float(rng.uniform(11, 18))
        crane = gantry_crane(span, height)
        for y in rng.uniform(8, 60, int(rng.integers(1, 3))):
            builder.add(place(crane, (0, y, 0)), furniture.metals[0])
    if rng.random() < 0.6:
        for _ in range(int(rng.integers(1, 6))):
            at = (rng.uniform(-40, -15), rng.uniform(0, 70), 0)
            builder.add(
                place(tank(float(rng.uniform(2, 6)), float(rng.uniform(4, 12))), at), furniture.any_metal()
            )
    sheds = [palette.corrugated(), palette.facade(), palette.wall()]
    for y in np.arange(0, 110, 18.0):
        if rng.random() < 0.6:
            size = (rng.uniform(8, 16), rng.uniform(8, 15), rng.uniform(5, 14))
            builder.add(block(size, (rng.uniform(-45, -26), y, 0)), sheds[int(rng.integers(3))])
    if rng.random() < 0.5:
        hull = palette.or_metal("plastic") if rng.random() < 0.4 else palette.rusty()
        builder.add(box((12, 60, 9), (quay + 12, 50, 1)), hull)
        builder.add(box((9, 12, 9), (quay + 12, 70, 9)), palette.or_metal("plaster"))
    for _ in range(int(rng.integers(0, 4))):
        x, radius = float(rng.uniform(-12, -4)), float(rng.uniform(0.15, 0.5))
        z = float(rng.uniform(0.5, 6))
        builder.add(
            pipe_run([(x, -20, z), (x, 20, z), (x, 20, z + 2), (x, 60, z + 2)], radius), furniture.any_metal()
        )


def _small(builder: SceneBuilder, furniture: Furniture, lane: float, quay: float) -> None:
    rng = builder.rng
    bollard = lathe([(0, 0), (0.28, 0), (0.2, 0.15), (0.18, 0.4), (0.32, 0.5), (0.28, 0.62), (0, 0.65)], 14)
    y = np.arange(-15, 60, 5.0)
    builder.add(
        instances(bollard, np.stack([0 * y + quay - 1.0, y, 0 * y], 1), 0.0, 1.2), furniture.any_metal()
    )
    spots = on_ground(scatter(rng, 14, (-lane, lane, 0, 35)))
    spots = spots[np.abs(spots[:, 0]) > lane * 0.5]
    for spot in spots:
        kind = rng.random()
        mesh = barrel() if kind < 0.4 else crate(1.0) if kind < 0.75 else tank(0.5, 1.6, True)
        builder.add(
            place(mesh, spot, float(rng.uniform(0, 6))),
            furniture.any_metal() if rng.random() < 0.6 else furniture.any(),
        )
    for at in np.arange(-10, 50, 12.0):
        if rng.random() < 0.5:
            furniture.street_lamp((quay - 1.8, at, 0), float(rng.uniform(5, 9)))
    if rng.random() < 0.4:
        line = np.array([[quay - 0.6, -12, 0], [quay - 0.6, 40, 0]])
        builder.add(fence(line, 1.1, 2.0, 3), furniture.any_metal())
    if rng.random() < 0.35:
        builder.add(
            place(stairs(1.6, 2.4, 3.2, 10), (lane - 0.4, float(rng.uniform(8, 20)), 0)),
            furniture.any_metal(),
        )
    if rng.random() < 0.4:
        builder.add(
            boxes([(x, 30, 0.02) for x in np.arange(-lane, lane, 0.8)], (0.4, 50, 0.02)), furniture.any()
        )
