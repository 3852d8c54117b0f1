"""Game-like cameras: a shot is drawn until it runs through free space and sees something."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from worlds.builder import SceneBuilder
from worlds.clearance import Clearance
from worlds.motion import time_steps
from worlds.shapes import Array, vec
from worlds.variety import Variety

Ground = Callable[[Array, Array], Array]
MODES = {
    "dolly": 0.2,
    "strafe": 0.1,
    "pan": 0.08,
    "orbit": 0.12,
    "crane": 0.07,
    "above": 0.08,
    "static": 0.07,
    "handheld": 0.1,
    "follow": 0.18,
}
ATTEMPTS = 60


def flat_ground(x: Array, y: Array) -> Array:
    """A ground at z = 0."""
    return np.zeros(np.broadcast(x, y).shape)


@dataclass
class View:
    """What a family tells the camera about its place; angles in degrees, lengths in metres."""

    area: tuple[float, float, float, float]  # x0, x1, y0, y1 where the camera may be
    focus: Array  # (K, 3) things worth looking at
    ground: Ground = flat_ground
    heights: tuple[float, float] = (0.4, 8.0)  # of the eye over the ground
    ceiling: float = 1e9
    path: Array | None = None  # (K, 2) a way to travel along, if there is one
    pitch: tuple[float, float] = (-60.0, 15.0)
    pace: float = 5.0  # m/s, the fast end
    scale: float = 1.0  # 0.1 on a table top: shrinks orbits, clearances and shakes
    modes: dict[str, float] = field(default_factory=lambda: dict(MODES))
    heroes: tuple[str, ...] = ("walker", "walker", "walker", "robot", "animal", "kart")
    fov: tuple[float, float] = (35.0, 95.0)
    stare: float = 0.25  # chance that the camera aims straight at a focus


@dataclass
class HeroTrack:
    """Where the third-person hero goes: (F, 3) feet positions and (F,) yaws (forward is +y at yaw 0)."""

    kind: str
    positions: Array
    yaws: Array
    speed: float


@dataclass
class Shot:
    """(F, 3) eyes and targets, (F,) rolls in radians, horizontal fov in degrees."""

    eyes: Array
    targets: Array
    rolls: Array
    fov: float
    hero: HeroTrack | None = None


def choose_shot(builder: SceneBuilder, view: View, rng: np.random.Generator) -> Shot:
    """The first drawn shot that passes all tests, or the least bad of ATTEMPTS."""
    clearance = Clearance(builder.vertices(), builder.objects())
    mode = _choose_mode(view.modes, builder.variety, rng)
    # a bare wall or floor filling the view teaches little, but games do show it now and then
    plainest = 1.01 if rng.random() < builder.variety.dull else float(rng.uniform(0.55, 0.85))
    best: tuple[float, Shot] | None = None
    for attempt in range(ATTEMPTS):
        if attempt == ATTEMPTS // 2:
            mode = "static"  # the least room that a camera can need
        shot = _draw(view, mode, builder.times, rng, builder.variety)
        fault = _fault(shot, view, clearance, plainest + 0.03 * attempt, builder.variety.hidden)
        if best is None or fault < best[0]:
            best = (fault, shot)
        if fault == 0.0:
            break
    assert best is not None
    return best[1]


def _choose_mode(modes: dict[str, float], variety: Variety, rng: np.random.Generator) -> str:
    factors = {"above": variety.above, "follow": variety.behind}
    weights = np.array([share * factors.get(mode, 1.0) for mode, share in modes.items()])
    return str(rng.choice(list(modes), p=weights / weights.sum()))


def _fault(shot: Shot, view: View, clearance: Clearance, plainest: float, most_hidden: float) -> float:
    """0 for a good shot; larger is worse (in the wall > too near > outside > dull)."""
    x0, x1, y0, y1 = view.area
    eyes = shot.eyes
    near = 0.42 * view.scale
    outside = bool(
        (eyes[:, 0] < x0).any()
        or (eyes[:, 0] > x1).any()
        or (eyes[:, 1] < y0).any()
        or (eyes[:, 1] > y1).any()
    )
    outside = outside or bool((eyes[:, 2] > view.ceiling - near).any())
    if outside:
        return 50.0
    if clearance.nearest(eyes, near) < near or clearance.hits_object(eyes, near * 2):
        return 40.0
    if shot.hero is not None and clearance.nearest(shot.hero.positions + vec(0, 0, 0.9), 0.55) < 0.55:
        return 30.0
    look = clearance.look(eyes, shot.targets, shot.fov, 1.2 * view.scale)
    if look.inside:
        return 60.0
    if look.covered < 0.38:
        return 10.0 - look.covered
    if look.median < 1.1 * view.scale or look.hidden > most_hidden:
        return 5.0
    if shot.hero is not None and clearance.blocked(eyes, shot.hero.positions + vec(0, 0, 1.0)):
        return 4.0
    return look.plain if look.plain > plainest else 0.0


def _draw(view: View, mode: str, times: Array, rng: np.random.Generator, variety: Variety) -> Shot:
    fov = float(rng.uniform(*view.fov))
    low, high = view.heights
    height = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    if mode == "above":
        height = high * float(rng.uniform(0.6, 1.0))
    start, heading = _stand(view, rng)
    pace = view.pace * float(rng.uniform(0.1, 1.0)) * (-1.0 if rng.random() < 0.12 else 1.0)
    aim = _aim_pitch(view, mode, height, rng, variety)
    if mode not in ("follow", "above") and rng.random() < view.stare:
        heading, aim = _aim_at_focus(view, start, height, rng)
    if mode == "follow" and view.heroes:
        shot = _follow(view, start, heading, abs(pace), times, fov, rng)
    else:
        shot = _glide(view, mode, start, heading, height, aim, pace, times, fov, rng)
    return _shake(shot, mode, times, view, rng, variety.leaning)


def _stand(view: View, rng: np.random.Generator) -> tuple[Array, float]:
    """A place and a heading (yaw; 0 looks along +y)."""
    if view.path is not None and rng.random() < 0.8:
        index = int(rng.integers(0, max(1, int(len(view.path) * 0.6))))
        here, there = view.path[index], view.path[min(index + 2, len(view.path) - 1)]
        step = there - here
        heading = float(np.arctan2(-step[0], step[1]))
        turned = rng.normal(0, 0.3) if rng.random() < 0.75 else rng.uniform(-np.pi, np.pi)
        return here + rng.normal(0, 0.8, 2) * view.scale, heading + float(turned)
    x0, x1, y0, y1 = view.area
    here = np.array([rng.uniform(x0, x1), rng.uniform(y0, y1)])
    goal = view.focus[int(rng.integers(len(view.focus)))]
    heading = float(np.arctan2(-(goal[0] - here[0]), goal[1] - here[1]))
    return here, heading + float(rng.normal(0, 0.25))


def _aim_pitch(view: View, mode: str, height: float, rng: np.random.Generator, variety: Variety) -> float:
    """Pitch in radians: level for a low eye, looking down from a high one, now and then steep."""
    down = -np.degrees(np.arctan2(max(height - 1.4 * view.scale, 0.0), rng.uniform(7, 22) * view.scale))
    pitch = rng.normal(-1, variety.tilt) + down * rng.uniform(0.5, 1.2)
    if mode == "above" or rng.random() < variety.steep:
        pitch = rng.uniform(-60, -28)
    return float(np.radians(np.clip(pitch, *view.pitch)))


def _aim_at_focus(view: View, start: Array, height: float, rng: np.random.Generator) -> tuple[float, float]:
    """(heading, pitch) towards one of the things worth looking at."""
    way = view.focus[int(rng.integers(len(view.focus)))] - [
        *start,
        float(view.ground(start[0], start[1])) + height,
    ]
    pitch = np.degrees(np.arctan2(way[2], np.hypot(way[0], way[1])) + rng.normal(0, 0.06))
    heading = np.arctan2(-way[0], way[1]) + rng.normal(0, 0.08)
    return float(heading), float(np.radians(np.clip(pitch, *view.pitch)))


def _direction(yaw: Array, pitch: Array | float) -> Array:
    """(F, 3) unit vectors."""
    yaw, pitch = np.broadcast_arrays(yaw, pitch)
    return np.stack([-np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), np.sin(pitch)], -1)


def _glide(
    view: View,
    mode: str,
    start: Array,
    heading: float,
    height: float,
    pitch: float,
    pace: float,
    times: Array,
    fov: float,
    rng: np.random.Generator,
) -> Shot:
    """All cameras without a hero."""
    yaw = np.full(len(times), heading)
    pitches = np.full(len(times), pitch)
    xy = np.repeat(start[None], len(times), 0)
    rise = np.zeros(len(times))
    forward, side = (
        np.array([-np.sin(heading), np.cos(heading)]),
        np.array([np.cos(heading), np.sin(heading)]),
    )
    slow = 0.25 if mode in ("handheld", "above") else 1.0
    if mode in ("dolly", "handheld", "above", "follow"):
        xy = start + forward * (pace * slow * times)[:, None]
        yaw = heading + rng.normal(0, 0.25) * times
    elif mode == "strafe":
        xy = start + side * (pace * 0.7 * times)[:, None]
    elif mode == "pan":
        yaw = heading + rng.uniform(0.2, 1.1) * rng.choice([-1, 1]) * times
        pitches = pitch + rng.normal(0, 0.1) * times
    elif mode == "crane":
        rise = rng.uniform(0.3, 0.8) * view.pace * 0.5 * rng.choice([-1, 1]) * times
        pitches = pitch - np.sign(rise[-1] + 1e-9) * rng.uniform(0, 0.3) * times
    elif mode == "orbit":
        radius = float(rng.uniform(3, 12)) * view.scale
        swing = heading + rng.choice([-1, 1]) * abs(pace) / radius * times
        centre = start + forward * radius
        xy = centre - np.stack([-np.sin(swing), np.cos(swing)], -1) * radius
        yaw = swing
    floor = view.ground(xy[:, 0], xy[:, 1])
    eyes = np.concatenate([xy, (floor + height + rise)[:, None]], 1)
    return Shot(eyes, eyes + _direction(yaw, pitches) * 4 * view.scale, np.zeros(len(times)), fov)


def _follow(
    view: View, start: Array, heading: float, pace: float, times: Array, fov: float, rng: np.random.Generator
) -> Shot:
    """Third person: the hero runs ahead and the camera trails behind and above."""
    kind = str(rng.choice(view.heroes))
    riding = kind in ("kart", "car", "hover")
    speed = pace * (1.6 if riding else 0.8)
    bend = heading + rng.normal(0, 0.5) * times
    xy = start + np.cumsum(_direction(bend, 0.0)[:, :2] * speed * time_steps(times)[:, None], 0)
    feet = np.concatenate([xy, view.ground(xy[:, 0], xy[:, 1])[:, None]], 1)
    distance = float(rng.uniform(3.5, 7.5) if riding else rng.uniform(1.6, 5.0))
    above = float(rng.uniform(1.3, 3.2))
    angle = bend[0] * 0.5 + bend * 0.5 + rng.normal(0, 0.25)
    shoulder = float(rng.normal(0, 0.35)) * np.array([np.cos(heading), np.sin(heading), 0.0])
    eyes = feet - _direction(angle, 0.0) * distance + vec(0, 0, above) + shoulder
    floor = view.ground(eyes[:, 0], eyes[:, 1])
    eyes[:, 2] = np.maximum(eyes[:, 2], floor + 0.6)
    targets = feet + vec(0, 0, float(rng.uniform(0.8, 1.6))) + shoulder
    track = HeroTrack(kind, feet, bend, speed)
    return Shot(eyes, targets, np.zeros(len(times)), fov, track)


def _shake(shot: Shot, mode: str, times: Array, view: View, rng: np.random.Generator, leaning: float) -> Shot:
    """Hand-held sway (smooth sums of sines) and roll."""
    amount = 1.0 if mode == "handheld" else float(rng.choice([0.0, 0.25], p=[0.6, 0.4]))
    phase, speed = rng.uniform(0, 6.28, (7, 2)), rng.uniform(2, 9, (7, 2))
    wave = np.sin(times[:, None, None] * speed + phase).sum(-1)  # (F, 7)
    shot.eyes = shot.eyes + wave[:, :3] * 0.03 * amount * view.scale
    shot.targets = shot.targets + wave[:, 3:6] * 0.09 * amount * view.scale
    lean = rng.normal(0, 0.03) if rng.random() < 0.5 else 0.0
    if rng.random() < leaning:
        lean = rng.uniform(-0.28, 0.28)
    shot.rolls = lean + wave[:, 6] * 0.03 * amount
    return shot
