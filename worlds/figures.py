"""Bodies that walk: people, robots and four-legged animals, of capsules, with swinging limbs."""

from dataclasses import dataclass

import numpy as np

from worlds.builder import SceneBuilder
from worlds.motion import attach
from worlds.round_shapes import capsule, cone, dome, lathe, limb, sphere
from worlds.shapes import Array, Mesh, bevelled_box, join, place, vec


@dataclass(frozen=True)
class Build:
    """Sizes of a body in metres."""

    height: float
    width: float
    limb: float
    head: float

    @staticmethod
    def draw(rng: np.random.Generator) -> "Build":
        """From slim adults to squat cartoon figures."""
        height = float(rng.uniform(1.1, 2.0))
        cartoon = float(rng.uniform(0, 1)) ** 2
        return Build(
            height,
            float(rng.uniform(0.2, 0.3)) * (0.8 + 0.5 * cartoon),
            float(rng.uniform(0.06, 0.1)) * (0.8 + 0.6 * cartoon),
            float(rng.uniform(0.1, 0.14)) * (1 + 0.9 * cartoon),
        )


def add_walker(
    builder: SceneBuilder, pose: Array, rng: np.random.Generator, speed: float = 1.5, robot: bool = False
) -> None:
    """A two-legged figure on an (F, 8) pose at its feet; limbs swing with the speed."""
    palette = builder.palette
    if robot:
        skin, shirt, trousers = palette.bare_metal(), palette.metal(), palette.metal()
        shoes = palette.anything(0.5)
    else:
        skin, shirt, trousers, shoes = (
            palette.skin(),
            palette.fabric(),
            palette.fabric(),
            palette.anything(0.1),
        )
    build = Build.draw(rng)
    hip, shoulder = build.height * 0.47, build.height * 0.8
    body = builder.add_object(pose)
    builder.add(_torso(build, hip, shoulder, robot), shirt, body)
    builder.add(sphere(build.head, 14, 8, (0, 0, build.height - build.head)), skin, body)
    _dress(builder, build, shoulder, body, rng)
    stride = min(0.25 + speed * 0.12, 0.9)
    beat, phase = 4.0 + 1.6 * speed, float(rng.uniform(0, 6.28))
    swing = stride * np.sin(builder.times * beat + phase)
    for side in (-1, 1):
        if builder.room_for_objects < 2:
            break
        leg = builder.add_object(attach(pose, (side * build.width * 0.42, 0, hip), pitch=swing * side))
        builder.add(limb((0, 0, 0), (0, 0, -hip + build.limb * 1.6), build.limb * 1.15), trousers, leg)
        foot = bevelled_box((build.limb * 2, build.limb * 3.6, build.limb * 1.4), build.limb * 0.5)
        builder.add(place(foot, (0, build.limb * 0.8, -hip + build.limb * 0.75)), shoes, leg)
        arm = builder.add_object(
            attach(pose, (side * (build.width + build.limb * 0.6), 0, shoulder), pitch=-swing * side)
        )
        elbow = np.array([side * 0.03, 0.02, -build.height * 0.17])
        hand = elbow + vec(side * 0.01, 0.06 + 0.1 * stride, -build.height * 0.15)
        builder.add(limb((0, 0, -0.02), elbow, build.limb), shirt, arm)
        builder.add(join(limb(elbow, hand, build.limb * 0.8), sphere(build.limb, 8, 5, hand)), skin, arm)


def _torso(build: Build, hip: float, shoulder: float, robot: bool) -> Mesh:
    if robot:
        return bevelled_box(
            (build.width * 2, build.width * 1.3, shoulder - hip + 0.12), 0.06, (0, 0, (hip + shoulder) / 2)
        )
    profile = [
        (0.0, hip - 0.1),
        (build.width * 0.85, hip - 0.04),
        (build.width * 0.8, (hip + shoulder) / 2 - 0.06),
        (build.width, shoulder - 0.1),
        (build.width * 0.75, shoulder + 0.02),
        (build.width * 0.25, shoulder + 0.07),
        (0.0, shoulder + 0.12),
    ]
    mesh = lathe(profile, 12, smooth=True)
    mesh[:, 1] *= 0.62
    mesh[:, 4] /= 0.62
    mesh[:, 3:6] /= np.linalg.norm(mesh[:, 3:6], axis=1, keepdims=True)
    return mesh


def _dress(builder: SceneBuilder, build: Build, shoulder: float, body: int, rng: np.random.Generator) -> None:
    """Hair, a hat, a helmet, a backpack: what is seen from behind."""
    palette = builder.palette
    top = build.height - build.head
    style = rng.integers(4)
    if style == 0:
        builder.add(place(dome(build.head * 1.1, 14, 5), (0, -0.01, top - 0.01)), palette.fabric(), body)
    elif style == 1:
        brim = lathe([(0, 0), (build.head * 1.9, 0), (build.head * 1.9, 0.02), (0, 0.03)], 16)
        hat = join(
            place(brim, (0, 0, top + build.head * 0.35)),
            place(cone(build.head, build.head * 1.6), (0, 0, top + 0.05)),
        )
        builder.add(hat, palette.fabric(), body)
    elif style == 2:
        builder.add(
            sphere(build.head * 1.15, 14, 8, (0, -0.02, top + 0.02)), palette.or_metal("plastic"), body
        )
    if rng.random() < 0.45:
        pack = bevelled_box(
            (build.width * 1.4, 0.2, build.height * 0.24), 0.06, (0, -build.width * 0.75, shoulder - 0.18)
        )
        builder.add(pack, palette.or_metal("fabric"), body)
    if rng.random() < 0.2:
        blade = bevelled_box((0.05, 0.03, build.height * 0.6), 0.012)
        builder.add(
            place(blade, (0, -build.width * 0.95, shoulder - 0.1), roll=0.6), palette.bare_metal(), body
        )


def add_animal(builder: SceneBuilder, pose: Array, rng: np.random.Generator, speed: float = 1.5) -> None:
    """A four-legged body with head and tail."""
    palette = builder.palette
    coat = palette.fabric() if rng.random() < 0.85 else palette.metal()
    dark = palette.rubber()
    size = float(rng.uniform(0.5, 1.5))
    legs, length, girth = 0.45 * size, 0.9 * size, 0.2 * size
    body = builder.add_object(pose)
    trunk = limb((0, -length / 2, legs + girth * 0.6), (0, length / 2, legs + girth * 0.7), girth, 12)
    neck = limb((0, length / 2, legs + girth), (0, length * 0.72, legs + girth * 2.6), girth * 0.5)
    head = limb((0, length * 0.7, legs + girth * 2.7), (0, length * 0.92, legs + girth * 2.5), girth * 0.5)
    tail = limb(
        (0, -length / 2 - girth * 0.8, legs + girth), (0, -length * 0.85, legs + girth * 2), girth * 0.18
    )
    ears = [
        place(cone(girth * 0.2, girth * 0.6, 6), (s * girth * 0.3, length * 0.68, legs + girth * 3.0))
        for s in (-1, 1)
    ]
    builder.add(join(trunk, neck, head, tail, *ears), coat, body)
    swing = 0.5 * np.sin(builder.times * (5 + 2 * speed) + rng.uniform(0, 6))
    for side in (-1, 1):
        for end in (-1, 1):
            if builder.room_for_objects < 1:
                return
            hip = (side * girth * 0.6, end * length * 0.42, legs + girth * 0.3)
            leg = builder.add_object(attach(pose, hip, pitch=swing * side * end))
            shin = place(capsule(girth * 0.28, legs + girth * 0.3), (0, 0, -legs - girth * 0.3))
            builder.add(shin, dark if rng.random() < 0.3 else coat, leg)
