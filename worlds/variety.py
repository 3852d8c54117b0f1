"""How far worlds stray from what a game usually shows: the usual domain to judge on, a wide one to train on besides."""

from dataclasses import dataclass

from alaya.errors import RequestError

Range = tuple[float, float]


@dataclass(frozen=True)
class Variety:
    """The habits of scenes, cameras and light that one choice widens together.

    bump: factor on the relief of every material
    rough: spread of the roughness that all materials of a scene share
    wild: chances (low, middle, high) by which materials swap their pattern for any other
    any_hue: chance that all hues of a scene are turned
    tilt: spread of the camera's pitch, degrees
    above, behind: factors on the chances of a camera high above and of one behind a hero
    steep, leaning: chances of a camera that looks steeply down, or stands on a slant
    dull: chance that a bare wall may fill the view
    hidden: share of the view that may be nearer than arm's length
    sliver: sky that covers less of the picture than this, but some, has the scene drawn again
    night, studio: factors on the chances of night and of light without a story
    settled: chance that the exposure follows the light, by about `exposure` (ln units) and `adapt` of the rest
    level: mean sRGB level between which a lighting is kept
    weather: factor on the chances of thick air, damp and particles
    grade: spread of tint, gamma, contrast and saturation, 1 as wide as it goes
    """

    name: str
    bump: Range
    rough: float
    wild: tuple[float, float, float]
    any_hue: float
    tilt: float
    above: float
    behind: float
    steep: float
    leaning: float
    dull: float
    hidden: float
    sliver: float
    night: float
    studio: float
    settled: float
    exposure: float
    adapt: float
    level: Range
    weather: float
    grade: float


USUAL = Variety(
    name="usual",
    bump=(0.05, 0.6),
    rough=0.06,
    wild=(0.8, 0.2, 0.0),
    any_hue=0.0,
    tilt=5.0,
    above=0.3,
    behind=1.5,
    steep=0.03,
    leaning=0.02,
    dull=0.02,
    hidden=0.5,
    sliver=0.02,
    night=0.5,
    studio=0.5,
    settled=1.0,
    exposure=0.12,
    adapt=0.15,
    level=(0.22, 0.8),
    weather=0.35,
    grade=0.5,
)
WIDE = Variety(
    name="wide",
    bump=(0.2, 1.6),
    rough=0.1,
    wild=(0.45, 0.47, 0.08),
    any_hue=0.06,
    tilt=8.0,
    above=1.0,
    behind=1.0,
    steep=0.09,
    leaning=0.08,
    dull=0.06,
    hidden=0.75,
    sliver=0.0,
    night=1.0,
    studio=1.0,
    settled=0.75,
    exposure=0.2,
    adapt=0.3,
    level=(0.12, 0.92),
    weather=1.0,
    grade=1.0,
)
VARIETIES = {variety.name: variety for variety in (USUAL, WIDE)}


def variety_of(name: str) -> Variety:
    """The variety of a name.

    Raises:
        RequestError: there is none of that name.
    """
    if name not in VARIETIES:
        raise RequestError(f"no variety {name!r}; there are {', '.join(VARIETIES)}")
    return VARIETIES[name]
