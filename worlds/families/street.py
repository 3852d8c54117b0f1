"""A town street: facades, pavements, lamps, trees, wires and traffic."""

import numpy as np

from worlds.builder import SceneBuilder
from worlds.buildings import HouseStyle, add_house, fence, wire
from worlds.cameras import View
from worlds.families.layout import add_extras
from worlds.materials import Kind, hsv
from worlds.motion import drive
from worlds.plants import Flora
from worlds.props import Furniture, bench
from worlds.round_shapes import cylinder
from worlds.shapes import Array, block, box, boxes, instances, place, vec
from worlds.vehicles import add_car, add_truck


def build(builder: SceneBuilder) -> View:
    """Build the street along +y."""
    rng, palette = builder.rng, builder.palette
    half = float(rng.uniform(2.8, 6.5))
    furniture, style = Furniture(builder), HouseStyle(builder)
    flora = Flora(builder, ("broad", "conifer", "palm"), 2)
    _ground(builder, half)
    facades = [palette.facade() for _ in range(3)] + [palette.or_metal("wall") for _ in range(3)]
    for side in (-1, 1):
        _row(builder, style, facades, side, half)
    _kerbside(builder, furniture, flora, half)
    _traffic(builder, half)
    add_extras(
        builder, np.array([[half + 1.5, rng.uniform(4, 14), 0.15], [-half - 1.5, rng.uniform(4, 25), 0.15]])
    )
    path = np.stack([np.full(30, rng.uniform(-1, 1) * half * 0.6), np.linspace(-8, 40, 30)], 1)
    focus = np.stack([rng.uniform(-half - 3, half + 3, 8), rng.uniform(8, 40, 8), rng.uniform(0, 3, 8)], 1)
    return View(
        area=(-half - 2.5, half + 2.5, -25.0, 60.0),
        focus=focus,
        path=path,
        heights=(0.4, 9.0),
        pace=9.0,
        heroes=("walker", "walker", "car", "kart", "robot", "animal", "hover"),
    )


def _ground(builder: SceneBuilder, half: float) -> None:
    palette, rng = builder.palette, builder.rng
    road = palette.asphalt() if rng.random() < 0.75 else palette.cobbles()
    builder.add(box((2 * half, 260, 0.5), (0, 60, -0.25)), road)
    walk = palette.or_metal("floor_tiles") if rng.random() < 0.6 else palette.concrete()
    far = palette.grass() if rng.random() < 0.6 else palette.concrete()
    builder.add(boxes([(s * (half + 1.7), 60, -0.12) for s in (-1, 1)], (3.4, 260, 0.54)), walk)
    builder.add(boxes([(s * (half + 63), 60, -0.3) for s in (-1, 1)], (120, 260, 0.62)), far)
    paint = builder.materials.add(Kind.SOLID, hsv(0.13, rng.uniform(0, 0.7), 0.85), roughness=0.5, bump=0.0)
    y = np.arange(-60, 160, 4.0)
    if rng.random() < 0.7:
        builder.add(boxes(np.stack([0 * y, y, 0 * y], 1), (0.16, rng.uniform(1.2, 3.9), 0.02)), paint)
    if rng.random() < 0.4:
        bars = np.arange(-half + 0.5, half, 1.0)
        at = rng.uniform(4, 20)
        builder.add(boxes(np.stack([bars, 0 * bars + at, 0 * bars], 1), (0.5, 3.0, 0.03)), paint)


def _row(builder: SceneBuilder, style: HouseStyle, facades: list[int], side: int, half: float) -> None:
    rng = builder.rng
    tall = rng.random() < 0.5
    y = -40.0 + float(rng.uniform(0, 6))
    while y < 110:
        length, depth = float(rng.uniform(6, 16)), float(rng.uniform(7, 14))
        height = float(rng.uniform(6, 26)) if tall and rng.random() < 0.8 else float(rng.uniform(3, 8))
        x = side * (half + 3.4 + float(rng.uniform(0, 1.8)) + depth / 2)
        if rng.random() < 0.1:
            y += length
            continue
        if height < 9 and y > -12 and y < 60:
            add_house(builder, style, (x, y + length / 2, 0.0), side * np.pi / 2, (length, depth, height))
        else:
            _block(builder, style, facades, (x, y + length / 2), (depth, length, height), side)
        y += length + float(rng.choice([0.0, rng.uniform(0.3, 5)]))


def _block(
    builder: SceneBuilder,
    style: HouseStyle,
    facades: list[int],
    at: tuple[float, float],
    size: tuple[float, float, float],
    side: int,
) -> None:
    rng = builder.rng
    depth, length, height = size
    builder.add(block((depth, length, height), (*at, 0)), facades[int(rng.integers(len(facades)))])
    builder.add(block((depth + 0.5, length + 0.4, 0.5), (*at, height)), style.roofs[0])
    if rng.random() < 0.5:
        ledge = boxes(
            [(at[0], at[1], z) for z in np.arange(3.4, height, 3.2)], (depth + 0.4, length + 0.1, 0.2)
        )
        builder.add(ledge, style.trims[0])
    if rng.random() < 0.55:
        front = at[0] - side * (depth / 2 + 0.6)
        builder.add(box((1.3, length * 0.8, 0.1), (front, at[1], 2.9)), style.trims[1])
    if rng.random() < 0.5:
        front = at[0] - side * (depth / 2 + 0.08)
        builder.add(box((0.16, length * 0.6, 0.9), (front, at[1], 3.6)), style.doors[1])
    builder.add(
        block((0.2, length * 0.7, 2.3), (at[0] - side * (depth / 2 + 0.02), at[1], 0.15)), style.panes
    )


def _kerbside(builder: SceneBuilder, furniture: Furniture, flora: Flora, half: float) -> None:
    rng = builder.rng
    step, trees, slats = float(rng.uniform(8, 16)), [], bench()
    lamps: list[Array] = []
    for y in np.arange(-16, 90, step):
        for side in (-1, 1):
            x = side * (half + 0.55)
            if rng.random() < 0.65:
                spot = np.array([x, y + rng.uniform(-1.5, 1.5), 0.15])
                furniture.street_lamp(spot, float(rng.uniform(3.5, 6)))
                lamps.append(spot)
            if rng.random() < 0.5:
                trees.append([side * (half + 1.3), y + step / 2, 0.15])
            if rng.random() < 0.3:
                at = (side * (half + 2.6), y + float(rng.uniform(-2, 2)), 0.15)
                builder.add(place(slats[0], at, side * np.pi / 2), furniture.any())
                builder.add(place(slats[1], at, side * np.pi / 2), furniture.metals[0])
            if rng.random() < 0.5:
                furniture.solids([[side * (half + 2.7), y + rng.uniform(2, 5), 0.14]], 0.5, 1.2, 0.4, 1)
    if trees:
        flora.trees(np.array(trees), 3.5, 8)
    _rails(builder, furniture, lamps, half)


def _rails(builder: SceneBuilder, furniture: Furniture, lamps: list[Array], half: float) -> None:
    """Wires from lamp to lamp, a fence, a row of bollards."""
    rng = builder.rng
    if rng.random() < 0.4:
        for a, b in zip(lamps[:-2:2], lamps[2::2], strict=False):
            builder.add(wire(a + vec(0, 0, 3.4), b + vec(0, 0, 3.4), 0.4), furniture.metals[1])
    if rng.random() < 0.4:
        side = float(rng.choice([-1, 1]))
        line = np.array([[side * (half + 0.25), -10, 0.14], [side * (half + 0.25), 30, 0.14]])
        builder.add(fence(line, 1.0, 1.6, 3), furniture.metals[2])
    y = np.arange(-10, 60, float(rng.uniform(1.5, 4)))
    if rng.random() < 0.35:
        posts = np.stack([np.full(len(y), half + 0.2), y, np.full(len(y), 0.14)], 1)
        builder.add(instances(cylinder(0.09, 0.9, 8), posts, 0.0, 1.0), furniture.any_metal())


def _traffic(builder: SceneBuilder, half: float) -> None:
    rng = builder.rng
    for _ in range(int(rng.integers(0, 5))):
        lane = float(rng.choice([-1, 1]))
        parked = rng.random() < 0.4
        x = lane * (half - 1.1 if parked else half * 0.5)
        speed = 0.0 if parked else float(rng.uniform(2, 13))
        pose = drive(builder, (x, float(rng.uniform(-3, 40)), 0), 0.0 if lane > 0 else np.pi, speed)
        maker = add_truck if rng.random() < 0.2 else add_car
        if builder.room_for_objects > 20:
            maker(builder, pose, rng, speed)
