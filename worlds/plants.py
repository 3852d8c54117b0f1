"""Growing and weathered things: rocks, broad-leaved trees, conifers, palms, bushes, grass, cacti, mushrooms."""

import numpy as np
from numpy.typing import ArrayLike

from worlds.builder import SceneBuilder
from worlds.round_shapes import capsule, cone, cylinder, dome, limb, sphere, tube
from worlds.shapes import Array, Mesh, cross, instances, join, orient, place, triangles, vec


def lump(
    rng: np.random.Generator,
    radius: float,
    rough: float,
    segments: int = 14,
    rings: int = 9,
    squash: ArrayLike = (1, 1, 1),
) -> Mesh:
    """A bumpy ball (rock, tree crown): `rough` is the bumps' share of the radius; normals follow the bumps."""
    ball = sphere(1.0, segments, rings)
    wave, phase = rng.normal(size=(7, 3)) * np.array([2.2, 2.2, 2.2]), rng.uniform(0, 6.28, 7)

    def bulge(p: Array) -> Array:
        swell = 1 + rough * np.sin(p @ wave.T + phase).sum(-1, keepdims=True) / 3
        return p * swell * np.asarray(squash) * radius

    p = ball[:, :3].astype(np.float64)
    # normals by finite differences on the bulged sphere, along two tangents
    reference = np.where(np.abs(p[:, 2:]) > 0.9, np.array([[1.0, 0, 0]]), np.array([[0, 0, 1.0]]))
    t1 = cross(reference, p)
    t1 /= np.linalg.norm(t1, axis=1, keepdims=True)
    t2 = cross(p, t1)
    here, step = bulge(p), 0.02
    normal = cross(bulge(p + t1 * step) - here, bulge(p + t2 * step) - here)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    ball[:, :3], ball[:, 3:6] = here, normal
    ball[:, 6:] *= radius
    return orient(ball)


def crag(rng: np.random.Generator, radius: float) -> Mesh:
    """An angular, flat-faced rock."""
    mesh = lump(rng, radius, 0.22, 8, 5, (1, rng.uniform(0.6, 1.2), rng.uniform(0.6, 1.1)))
    return triangles(mesh[:, :3].reshape(-1, 3, 3))


def broad_tree(rng: np.random.Generator, height: float) -> tuple[Mesh, Mesh]:
    """(wood, leaves) of a tree with a blobby crown."""
    top = height * rng.uniform(0.4, 0.6)
    lean = rng.normal(0, 0.06, 2) * height
    path = np.array([[0, 0, -0.3], [lean[0] * 0.3, lean[1] * 0.3, top * 0.5], [lean[0], lean[1], top * 1.25]])
    wood = [tube(path, height * np.array([0.036, 0.026, 0.012]), 7)]
    crown = []
    for _ in range(int(rng.integers(2, 6))):
        angle, reach = rng.uniform(0, 6.28), rng.uniform(0.05, 0.22) * height
        at = np.array(
            [
                lean[0] + reach * np.cos(angle),
                lean[1] + reach * np.sin(angle),
                top + height * rng.uniform(0.1, 0.38),
            ]
        )
        wood.append(tube(np.array([path[1], (path[1] + at) / 2 + vec(0, 0, 0.05), at]), height * 0.012, 5))
        ball = lump(
            rng,
            height * rng.uniform(0.14, 0.26),
            rng.uniform(0.06, 0.2),
            11,
            7,
            (1, 1, rng.uniform(0.6, 1.0)),
        )
        crown.append(place(ball, at))
    return join(*wood), join(*crown)


def conifer(rng: np.random.Generator, height: float) -> tuple[Mesh, Mesh]:
    """(wood, leaves) of stacked cones."""
    layers = int(rng.integers(3, 7))
    width = height * rng.uniform(0.16, 0.3)
    parts = []
    for i in range(layers):
        share = i / layers
        size = width * (1 - 0.75 * share)
        skirt = cone(size, height * 1.5 / layers, 9)
        parts.append(place(skirt, (0, 0, height * (0.16 + 0.76 * share)), yaw=float(rng.uniform(0, 6))))
    return place(cylinder(height * 0.03, height * 0.5, 7), (0, 0, -0.3)), join(*parts)


def palm(rng: np.random.Generator, height: float) -> tuple[Mesh, Mesh]:
    """(wood, leaves): a bent trunk and drooping fronds (thin closed blades)."""
    bend = rng.normal(0, 0.12, 2) * height
    t = np.linspace(0, 1, 6)
    path = np.stack([bend[0] * t**2, bend[1] * t**2, height * t - 0.3 * (1 - t)], 1)
    trunk = tube(path, height * (0.035 - 0.015 * t), 7)
    fronds = []
    count = int(rng.integers(7, 12))
    for angle in np.arange(count) * 2 * np.pi / count + rng.uniform(0, 0.4, count):
        s = np.linspace(0, 1, 5)
        reach, droop = height * rng.uniform(0.28, 0.4), rng.uniform(0.5, 1.2)
        line = np.stack([reach * s, 0 * s, height * 0.12 * s - reach * droop * s**2], 1)
        fronds.append(
            place(
                blade(line, 0.09 * reach + 0.16 * reach * np.sin(np.pi * (0.15 + 0.85 * s))),
                path[-1],
                float(angle),
            )
        )
    return trunk, join(*fronds)


def blade(line: Array, width: Array | float) -> Mesh:
    """A thin leaf along a (K, 3) line: a flattened triangular tube, so both sides have their own normals."""
    width = np.broadcast_to(np.asarray(width, np.float64), (len(line),))
    across = cross(np.gradient(line, axis=0), vec(0, 0, 1))
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    left, right = line - across * width[:, None] / 2, line + across * width[:, None] / 2
    ridge = line + vec(0, 0, 1) * width[:, None] * 0.12 + vec(0, 0, 0.004)
    faces = []
    for a, b in ((left, ridge), (ridge, right), (right, left)):
        faces += [np.stack([a[:-1], b[:-1], b[1:]], 1), np.stack([a[:-1], b[1:], a[1:]], 1)]
    mesh = triangles(np.concatenate(faces))
    middle = np.tile(np.stack([ridge[:-1], left[:-1], right[:-1]], 1).mean(1), (6, 1))
    outward = np.einsum("ki,ki->k", mesh[::3, :3] - middle, mesh[::3, 3:6]) < 0
    flip = np.repeat(outward, 3)
    mesh[flip, 3:6] *= -1
    return orient(mesh)


def tuft(rng: np.random.Generator, height: float, blades: int = 7) -> Mesh:
    """A tuft of grass."""
    parts = []
    for _ in range(blades):
        s = np.linspace(0, 1, 3)
        out = rng.uniform(0.1, 0.6) * height
        line = np.stack([0.05 + out * s**2, 0 * s, height * rng.uniform(0.6, 1.1) * s], 1)
        parts.append(
            place(blade(line, height * 0.12 * (1.02 - s)), (0, 0, -0.02), float(rng.uniform(0, 6.28)))
        )
    return join(*parts)


def cactus(rng: np.random.Generator, height: float) -> Mesh:
    """A column with arms."""
    radius = height * rng.uniform(0.07, 0.12)
    parts = [place(capsule(radius, height, 10), (0, 0, -0.2))]
    for _ in range(int(rng.integers(0, 4))):
        level, angle = rng.uniform(0.3, 0.6) * height, rng.uniform(0, 6.28)
        elbow = np.array([np.cos(angle), np.sin(angle), 0.1]) * radius * 3.2 + vec(0, 0, level)
        parts.append(limb((0, 0, level), elbow, radius * 0.6))
        parts.append(limb(elbow, elbow + vec(0, 0, height * rng.uniform(0.15, 0.35)), radius * 0.6))
    return join(*parts)


def mushroom(rng: np.random.Generator, height: float) -> tuple[Mesh, Mesh]:
    """(stem, cap) as in fantasy games."""
    stem = cylinder(height * 0.13, height * 0.75, 10, top=height * 0.09)
    return stem, place(
        dome(height * rng.uniform(0.3, 0.5), 16, 5, rng.uniform(0.4, 0.9)), (0, 0, height * 0.66)
    )


class Flora:
    """A scene's few kinds of plants and stones as prototypes, planted in copies (cheap to build, alike in look)."""

    def __init__(
        self,
        builder: SceneBuilder,
        kinds: tuple[str, ...] = ("broad", "conifer", "palm", "bush"),
        variants: int = 3,
    ) -> None:
        self._builder = builder
        rng, palette = builder.rng, builder.palette
        self._wood = palette.bark()
        self._leaves = [palette.leaves(), palette.leaves()]
        self._rocks = [palette.rock(), palette.rock()]
        makers = {"broad": broad_tree, "conifer": conifer, "palm": palm}
        self._trees: list[tuple[Mesh, Mesh, int]] = []
        for _ in range(variants):
            kind = str(rng.choice([k for k in kinds if k in makers]))
            self._trees.append((*makers[kind](rng, 1.0), self._leaves[int(rng.integers(2))]))
        self._bushes = [lump(rng, 0.5, 0.18, 11, 7, (1, 1, 0.75)) for _ in range(2)]
        self._stones = [
            lump(rng, 0.5, 0.16, 12, 8, (1, rng.uniform(0.6, 1.2), rng.uniform(0.5, 0.9))),
            crag(rng, 0.5),
            crag(rng, 0.5),
        ]
        self._tuft = tuft(rng, 1.0)

    def _spread(
        self, mesh: Mesh, material: int, spots: Array, sizes: ArrayLike, stretch: bool = False
    ) -> None:
        rng = self._builder.rng
        scales = np.broadcast_to(np.asarray(sizes, float), (len(spots),))[:, None] * np.ones(3)
        if stretch:
            scales = scales * rng.uniform(0.8, 1.25, (len(spots), 3))
        self._builder.add(instances(mesh, spots, rng.uniform(0, 6.28, len(spots)), scales), material)

    def trees(self, spots: Array, low: float, high: float) -> None:
        """Trees of `low`..`high` metres at (K, 3) spots."""
        rng = self._builder.rng
        which = rng.integers(0, len(self._trees), len(spots))
        sizes = rng.uniform(low, high, len(spots))
        for index, (wood, leaves, material) in enumerate(self._trees):
            at = which == index
            if not at.any():
                continue
            yaws = rng.uniform(0, 6.28, int(at.sum()))
            # the same yaws for both parts keep branches under their leaves
            self._builder.add(instances(wood, spots[at], yaws, sizes[at]), self._wood)
            self._builder.add(instances(leaves, spots[at], yaws, sizes[at]), material)

    def bushes(self, spots: Array, low: float, high: float) -> None:
        """Low round shrubs."""
        self._scatter(self._bushes, self._leaves, spots, low, high)

    def rocks(self, spots: Array, low: float, high: float) -> None:
        """Stones and boulders, partly sunk."""
        self._scatter(self._stones, self._rocks, spots, low, high)

    def grass(self, spots: Array, low: float, high: float) -> None:
        """Tufts of grass."""
        self._scatter([self._tuft], self._leaves[:1], spots, low, high)

    def _scatter(
        self, meshes: list[Mesh], materials: list[int], spots: Array, low: float, high: float
    ) -> None:
        rng = self._builder.rng
        which = rng.integers(0, len(meshes), len(spots))
        sizes = rng.uniform(low, high, len(spots))
        for index, mesh in enumerate(meshes):
            at = which == index
            if at.any():
                self._spread(mesh, materials[index % len(materials)], spots[at], sizes[at], stretch=True)
