"""The material table: what one row means, the mood of a scene, and the colours that a row may take.

A scene carries an (M <= 128, 20) float32 table. Row layout:
  0 pattern kind (Kind)      1 pattern cells per metre     2, 3 roughness A, B (perceptual, 0..1)
  4-6 colour A, sRGB-coded   7 metallic A                  8-10 colour B, sRGB-coded    11 metallic B
  12 emission (>= 0)         13 bump strength              14 vegetation flag           15 variation (dirt)
  16 pattern seed            17 pattern aspect             18, 19 unused (0)
A pattern mixes A and B over the surface.
"""

import colorsys
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from worlds.variety import USUAL, Variety

MAX_MATERIALS = 128
ROW = 20
Colour = tuple[float, float, float]


class Kind(IntEnum):
    """Pattern kinds, in the numbering that the renderer's shader knows."""

    SOLID = 0
    CHECKER = 1
    BRICK = 2
    BLOTCHES = 3
    PLANKS = 4
    TILES = 5
    GROUND = 6
    FACADE = 7
    STRIPES = 8
    LEAVES = 9
    ROCK = 10
    CORRUGATED = 11
    PANELS = 12
    RUST = 13
    COBBLES = 14
    WEAVE = 15
    MARBLE = 16
    SAND = 17
    SIGNS = 18
    GRADIENT = 19


# patterns that any man-made surface may wear
PLAIN_KINDS = (
    Kind.SOLID,
    Kind.SOLID,
    Kind.CHECKER,
    Kind.BRICK,
    Kind.BLOTCHES,
    Kind.PLANKS,
    Kind.TILES,
    Kind.STRIPES,
    Kind.PANELS,
    Kind.COBBLES,
    Kind.WEAVE,
    Kind.MARBLE,
    Kind.SAND,
    Kind.SIGNS,
    Kind.GRADIENT,
)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """An sRGB-coded colour; hue wraps at 1, the others are clipped to [0, 1]."""
    return colorsys.hsv_to_rgb(hue % 1.0, min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0))


@dataclass(frozen=True)
class Mood:
    """What all materials of one scene have in common, so that clips differ as wholes and not only in parts."""

    gamma: float  # on the value of every colour: < 1 bright, > 1 dark
    saturation: float
    hue: float  # shift of every hue, in turns
    flat: bool  # no patterns, as in low-poly games
    wild: float  # chance that a material takes an unexpected pattern
    metal: float  # chance that a man-made surface is metal
    roughness: float  # added to every roughness
    dirt: float  # factor on variation
    bump: float  # factor on bump

    @staticmethod
    def draw(rng: np.random.Generator, variety: Variety = USUAL) -> "Mood":
        """A mood: moderate, and as extreme as the variety allows."""
        return Mood(
            gamma=float(np.exp(rng.normal(0.0, 0.22))),
            saturation=float(np.clip(rng.normal(0.78, 0.25), 0.05, 1.5)),
            hue=float(rng.random() if rng.random() < variety.any_hue else rng.normal(0, 0.02)),
            flat=bool(rng.random() < 0.13),
            wild=float(rng.choice([0.0, 0.05, 0.25], p=variety.wild)),
            metal=float(rng.choice([0.03, 0.15, 0.34, 0.7], p=[0.27, 0.36, 0.26, 0.11])),
            roughness=float(rng.normal(0, variety.rough)),
            dirt=float(rng.uniform(0.0, 1.8)),
            bump=float(rng.uniform(*variety.bump)),
        )


class MaterialTable:
    """Collects rows; every row passes through the scene's mood."""

    def __init__(self, mood: Mood, rng: np.random.Generator) -> None:
        self.mood = mood
        self._rng = rng
        self._rows: list[list[float]] = []
        self.zoom = 1.0  # factor on pattern cells per metre: more than 1 for small things seen from near

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self,
        kind: int,
        a: Colour,
        b: Colour | None = None,
        *,
        roughness: tuple[float, float] | float = 0.7,
        metallic: tuple[float, float] | float = 0.0,
        scale: float = 1.0,
        emission: float = 0.0,
        bump: float = 0.3,
        vegetation: bool = False,
        dirt: float = 0.25,
        aspect: float = 1.0,
        exact: bool = False,
    ) -> int:
        """Append one row and return its index. `exact` keeps the mood's pattern swaps away (signs, lamps)."""
        if len(self._rows) >= MAX_MATERIALS:
            raise ValueError(
                f"a scene may have {MAX_MATERIALS} materials and this one asks for more; reuse some"
            )
        mood, rng = self.mood, self._rng
        seed = float(rng.uniform(0, 97))
        swap = rng.random()
        swapped = int(rng.choice(PLAIN_KINDS))
        if mood.flat and not exact and kind not in (Kind.GROUND, Kind.FACADE):
            kind, dirt, bump = Kind.SOLID, dirt * 0.2, 0.0
        elif swap < mood.wild and not exact and not vegetation and kind != Kind.FACADE:
            kind = swapped
        rough_a, rough_b = roughness if isinstance(roughness, tuple) else (roughness, roughness)
        metal_a, metal_b = metallic if isinstance(metallic, tuple) else (metallic, metallic)
        a = self._in_mood(a)
        b = a if b is None else self._in_mood(b)
        rough_a, rough_b = (min(max(r + mood.roughness, 0.06), 1.0) for r in (rough_a, rough_b))
        row = [float(kind), scale * self.zoom, rough_a, rough_b, *a, metal_a, *b, metal_b]
        row += [emission, bump * mood.bump, float(vegetation), dirt * mood.dirt, seed, aspect, 0.0, 0.0]
        self._rows.append([float(v) for v in row])
        return len(self._rows) - 1

    def _in_mood(self, colour: Colour) -> Colour:
        hue, saturation, value = colorsys.rgb_to_hsv(*(min(max(float(c), 0.0), 1.0) for c in colour))
        mood = self.mood
        return hsv(hue + mood.hue, saturation * mood.saturation, min(value**mood.gamma, 0.97))

    def rows(self) -> NDArray[np.float32]:
        """The (M, 20) float32 table."""
        return np.array(self._rows, np.float32).reshape(-1, ROW)
