"""Light for the inverse model's inputs: anything that a renderer or a game may show, from a generator."""

from collections.abc import Callable
from math import pi, radians
from typing import Any

import numpy as np

from worlds.look import Colour, Look
from worlds.variety import USUAL, Variety

Rng = np.random.Generator
Numbers = dict[str, Any]


def random_lighting(rng: Rng, indoor: bool = False, variety: Variety = USUAL) -> tuple[Look, dict[str, Any]]:
    """A look that no style has, and no keyword arguments for Renderer.light (all is in the look).

    Draws the source of light (sun anywhere, overcast, dusk, night with lamps, lamps or windows inside, flat),
    then air, weather on the surfaces, and the camera's habits: exposure from dark to clipped, tone curve,
    white balance, grade.
    indoor: whether the scene has a ceiling; there the sources are mostly lamps and windows.
    variety: how far all of it strays.
    """
    kinds, shares = _kinds(indoor, variety)
    numbers = kinds[int(rng.choice(len(kinds), p=shares))](rng)
    numbers |= _surroundings(rng, indoor, variety.weather)
    key = _brightness(numbers, indoor)
    numbers |= _camera(rng, key, variety)
    return Look(**numbers), {}


def _colour(rng: Rng, value: float, saturation: float, hue: float | None = None) -> Colour:
    """Radiance of brightness `value` whose channels differ by up to `saturation`; hue in turns."""
    turn = rng.random() if hue is None else hue
    wave = 0.5 + 0.5 * np.cos(2 * pi * (turn - np.array([0, 1 / 3, 2 / 3])))
    red, green, blue = value * (1 - saturation + saturation * wave * 1.4)
    return float(red), float(green), float(blue)


def _times(colour: Colour, factor: float) -> Colour:
    red, green, blue = (float(c * factor) for c in colour)
    return red, green, blue


def _sunlight(elevation: float, strength: float) -> Colour:
    """The sun through more air the lower it stands: white at noon, orange at the horizon."""
    air = 1 / (np.sin(elevation) + 0.08)
    red, green, blue = strength * np.exp(-np.array([0.035, 0.08, 0.19]) * (air - 0.9))
    return float(red), float(green), float(blue)


def _between(rng: Rng, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _clear(rng: Rng) -> Numbers:
    """Sun in a clear or partly clouded sky: behind, ahead, aside, low to high, hard to soft shadows."""
    elevation = radians(_between(rng, 4, 78) if rng.random() < 0.75 else _between(rng, 4, 22))
    blue = _between(rng, 0.2, 1.0)
    sky = _between(rng, 0.5, 1.1)
    low = float(np.clip(1 - elevation / 0.5, 0, 1))
    horizon = np.array([0.75, 0.82, 0.95]) * (1 - low) + np.array([1.05, 0.68, 0.42]) * low
    return {
        "sun": _sunlight(elevation, _between(rng, 1.6, 4.5)),
        "sun_elevation": elevation,
        "sun_azimuth": _between(rng, -pi, pi),
        "shadow_soft": float(np.exp(_between(rng, np.log(0.015), np.log(0.7)))),
        "shadow": _between(rng, 0.85, 1),
        "zenith": _times((1 - 0.8 * blue, 1 - 0.55 * blue, 1.0), sky * _between(rng, 0.35, 0.9)),
        "horizon": (float(horizon[0] * sky), float(horizon[1] * sky), float(horizon[2] * sky)),
        "ground": _colour(rng, _between(rng, 0.12, 0.4), 0.3, 0.08),
        "cloud": _between(rng, 0, 0.75) if rng.random() < 0.65 else 0.0,
        "cloud_scale": _between(rng, 0.7, 3),
        "cloud_shade": _times((1.0, 1.0, 1.0), _between(rng, 0.8, 2)),
        "ambient": _between(rng, 0.35, 1.0),
        "sky_glow": _between(rng, 0.2, 1.3),
    }


def _overcast(rng: Rng) -> Numbers:
    """A white to dark grey sky; what is left of the sun is soft."""
    value = _between(rng, 0.4, 1.1)
    sky = _colour(rng, value, _between(rng, 0, 0.14), _between(rng, 0.5, 0.7))
    return {
        "sun": _times((1.0, 0.98, 0.95), _between(rng, 0, 0.6) if rng.random() < 0.6 else 0.0),
        "sun_azimuth": _between(rng, -pi, pi),
        "sun_elevation": radians(_between(rng, 20, 85)),
        "shadow_soft": _between(rng, 0.3, 1.5),
        "zenith": _times(sky, _between(rng, 0.8, 1.4)),
        "horizon": sky,
        "ground": _colour(rng, value * _between(rng, 0.15, 0.5), 0.25),
        "overcast": 1.0,
        "cloud": _between(rng, 0.6, 1.0) if rng.random() < 0.5 else 0.0,
        "cloud_shade": _times((1.0, 1.0, 1.0), _between(rng, 0.7, 1.2)),
        "sky_glow": _between(rng, 0, 0.4),
        "ambient": _between(rng, 0.8, 1.1),
    }


def _dusk(rng: Rng) -> Numbers:
    """The sun just set or about to: coloured sky, long or no shadows, lamps may burn."""
    numbers = _clear(rng)
    elevation = radians(_between(rng, 2, 9))
    glow = _colour(rng, _between(rng, 0.5, 1.2), _between(rng, 0.5, 0.9), _between(rng, -0.06, 0.12))
    return numbers | {
        "sun": _times(_sunlight(elevation, 3.5), _between(rng, 0, 1.3)),
        "sun_elevation": elevation,
        "horizon": glow,
        "zenith": _colour(rng, _between(rng, 0.12, 0.4), _between(rng, 0.3, 0.7), _between(rng, 0.58, 0.78)),
        "lamp": _between(rng, 0, 1.2),
        "glow": _between(rng, 0.2, 1.5),
    }


def _lamps(rng: Rng, low: float, high: float) -> Numbers:
    """Burning lamps from tungsten to daylight, sometimes coloured."""
    hue = rng.random()
    warm: Colour = (1.0, _between(rng, 0.6, 1.0), _between(rng, 0.3, 1.05))
    return {
        "lamp": _between(rng, low, high),
        "lamp_colour": warm if hue < 0.75 else _colour(rng, 1.0, _between(rng, 0.3, 0.9)),
        "lamp_own": _between(rng, 0, 1),
        "glow": _between(rng, 0.5, 2.5),
        "glow_colour": warm,
        "neon": float(rng.random() < 0.2),
    }


def _night(rng: Rng) -> Numbers:
    """Moonlight, lamps, lit windows; sometimes a coloured front."""
    value = float(np.exp(_between(rng, np.log(0.01), np.log(0.12))))
    dome = _colour(rng, value, _between(rng, 0.2, 0.7), _between(rng, 0.5, 0.75))
    numbers = {
        "sun": _colour(rng, value * _between(rng, 0, 8), 0.25, 0.6),
        "sun_azimuth": _between(rng, -pi, pi),
        "sun_elevation": radians(_between(rng, 15, 75)),
        "shadow_soft": _between(rng, 0.03, 0.3),
        "zenith": _times(dome, 0.5),
        "horizon": dome,
        "ground": _times(dome, 0.4),
        "stars": _between(rng, 0, 1),
        "cloud": _between(rng, 0, 0.8),
        "sky_glow": 0.4,
        "ambient": _between(rng, 0.7, 1.2),
        "bloom": _between(rng, 0, 0.35),
    }
    return numbers | _lamps(rng, 0.6, 3.0) | (_front(rng, value * 8) if rng.random() < 0.35 else {})


def _front(rng: Rng, value: float) -> Numbers:
    """One or two wide coloured lights at the side."""
    return {
        "key": _colour(rng, value, _between(rng, 0, 0.9)),
        "key_azimuth": _between(rng, -pi, pi),
        "key_elevation": radians(_between(rng, 0, 60)),
        "rim": _colour(rng, value * _between(rng, 0, 1), _between(rng, 0, 0.9)),
        "rim_azimuth": _between(rng, -pi, pi),
        "rim_elevation": radians(_between(rng, -10, 60)),
    }


def _room(rng: Rng) -> Numbers:
    """Lamps under a ceiling; what comes back from walls is the ambient."""
    value = _between(rng, 0.06, 0.45)
    tint = _colour(rng, value, _between(rng, 0, 0.25))
    return {
        "sun": (0.0, 0.0, 0.0),
        "zenith": tint,
        "horizon": _times(tint, _between(rng, 0.7, 1.3)),
        "ground": _times(tint, _between(rng, 0.4, 1.0)),
        "sky_glow": 0.0,
        "ambient": _between(rng, 0.5, 1.0),
        "cloud": 0.0,
    } | _lamps(rng, 0.5, 2.2)


def _window(rng: Rng) -> Numbers:
    """Daylight through windows: one wide light from the side, the rest dim."""
    value = _between(rng, 0.5, 1.6)
    numbers = _room(rng) | _front(rng, 0.0)
    numbers["key"] = _colour(rng, value, _between(rng, 0, 0.2), 0.6 if rng.random() < 0.6 else 0.08)
    numbers["lamp"] = numbers["lamp"] * 0.3 if rng.random() < 0.4 else 0.0
    if rng.random() < 0.4:  # and a sunbeam, where the ceiling lets it in
        elevation = radians(_between(rng, 12, 50))
        numbers |= {"sun": _sunlight(elevation, 3.0), "sun_elevation": elevation}
        numbers |= {"sun_azimuth": _between(rng, -pi, pi), "shadow_soft": _between(rng, 0.02, 0.15)}
    return numbers


def _studio(rng: Rng) -> Numbers:
    """No story: flat sky of any colour and two wide lights, as viewers and simple games have."""
    value = _between(rng, 0.25, 0.9)
    back = _colour(rng, value, _between(rng, 0, 0.8))
    even = _colour(rng, value, _between(rng, 0, 0.2))
    return {
        "sun": _colour(rng, _between(rng, 0, 2.5), _between(rng, 0, 0.3)),
        "sun_azimuth": _between(rng, -pi, pi),
        "sun_elevation": radians(_between(rng, 15, 85)),
        "shadow": _between(rng, 0, 1),
        "shadow_soft": _between(rng, 0.02, 0.6),
        "zenith": back if rng.random() < 0.5 else even,
        "horizon": back,
        "ground": _times(even, _between(rng, 0.2, 0.8)),
        "sky_glow": 0.0,
        "overcast": 1.0,
        "cloud": 0.0,
    } | _front(rng, _between(rng, 0, 0.9))


_OUTDOOR: tuple[tuple[Callable[[Rng], Numbers], ...], list[float]] = (
    (_clear, _overcast, _dusk, _night, _studio, _window),
    [0.47, 0.2, 0.09, 0.11, 0.08, 0.05],
)
_INDOOR: tuple[tuple[Callable[[Rng], Numbers], ...], list[float]] = (
    (_room, _window, _studio, _clear, _night),
    [0.42, 0.34, 0.08, 0.1, 0.06],
)


def _kinds(indoor: bool, variety: Variety) -> tuple[tuple[Callable[[Rng], Numbers], ...], np.ndarray]:
    """The sources of light and how likely each is."""
    kinds, shares = _INDOOR if indoor else _OUTDOOR
    rare = [(_night, variety.night), (_studio, variety.studio)]
    factors = [next((factor for which, factor in rare if which is kind), 1.0) for kind in kinds]
    weights = np.array(shares) * factors
    return kinds, weights / weights.sum()


def _surroundings(rng: Rng, indoor: bool, weather: float) -> Numbers:
    """Air and weather on the surfaces; mostly little of each."""
    numbers: Numbers = {"ao": _between(rng, 0.6, 1.5), "bounce": _between(rng, 0.5, 1.4)}
    density = float(np.exp(_between(rng, np.log(3e-4), np.log(0.006))))
    if rng.random() < 0.12 * weather and not indoor:
        density = float(np.exp(_between(rng, np.log(0.008), np.log(0.05))))
    numbers |= {
        "fog_density": density * (0.3 if indoor else 1.0),
        "fog_falloff": float(rng.choice([0.0, 0.05, 0.2])),
    }
    # the truth stays the dry, bare surface: no cover that would hide it, and damp rather than flooded
    if rng.random() < 0.1 * weather and not indoor:
        numbers["wet"] = _between(rng, 0.2, 0.6)
    if rng.random() < 0.06 * weather and not indoor:
        numbers |= {
            "particles": str(rng.choice(["rain", "snow"])),
            "particle_amount": _between(rng, 0.3, 0.9),
        }
    return numbers


def _brightness(numbers: Numbers, indoor: bool) -> float:
    """About how bright a grey wall will be, to draw the exposure around; the fog takes the sky's colour."""
    mean = {
        name: float(np.mean(numbers.get(name, 0.0)))
        for name in ("sun", "zenith", "horizon", "ground", "key", "rim")
    }
    dome = (0.35 * mean["horizon"] + 0.3 * mean["zenith"] + 0.25 * mean["ground"]) * numbers.get(
        "ambient", 0.9
    )
    direct = mean["sun"] * (
        0.1 if indoor else 0.5 * np.sin(numbers["sun_elevation"] * 0.7 + 0.3) if mean["sun"] else 0
    )
    numbers["fog"] = tuple(float(h) for h in np.array(numbers["horizon"]) * 0.9)
    return 0.3 * (dome + direct + 0.3 * (mean["key"] + mean["rim"]) + 0.3 * numbers.get("lamp", 0.0)) + 0.004


def _camera(rng: Rng, brightness: float, variety: Variety) -> Numbers:
    """Exposure from dark to clipped around the key, then tone curve, white balance and grade."""
    tone = str(rng.choice(["standard", "aces", "film"], p=[0.62, 0.23, 0.15]))
    # mostly exposed for the light, so that brightness tells albedo; the rest is off, or follows the picture
    settled = rng.random() < variety.settled
    grey = 0.2 * float(np.exp(rng.normal(0.0, variety.exposure if settled else 0.75)))
    wide = variety.grade
    warmth, green = rng.normal(0, 0.08 * wide), rng.normal(0, 0.03 * wide)
    plain = rng.random() < 0.4  # as a path tracer writes it
    return {
        "tone": tone,
        "exposure": min(grey / brightness, 12.0),
        "adapt": _between(rng, 0.0, variety.adapt) if settled else _between(rng, 0.3, 1.0),
        "tint": (1.0, 1.0, 1.0) if plain else (float(1 + warmth), float(1 + green), float(1 - warmth)),
        "gamma": 1.0 if plain else _between(rng, 1 - 0.2 * wide, 1 + 0.25 * wide),
        "contrast": 1.0 if plain else _between(rng, 1 - 0.15 * wide, 1 + 0.2 * wide),
        "saturation": 1.0 if plain else _between(rng, 1 - 0.45 * wide, 1 + 0.4 * wide),
    }
