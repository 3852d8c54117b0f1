"""Street and yard furniture, and loose objects of every shape."""

import numpy as np
from numpy.typing import ArrayLike

from worlds.builder import SceneBuilder
from worlds.plants import crag, lump
from worlds.round_shapes import capsule, cone, cylinder, dome, lathe, sphere, torus
from worlds.shapes import Mesh, bevelled_box, block, box, boxes, extrude, instances, join, place, vec


def random_solid(rng: np.random.Generator) -> Mesh:
    """Any solid about one metre large, standing on z = 0."""
    makers = (
        lambda: block((1, rng.uniform(0.5, 1), rng.uniform(0.3, 1))),
        lambda: place(bevelled_box((0.9, rng.uniform(0.5, 0.9), 0.9), rng.uniform(0.03, 0.3)), (0, 0, 0.45)),
        lambda: sphere(0.5, 18, 10, (0, 0, 0.5)),
        lambda: cylinder(rng.uniform(0.2, 0.5), rng.uniform(0.4, 1.2), 16, rng.uniform(0.1, 0.5)),
        lambda: cone(rng.uniform(0.3, 0.5), rng.uniform(0.6, 1.3), 16),
        lambda: capsule(rng.uniform(0.2, 0.4), 1.1, 14),
        lambda: place(
            torus(0.36, rng.uniform(0.07, 0.15), 22, 9), (0, 0, 0.5), pitch=float(rng.uniform(0, 1.57))
        ),
        lambda: vase(rng),
        lambda: extrude(
            star(int(rng.integers(3, 9)), 0.5, float(rng.uniform(0.3, 0.5))), float(rng.uniform(0.1, 1.0))
        ),
        lambda: place(lump(rng, 0.5, 0.2), (0, 0, 0.4)),
        lambda: place(crag(rng, 0.5), (0, 0, 0.35)),
        lambda: dome(0.5, 18, 6, float(rng.uniform(0.5, 1.4))),
    )
    return makers[int(rng.integers(len(makers)))]()


def star(points: int, outer: float, inner: float) -> list[tuple[float, float]]:
    """A star (or, with equal radii, a polygon) as a counter-clockwise outline."""
    angle = np.arange(2 * points) * np.pi / points
    radius = np.where(np.arange(2 * points) % 2 == 0, outer, inner)
    return [(float(r * np.cos(a)), float(r * np.sin(a))) for r, a in zip(radius, angle, strict=True)]


def vase(rng: np.random.Generator) -> Mesh:
    """A smooth vessel one metre high."""
    z = np.linspace(0, 1, 11)
    wave, phase = rng.uniform(2, 7), rng.uniform(0, 6.28)
    radius = 0.28 + 0.14 * np.sin(wave * z + phase)
    profile = [
        (0.0, 0.0),
        *zip(radius.tolist(), z.tolist(), strict=True),
        (radius[-1] * 0.8, 1.0),
        (0.0, 0.85),
    ]
    return lathe(profile, 18, smooth=True)


def barrel(height: float = 0.9) -> Mesh:
    """A barrel with hoops."""
    r = height * 0.34
    profile = [
        (0, 0),
        (r, 0),
        (r * 1.05, height * 0.3),
        (r * 1.1, height * 0.3),
        (r * 1.1, height * 0.36),
        (r * 1.05, height * 0.36),
    ]
    profile += [
        (r * 1.05, height * 0.64),
        (r * 1.1, height * 0.64),
        (r * 1.1, height * 0.7),
        (r * 1.05, height * 0.7),
        (r, height),
        (0, height),
    ]
    return lathe(profile, 16)


def crate(size: float = 1.0) -> Mesh:
    """A crate with a frame, standing on z = 0."""
    s, t = size / 2, size * 0.09
    bars = []
    for a in (-1, 1):
        for b in (-1, 1):
            bars += [
                ((a * (s - t / 2), b * (s - t / 2), 0), (t, t, size)),
                ((a * (s - t / 2), 0, b * (s - t / 2)), (t, size, t)),
                ((0, a * (s - t / 2), b * (s - t / 2)), (size, t, t)),
            ]
    centres, sizes = np.array([b[0] for b in bars]), np.array([b[1] for b in bars])
    mesh = join(boxes(centres, sizes), box((size - t, size - t, size - t)))
    return place(mesh, (0, 0, s))


def bench(length: float = 1.6) -> tuple[Mesh, Mesh]:
    """(slats, legs)."""
    slats = [box((length, 0.1, 0.04), (0, y, 0.45)) for y in (-0.2, -0.06, 0.08)]
    slats += [box((length, 0.04, 0.1), (0, 0.2 + 0.06 * i, 0.62 + 0.16 * i)) for i in range(2)]
    legs = [box((0.06, 0.5, 0.45), (x * length * 0.42, 0, 0.22)) for x in (-1, 1)]
    legs += [box((0.06, 0.05, 0.6), (x * length * 0.42, 0.25, 0.6)) for x in (-1, 1)]
    return join(*slats), join(*legs)


def stool_table(radius: float, height: float) -> Mesh:
    """A round table on one leg."""
    profile = [
        (0, 0),
        (radius * 0.5, 0),
        (radius * 0.45, 0.04),
        (0.05, 0.07),
        (0.05, height - 0.05),
        (radius, height - 0.05),
        (radius, height),
        (0, height),
    ]
    return lathe(profile, 18)


class Furniture:
    """A scene's shared prop materials and shortcuts to put props down."""

    def __init__(self, builder: SceneBuilder, count: int = 8) -> None:
        self._builder = builder
        palette = builder.palette
        self.materials = [palette.anything() for _ in range(count)]
        self.metals = [palette.metal() for _ in range(3)]
        self.glow = palette.light()
        self.sign = palette.sign()

    def any(self) -> int:
        """One of the shared materials."""
        return self.materials[int(self._builder.rng.integers(len(self.materials)))]

    def any_metal(self) -> int:
        """One of the shared metals; in scenes with little metal, often painted wood or plastic instead."""
        if self._builder.rng.random() < 0.4 * (1 - self._builder.mood.metal):
            return self.any()
        return self.metals[int(self._builder.rng.integers(len(self.metals)))]

    def street_lamp(self, position: ArrayLike, height: float = 4.5) -> None:
        """A pole with a glowing head and a point lamp."""
        builder, rng = self._builder, self._builder.rng
        pole = cylinder(0.09, height, 8, top=0.055)
        foot = cylinder(0.16, 0.5, 10)
        builder.add(place(join(pole, foot), position), self.metals[0])
        head = np.asarray(position, float) + vec(0, 0, height)
        if rng.random() < 0.5:
            builder.add(sphere(0.22, 12, 7, head + vec(0, 0, 0.1)), self.glow)
        else:
            builder.add(place(cone(0.35, 0.25, 12), head), self.metals[1])
            builder.add(sphere(0.15, 10, 6, head), self.glow)
        builder.lamp(head - [0, 0, 0.25], reach=14.0)

    def solids(self, spots: ArrayLike, low: float, high: float, metal: float = 0.25, kinds: int = 5) -> None:
        """Random solids of `low`..`high` metres at (K, 3) spots, a few prototypes in copies."""
        builder, rng = self._builder, self._builder.rng
        spots = np.asarray(spots, float).reshape(-1, 3)
        which = rng.integers(0, kinds, len(spots))
        for kind in range(kinds):
            at = which == kind
            if at.any():
                sizes = rng.uniform(low, high, (int(at.sum()), 1)) * rng.uniform(
                    0.75, 1.3, (int(at.sum()), 3)
                )
                mesh = instances(random_solid(rng), spots[at], rng.uniform(0, 6.28, int(at.sum())), sizes)
                material = self.any_metal() if rng.random() < metal else self.any()
                builder.add(mesh, material)

    def stack(self, position: ArrayLike, mesh: Mesh, step: float, levels: int, spread: float) -> None:
        """A pyramid of copies (crates, barrels)."""
        rng = self._builder.rng
        spots = []
        for level in range(levels):
            for i in range(levels - level):
                offset = (i - (levels - level - 1) / 2) * spread
                spots.append([offset, rng.normal(0, 0.04), level * step])
        yaws = rng.normal(0, 0.08, len(spots))
        pile = instances(mesh, np.array(spots), yaws, 1.0)
        self._builder.add(place(pile, position, float(rng.uniform(0, 6.28))), self.any())
