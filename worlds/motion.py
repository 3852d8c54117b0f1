"""Poses over time for moving things: driving, turning, spinning, bobbing, swinging."""

import numpy as np
from numpy.typing import ArrayLike

from worlds.builder import PITCH, ROLL, SCALE, YAW, SceneBuilder
from worlds.shapes import Array, turn


def time_steps(times: Array) -> Array:
    """(F,) seconds that each frame stands for; 0 for a single frame, which goes nowhere."""
    return np.gradient(times) if len(times) > 1 else np.zeros(1)


def drive(builder: SceneBuilder, start: ArrayLike, yaw: float, speed: float, bend: float = 0.0) -> Array:
    """(F, 8) pose going forward (+y turned by yaw) at `speed` m/s, turning by `bend` rad/s."""
    times = builder.times
    pose = builder.still(start, yaw)
    heading = yaw + bend * times
    step = time_steps(times)
    pose[:, 0] += np.cumsum(-np.sin(heading) * step) * speed
    pose[:, 1] += np.cumsum(np.cos(heading) * step) * speed
    pose[:, YAW] = heading
    return pose


def spin(builder: SceneBuilder, centre: ArrayLike, rng: np.random.Generator, speed: float = 3.0) -> Array:
    """Turning on the spot, mostly about z, sometimes tumbling."""
    pose = builder.still(centre, float(rng.uniform(0, 6.28)))
    rate = float(rng.uniform(0.3, 1.0)) * speed * float(rng.choice([-1, 1]))
    pose[:, YAW] += rate * builder.times
    if rng.random() < 0.35:
        pose[:, PITCH] = rng.uniform(0, 6.28) + rate * 0.7 * builder.times
        pose[:, ROLL] = rng.uniform(0, 6.28) + rate * 0.4 * builder.times
    return pose


def bob(builder: SceneBuilder, centre: ArrayLike, rng: np.random.Generator, height: float = 0.3) -> Array:
    """Up and down with a slow turn, as pickups and boats do."""
    pose = builder.still(centre, float(rng.uniform(0, 6.28)))
    phase, speed = rng.uniform(0, 6.28), rng.uniform(2, 7)
    pose[:, 2] += height * (1 + np.sin(builder.times * speed + phase)) / 2
    pose[:, YAW] += rng.uniform(-2.5, 2.5) * builder.times
    return pose


def swing(
    builder: SceneBuilder, pivot: ArrayLike, yaw: float, size: float, speed: float, phase: float
) -> Array:
    """A pendulum about its own x axis (limbs, hanging signs)."""
    pose = builder.still(pivot, yaw)
    pose[:, PITCH] = size * np.sin(builder.times * speed + phase)
    return pose


def attach(base: Array, offset: ArrayLike, pitch: Array | float = 0.0, roll: Array | float = 0.0) -> Array:
    """The pose of a part that rides on a yawing base at an offset in the base's own axes (a wheel, a leg)."""
    pose = base.copy()
    offset = np.asarray(offset, np.float64)
    for frame in range(len(base)):
        rotation = turn(base[frame, YAW], base[frame, PITCH], base[frame, ROLL])
        pose[frame, :3] += rotation @ offset * base[frame, SCALE]
    pose[:, PITCH] += pitch
    pose[:, ROLL] += roll
    return pose
