"""What a look is: every number of the lighting passes, in one frozen record."""

from dataclasses import dataclass

from alaya.errors import RequestError

Colour = tuple[float, float, float]
TONES = ("standard", "aces", "film")  # plain sRGB with clipped highlights, ACES-like, soft film
PARTICLES = ("none", "rain", "snow", "bubbles", "motes", "dust")


@dataclass(frozen=True)
class Look:
    """Light, weather and grade of a picture. Colours are linear radiance; angles radians; lengths metres.

    Azimuths count clockwise from where the clip's first camera looks: all frames are lit alike.
    """

    # the sun (or moon): colour is its irradiance / pi on a facing surface
    sun: Colour = (3.1, 2.85, 2.45)
    sun_azimuth: float = 2.3
    sun_elevation: float = 0.85
    shadow: float = 1.0  # how dark shadows are, 0..1
    shadow_soft: float = 0.05  # blur of shadow edges
    # the sky
    zenith: Colour = (0.20, 0.42, 0.85)
    horizon: Colour = (0.62, 0.75, 0.92)
    ground: Colour = (0.25, 0.23, 0.20)
    sky_glow: float = 1.0  # light around the sun
    overcast: float = 0.0  # 1: no gradient near the horizon
    cloud: float = 0.35
    cloud_scale: float = 1.6
    cloud_shade: Colour = (1.1, 1.1, 1.1)
    stars: float = 0.0
    ambient: float = 0.9
    ao: float = 1.0
    bounce: float = 1.0
    # wide lights without shadows: a window, a neon front
    key: Colour = (0.0, 0.0, 0.0)
    key_azimuth: float = -1.2
    key_elevation: float = 0.3
    rim: Colour = (0.0, 0.0, 0.0)
    rim_azimuth: float = 1.2
    rim_elevation: float = 0.2
    # lamps and things that glow
    lamp: float = 0.0
    lamp_colour: Colour = (1.0, 0.78, 0.5)
    lamp_own: float = 0.4  # share of the lamp's own colour
    glow: float = 0.12
    glow_colour: Colour = (1.0, 0.75, 0.45)
    neon: float = 0.0  # glowing things take a hue each
    # the air
    fog: Colour = (0.62, 0.72, 0.85)
    fog_density: float = 0.0015
    fog_falloff: float = 0.0
    water: float = 0.0
    # the surfaces
    wet: float = 0.0
    snow: float = 0.0
    autumn: float = 0.0
    magic: float = 0.0
    caustics: float = 0.0
    particles: str = "none"
    particle_amount: float = 1.0
    # the picture
    exposure: float = 0.62
    adapt: float = (
        0.0  # how far exposure follows the clip's own darkness, as a camera's would: 0 not, 1 wholly
    )
    tone: str = "aces"
    gamma: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.08
    tint: Colour = (1.0, 1.0, 1.0)
    bloom: float = 0.0

    def __post_init__(self) -> None:
        for name, value, known in (("tone", self.tone, TONES), ("particles", self.particles, PARTICLES)):
            if value not in known:
                raise RequestError(f"{name} {value!r} is not known; choose from {', '.join(known)}")
