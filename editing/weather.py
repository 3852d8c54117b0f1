"""The weather that a one-step network cannot draw: particles put over the picture, before what is farther.

Rain, storm, snow, bubbles, glowing motes, stars, falling leaves and blown dust. The strength follows the
look's probability; what is drawn is fixed by the seed and the absolute time in seconds, so windows and
resumed runs agree. No camera is known here: particles fall before it, and stars stand still in the frame.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from editing.brush import Frame, Layer, Picture, Piece, add_light, blend, in_front, visible_size
from editing.particles import FOCAL, Floats, Particles, Touch, chance, discs, falling, streaks, sway

VEIL_WAVES, VEIL_METRES, VEIL_ALPHA = 9, 12.0, 0.3  # the banks of a dust storm
SHUTTER = 1 / 48  # seconds of motion that one frame shows
MEDIAN_METRES = 12.0  # what the median of a clip's relative depth is taken for
WEAKEST, FULL = 0.25, 0.75  # look probabilities where particles begin, and where all of them are there

RAIN = (Layer(1.5, 55, 0.0022, 0.36), Layer(4, 300, 0.0034, 0.42), Layer(10, 800, 0.005, 0.38))
STORM = (Layer(1.5, 80, 0.0024, 0.34), Layer(4, 400, 0.0036, 0.40), Layer(10, 1000, 0.0055, 0.36))
SNOW = (Layer(1.5, 70, 0.0115, 0.6), Layer(4, 460, 0.0115, 0.88), Layer(10, 1700, 0.015, 0.85))
BUBBLES = (Layer(1.5, 16, 0.02, 0.7), Layer(4, 90, 0.026, 0.75), Layer(10, 200, 0.034, 0.7))
PLANKTON = (Layer(1.5, 60, 0.0022, 0.25), Layer(4, 300, 0.004, 0.28))
MOTES = (Layer(1.5, 14, 0.007, 0.55), Layer(4, 75, 0.0125, 0.95), Layer(10, 170, 0.02, 0.95))
DUST = (Layer(1.5, 60, 0.003, 0.2), Layer(4, 300, 0.0045, 0.32), Layer(10, 800, 0.007, 0.32))
LEAVES = (Layer(1.5, 2, 0.022, 0.8), Layer(4, 9, 0.034, 0.9), Layer(10, 22, 0.05, 0.9))  # of each colour
LEAF_COLOURS = ((0.86, 0.45, 0.12), (0.72, 0.22, 0.1), (0.9, 0.66, 0.2))
STARS = Layer(1e9, 420, 0.0, 0.9)


def overlay(
    rgb: Picture,
    depth: NDArray[np.float32],
    looks: Mapping[str, float],
    *,
    time: float,
    seed: int,
    metres_per_unit: float = 1.0,
) -> Picture:
    """Put the weather of the probable looks over a frame.

    rgb: (H, W, 3) float32 in [0, 1], sRGB; depth: (H, W) float32, planar, inf = sky; looks: look ->
    probability; time: the frame's absolute time in seconds (frame / fps); metres_per_unit: 1 for depth in
    metres, else what the function of that name gives for the clip.
    Returns a new (H, W, 3) float32 in [0, 1], or `rgb` itself where no look has particles.
    """
    strengths = {look: _strength(looks.get(look, 0.0)) for look in EFFECTS}
    if not any(strengths.values()):
        return rgb
    result = np.array(rgb, np.float32, order="C")
    metres = np.ascontiguousarray(depth, np.float32) * np.float32(metres_per_unit)
    light = float(np.mean(rgb[::8, ::8]))
    for index, (look, effect) in enumerate(EFFECTS.items()):
        if strengths[look]:
            effect(Frame(result, metres, light, time, seed * 64 + index, strengths[look]))
    return np.clip(result, 0, 1, out=result)


def metres_per_unit(median_depth: float) -> float:
    """The scale for a clip whose depth has no unit: its median over the foreground becomes MEDIAN_METRES."""
    return MEDIAN_METRES / median_depth if np.isfinite(median_depth) and median_depth > 0 else 1.0


def _strength(probability: float) -> float:
    return float(np.clip((probability - WEAKEST) / (FULL - WEAKEST), 0, 1))


def _rain(frame: Frame) -> None:
    _fall_of_rain(frame, RAIN, speed=9.0, wind=0.9)


def _storm(frame: Frame) -> None:
    _fall_of_rain(frame, STORM, speed=10.0, wind=3.6)


def _fall_of_rain(frame: Frame, layers: tuple[Layer, ...], speed: float, wind: float) -> None:
    tint = np.array([0.84, 0.9, 0.97]) * (0.42 + 0.6 * frame.light)
    pieces: list[Piece] = []
    for layer, p in _layers(frame, layers, speed, wind):
        length = speed * SHUTTER * FOCAL / p.depth * frame.height
        sigma, alpha = visible_size(layer.size * FOCAL / layer.depth * frame.height, layer.alpha)
        touch = streaks(p, length, wind / speed, float(sigma), frame.height, frame.width)
        vary = 0.5 + 0.5 * p.life
        pieces.append(in_front(frame, p, touch, touch.weight * vary[touch.owner] * alpha))
    blend(frame, pieces, tint)


def _snow(frame: Frame) -> None:
    tint = np.array([0.97, 0.985, 1.0]) * min(1.0, 0.45 + 0.8 * frame.light)
    pieces: list[Piece] = []
    for layer, p in _layers(frame, SNOW, speed=1.3, wind=0.35):
        across, down = sway(frame.seed, p.number, frame.time, 4.0)
        p = replace(p, x=p.x + 0.14 * across / p.depth, y=p.y + 0.05 * down / p.depth)
        size = layer.size * (0.55 + 0.9 * p.life**2)
        radius, alpha = visible_size(size * FOCAL / p.depth * frame.height, layer.alpha)
        touch, dx, dy = discs(p, radius, 1.9, frame.height, frame.width)
        # near flakes are out of focus: a flat soft disc; far ones a plain dot
        flat = 1 / (1 + (np.hypot(dx, dy) / 0.95) ** (6 if layer.depth < 2 else 4))
        pieces.append(in_front(frame, p, touch, flat * alpha[touch.owner]))
    blend(frame, pieces, tint)


def _bubbles(frame: Frame) -> None:
    tint = np.array([0.78, 0.95, 1.0]) * min(1.0, 0.55 + 0.6 * frame.light)
    pieces: list[Piece] = []
    for layer, p in _layers(frame, BUBBLES, speed=-0.32, wind=0.0):
        across, _ = sway(frame.seed, p.number, frame.time, 1.6)
        p = replace(p, x=p.x + 0.03 * across / p.depth)
        size = layer.size * (0.35 + 0.65 * p.life**2)
        radius, alpha = visible_size(size * FOCAL / p.depth * frame.height, layer.alpha)
        touch, dx, dy = discs(p, radius, 1.5, frame.height, frame.width)
        rim = np.exp(-(((np.hypot(dx, dy) - 0.85) / 0.2) ** 2)) * (0.75 - 0.35 * dy)
        glint = np.exp(-(((dx + 0.38) / 0.22) ** 2) - ((dy + 0.42) / 0.2) ** 2)
        inner = 0.07 * (np.hypot(dx, dy) < 0.85)
        pieces.append(
            in_front(frame, p, touch, np.clip(rim * 0.7 + glint + inner, 0, 1) * alpha[touch.owner])
        )
    blend(frame, pieces, tint)


def _plankton(frame: Frame) -> None:
    tint = np.array([0.75, 0.92, 0.9]) * min(1.0, 0.5 + 0.6 * frame.light)
    pieces: list[Piece] = []
    for layer, p in _layers(frame, PLANKTON, speed=0.03, wind=0.05):
        across, down = sway(frame.seed + 7, p.number, frame.time, 7.0)
        p = replace(p, x=p.x + 0.08 * across / p.depth, y=p.y + 0.08 * down / p.depth)
        radius, alpha = visible_size(layer.size * FOCAL / p.depth * frame.height, layer.alpha)
        touch, dx, dy = discs(p, radius, 2.5, frame.height, frame.width)
        pieces.append(in_front(frame, p, touch, np.exp(-(dx * dx + dy * dy)) * alpha[touch.owner]))
    blend(frame, pieces, tint)


def _underwater(frame: Frame) -> None:
    _plankton(frame)
    _bubbles(frame)


def _fantasy(frame: Frame) -> None:
    palette = np.array([[1.0, 0.85, 0.45], [0.35, 1.0, 0.85], [0.72, 0.55, 1.0], [0.6, 1.0, 0.55]])
    pieces: list[Piece] = []
    for layer, p in _layers(frame, MOTES, speed=-0.07, wind=0.03):
        across, down = sway(frame.seed, p.number, frame.time, 6.0)
        p = replace(p, x=p.x + 0.3 * across / p.depth, y=p.y + 0.2 * down / p.depth)
        pulse = 0.62 + 0.38 * np.sin(2 * np.pi * (frame.time / 2.6 + chance(frame.seed, 21, p.number)))
        radius, alpha = visible_size(
            layer.size * FOCAL / p.depth * frame.height * (0.5 + p.life), layer.alpha
        )
        touch, dx, dy = discs(p, radius, 4.0, frame.height, frame.width)
        square = dx * dx + dy * dy
        glow = np.clip(1 - square / 16, 0, 1) ** 2 * (0.22 + 0.35 * np.exp(-square / 3))
        core = np.exp(-1.6 * square) * (1.0 if layer.depth > 2 else 0.3)
        colour = palette[(chance(frame.seed, 22, p.number) * len(palette)).astype(np.int64)]
        light = (alpha * pulse)[touch.owner, None] * (
            glow[:, None] * colour[touch.owner] + 0.7 * core[:, None]
        )
        pieces.append(in_front(frame, p, touch, light))
    add_light(frame, pieces)


def _autumn(frame: Frame) -> None:
    brightness = min(1.0, 0.4 + 0.9 * frame.light)
    for kind, colour in enumerate(LEAF_COLOURS):
        pieces: list[Piece] = []
        for layer, p in _layers(replace(frame, seed=frame.seed + 1024 * kind), LEAVES, speed=0.9, wind=0.5):
            across, down = sway(frame.seed + kind, p.number, frame.time, 2.2)
            p = replace(p, x=p.x + 0.3 * across / p.depth, y=p.y + 0.08 * down / p.depth)
            size = layer.size * (0.7 + 0.6 * p.life)
            radius, alpha = visible_size(size * FOCAL / p.depth * frame.height, layer.alpha)
            touch, dx, dy = discs(p, radius, 1.2, frame.height, frame.width)
            # a leaf is an oval that turns in the picture and tumbles about its long axis
            turn = (2.5 * across + 6 * p.life)[touch.owner]
            thin = (0.2 + 0.45 * np.abs(np.cos(3 * down + 6 * p.life)))[touch.owner]
            long = dx * np.cos(turn) + dy * np.sin(turn)
            short = (dy * np.cos(turn) - dx * np.sin(turn)) / thin
            soft = 1.2 / np.maximum(radius, 1.2)[touch.owner]
            cover = np.clip((1 - np.hypot(long, short * (1 + 0.35 * long))) / soft + 0.5, 0, 1)
            pieces.append(in_front(frame, p, touch, cover * alpha[touch.owner]))
        blend(frame, pieces, np.array(colour) * brightness)


def _dust(frame: Frame) -> None:
    tint = np.array([1.0, 0.85, 0.62]) * min(1.0, 0.5 + 0.65 * frame.light)
    height, width = frame.height, frame.width
    pieces: list[Piece] = []
    # blown sand falls sideways: rain in the transposed frame, whose rows are this one's columns
    for layer, p in _layers(frame, DUST, 9.0 * height / width, 1.1 * height / width, aspect=height / width):
        length = 9.0 * SHUTTER * FOCAL / p.depth * height
        sigma, alpha = visible_size(layer.size * FOCAL / layer.depth * height, layer.alpha)
        touch = streaks(p, length, 0.12, float(sigma), width, height)
        touch = Touch(touch.pixel % height * width + touch.pixel // height, touch.weight, touch.owner)
        pieces.append(in_front(frame, p, touch, touch.weight * (0.4 + 0.6 * p.life[touch.owner]) * alpha))
    blend(frame, pieces, tint)
    _veil(frame, 0.8 * tint)


def _veil(frame: Frame, tint: Floats) -> None:
    """Draw banks of dust that drift with the wind and thicken with the distance."""
    height, width = frame.height, frame.width
    number = np.arange(VEIL_WAVES)
    wide = 1.2 + 5 * chance(frame.seed, 41, number)  # radians a frame height
    high = 2 + 9 * (chance(frame.seed, 42, number) - 0.5)
    phase = 2 * np.pi * chance(frame.seed, 43, number) - wide * frame.time * (
        0.35 + 0.1 * number / VEIL_WAVES
    )
    # a sum of plane waves is one small matrix product; every second pixel is enough for something so soft
    x, y = (np.arange(0, size, 2) / height for size in (width, height))
    rows = np.exp(1j * (y[:, None] * high + phase)).astype(np.complex64)  # (H/2, waves)
    columns = np.exp(1j * wide[:, None] * x).astype(np.complex64)  # (waves, W/2)
    wave = rows.real @ columns.real - rows.imag @ columns.imag
    density = np.clip(0.5 + wave / np.float32(np.sqrt(2 * VEIL_WAVES)), 0, 1.4)
    far = 1 - np.exp(-np.minimum(frame.depth[::2, ::2], 400) / np.float32(VEIL_METRES))
    cover = np.float32(VEIL_ALPHA * frame.strength) * density * far
    cover = np.repeat(np.repeat(cover, 2, 0), 2, 1)[:height, :width]
    for channel in range(3):  # numpy is slow over a last axis of three
        plane = frame.rgb[..., channel]
        plane += cover * (np.float32(tint[channel]) - plane)


def _stars(frame: Frame) -> None:
    number = np.arange(frame.count(STARS))
    x = chance(frame.seed, 31, number) * frame.width / frame.height
    y = chance(frame.seed, 32, number) ** 1.3
    size = chance(frame.seed, 33, number) ** 6  # few bright stars, many faint ones
    p = Particles(x, y, np.full(len(number), STARS.depth), number, size)
    twinkle = 0.85 + 0.15 * np.sin(
        2 * np.pi * (frame.time * (0.3 + 0.5 * size) + chance(frame.seed, 34, number))
    )
    radius = (0.62 + 0.75 * size) * max(1.0, frame.height / 480)
    touch, dx, dy = discs(p, radius, 2.5, frame.height, frame.width)
    glow = np.exp(-(dx * dx + dy * dy)) * ((0.22 + 0.78 * size) * twinkle * (1 - 0.7 * y))[touch.owner]
    # no star in front of a lit cloud or a sky that stayed bright
    dark = np.clip(1.3 - 3.2 * frame.rgb.reshape(-1, 3)[touch.pixel].mean(1), 0, 1)
    warm = np.array([1.0, 0.9, 0.78]) + chance(frame.seed, 35, number)[:, None] * np.array([-0.2, 0.05, 0.22])
    add_light(frame, [in_front(frame, p, touch, (STARS.alpha * glow * dark)[:, None] * warm[touch.owner])])


EFFECTS: dict[str, Callable[[Frame], None]] = {
    "night": _stars,
    "autumn": _autumn,
    "dust": _dust,
    "rain": _rain,
    "storm": _storm,
    "snow": _snow,
    "underwater": _underwater,
    "fantasy": _fantasy,
}


def _layers(
    frame: Frame, layers: tuple[Layer, ...], speed: float, wind: float, aspect: float | None = None
) -> Iterator[tuple[Layer, Particles]]:
    """The particles of each layer that has any; speed (down) and wind (to the right) in m/s."""
    shape = aspect or frame.width / frame.height
    for index, layer in enumerate(layers):
        if count := frame.count(layer):
            seed = frame.seed * 8 + index
            yield layer, falling(seed, count, layer.depth, speed, wind, shape, frame.time)
