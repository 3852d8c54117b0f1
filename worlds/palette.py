"""Samplers of materials by what they stand for: stone, wood, cloth, metal, grass, glass and the rest."""

import numpy as np

from worlds.materials import PLAIN_KINDS, Colour, Kind, MaterialTable, hsv

# hue, saturation, value ranges of bare metals (as specular colours, sRGB-coded)
_METALS = (
    ((0.55, 0.65), (0.0, 0.06), (0.55, 0.9)),  # steel, aluminium, chrome
    ((0.55, 0.65), (0.02, 0.12), (0.3, 0.55)),  # iron, gunmetal
    ((0.1, 0.13), (0.45, 0.7), (0.7, 0.95)),  # gold, brass
    ((0.03, 0.06), (0.4, 0.65), (0.55, 0.85)),  # copper, bronze
    ((0.0, 1.0), (0.25, 0.85), (0.35, 0.85)),  # anodised and lacquered
    ((0.0, 1.0), (0.25, 0.85), (0.2, 0.7)),
)


class Palette:
    """Draws materials into a table; every method returns the new row's index."""

    def __init__(self, table: MaterialTable, rng: np.random.Generator) -> None:
        self.table = table
        self._rng = rng

    def between(self, low: float, high: float) -> float:
        """A uniform number."""
        return float(self._rng.uniform(low, high))

    def colour(
        self,
        hue: tuple[float, float] = (0.0, 1.0),
        saturation: tuple[float, float] = (0.0, 0.8),
        value: tuple[float, float] = (0.15, 0.9),
    ) -> Colour:
        """A colour from hsv ranges."""
        return hsv(self.between(*hue), self.between(*saturation), self.between(*value))

    def shade(self, colour: Colour, low: float, high: float) -> Colour:
        """The same hue, brighter or darker by a factor."""
        factor = self.between(low, high)
        return tuple(min(c * factor, 1.0) for c in colour)  # type: ignore[return-value]

    def anything(self, metal: float | None = None) -> int:
        """Any man-made surface; metal with the scene's own chance unless given."""
        if self._rng.random() < (self.table.mood.metal if metal is None else metal):
            return self.metal()
        a = self.colour()
        b = self.shade(a, 0.35, 1.5) if self._rng.random() < 0.7 else self.colour()
        rough = self.between(0.1, 0.95)
        return self.table.add(
            int(self._rng.choice(PLAIN_KINDS)),
            a,
            b,
            roughness=(rough, float(np.clip(rough + self.between(-0.35, 0.35), 0.06, 1))),
            scale=self.between(0.4, 2.5),
            bump=self.between(0.05, 0.6),
        )

    def or_metal(self, other: str) -> int:
        """The named surface, or metal with the scene's chance."""
        if self._rng.random() < self.table.mood.metal * 0.8:
            return self.metal()
        return getattr(self, other)()

    # --- metals -------------------------------------------------------------------------------------------------
    def metal_colour(self) -> Colour:
        """A metal's specular colour."""
        return self.colour(*_METALS[int(self._rng.integers(len(_METALS)))])

    def metal(self) -> int:
        """Any metal surface."""
        makers = (self.bare_metal, self.panels, self.corrugated, self.rusty, self.bare_metal)
        return makers[int(self._rng.integers(len(makers)))]()

    def bare_metal(self) -> int:
        """Polished to brushed, plain or blotchy."""
        a = self.metal_colour()
        rough = self.between(0.08, 0.65)
        kind = int(
            self._rng.choice([Kind.SOLID, Kind.SOLID, Kind.BLOTCHES, Kind.TILES, Kind.WEAVE, Kind.GRADIENT])
        )
        return self.table.add(
            kind,
            a,
            self.shade(a, 0.55, 1.0),
            roughness=(rough, min(rough + self.between(0, 0.3), 0.85)),
            metallic=1.0,
            scale=self.between(0.5, 3.0),
            bump=self.between(0, 0.2),
            dirt=self.between(0.02, 0.25),
        )

    def panels(self) -> int:
        """Metal panels with rivets and seams."""
        a = self.metal_colour()
        return self.table.add(
            Kind.PANELS,
            a,
            self.shade(a, 0.4, 0.9),
            roughness=(self.between(0.15, 0.6), self.between(0.3, 0.8)),
            metallic=(1.0, float(self._rng.choice([1.0, 1.0, 0.0]))),
            scale=self.between(0.4, 1.6),
            bump=self.between(0.2, 0.7),
            aspect=self.between(0.5, 2.0),
        )

    def corrugated(self, colour: Colour | None = None) -> int:
        """Ribbed sheet metal (containers, sheds, shutters)."""
        a = self.metal_colour() if colour is None else colour
        return self.table.add(
            Kind.CORRUGATED,
            a,
            self.shade(a, 0.55, 0.95),
            roughness=(self.between(0.2, 0.65), self.between(0.3, 0.75)),
            metallic=1.0,
            scale=self.between(1.5, 5.0),
            bump=self.between(0.4, 1.0),
        )

    def rusty(self) -> int:
        """Metal with dielectric rust patches."""
        rust = self.colour((0.02, 0.08), (0.5, 0.85), (0.2, 0.55))
        return self.table.add(
            Kind.RUST,
            self.metal_colour(),
            rust,
            roughness=(self.between(0.15, 0.5), self.between(0.7, 0.95)),
            metallic=(1.0, self.between(0.0, 0.2)),
            scale=self.between(0.4, 1.5),
            bump=self.between(0.2, 0.6),
        )

    def car_paint(self) -> int:
        """A car's skin: metallic flake or plain lacquer, both smooth."""
        metallic = 1.0 if self._rng.random() < 0.45 + 0.4 * self.table.mood.metal else 0.0
        return self.table.add(
            Kind.SOLID,
            self.colour((0, 1), (0.0, 0.95), (0.12, 0.95)),
            roughness=self.between(0.08, 0.4),
            metallic=metallic,
            bump=0.0,
            dirt=0.08,
            exact=True,
        )

    # --- smooth dielectrics -------------------------------------------------------------------------------------
    def plastic(self) -> int:
        """Smooth to matt, saturated."""
        a = self.colour((0, 1), (0.3, 0.95), (0.2, 0.95))
        return self.table.add(Kind.SOLID, a, roughness=self.between(0.08, 0.6), bump=0.0, dirt=0.1)

    def glass(self) -> int:
        """A dark smooth pane."""
        a = self.colour((0.4, 0.7), (0.0, 0.4), (0.03, 0.2))
        return self.table.add(
            Kind.SOLID, a, roughness=self.between(0.06, 0.15), bump=0.0, dirt=0.05, exact=True
        )

    def rubber(self) -> int:
        """Near black and rough (tyres, soles)."""
        return self.table.add(
            Kind.SOLID, (0.12, 0.12, 0.12), roughness=self.between(0.75, 0.95), bump=0.05, exact=True
        )

    def water(self) -> int:
        """A dark, very smooth, gently waved surface."""
        a = self.colour((0.35, 0.6), (0.2, 0.7), (0.08, 0.4))
        return self.table.add(
            Kind.BLOTCHES,
            a,
            self.shade(a, 0.7, 1.3),
            roughness=(0.06, 0.12),
            scale=0.4,
            bump=0.3,
            dirt=0.05,
            exact=True,
        )

    def ceramic(self) -> int:
        """Glazed: bright and smooth, plain or patterned."""
        kind = int(self._rng.choice([Kind.SOLID, Kind.STRIPES, Kind.CHECKER, Kind.GRADIENT, Kind.BLOTCHES]))
        return self.table.add(
            kind,
            self.colour(value=(0.4, 0.97)),
            self.colour(),
            roughness=self.between(0.08, 0.35),
            scale=4,
            bump=0.0,
        )

    # --- walls, floors, roofs -----------------------------------------------------------------------------------
    def wall(self) -> int:
        """Any masonry or boarding."""
        names = ("plaster", "plaster", "brick", "concrete", "planks", "stone", "cobbles")
        return getattr(self, names[int(self._rng.integers(len(names)))])()

    def plaster(self) -> int:
        """Painted wall, often large and plain."""
        hue = float(self._rng.choice([0.02, 0.07, 0.1, 0.13, 0.3, 0.55, 0.6, self.between(0, 1)]))
        a = hsv(hue, self.between(0.0, 0.55), self.between(0.35, 0.97))
        kind = Kind.SOLID if self._rng.random() < 0.5 else Kind.BLOTCHES
        return self.table.add(
            kind,
            a,
            self.shade(a, 0.7, 1.1),
            roughness=self.between(0.55, 0.98),
            scale=self.between(0.3, 1.2),
            bump=0.15,
        )

    def brick(self) -> int:
        """Brickwork with mortar."""
        a = self.colour((0.0, 0.12), (0.05, 0.7), (0.2, 0.85))
        mortar = self.colour((0.05, 0.15), (0, 0.15), (0.3, 0.85))
        rough = (self.between(0.5, 0.95), self.between(0.8, 1.0))
        return self.table.add(Kind.BRICK, a, mortar, roughness=rough, scale=self.between(0.5, 2.0), bump=0.5)

    def concrete(self) -> int:
        """Grey, blotchy or in slabs."""
        a = self.colour((0.05, 0.6), (0.0, 0.12), (0.25, 0.8))
        kind = int(self._rng.choice([Kind.BLOTCHES, Kind.TILES, Kind.SOLID, Kind.PANELS]))
        return self.table.add(
            kind,
            a,
            self.shade(a, 0.55, 0.95),
            roughness=self.between(0.5, 0.98),
            scale=self.between(0.2, 1.2),
            bump=0.25,
        )

    def planks(self) -> int:
        """Boards, raw or painted."""
        raw = self._rng.random() < 0.7
        a = self.colour((0.04, 0.11), (0.2, 0.7), (0.2, 0.75)) if raw else self.colour()
        rough = self.between(0.15, 0.95)
        scale = self.between(0.6, 2.5)
        return self.table.add(Kind.PLANKS, a, self.shade(a, 0.4, 0.8), roughness=rough, scale=scale, bump=0.4)

    def wood(self) -> int:
        """Furniture wood: finer and smoother than boards."""
        a = self.colour((0.04, 0.11), (0.25, 0.75), (0.15, 0.8))
        kind = int(self._rng.choice([Kind.PLANKS, Kind.MARBLE, Kind.SOLID]))
        rough = self.between(0.12, 0.7)
        return self.table.add(
            kind, a, self.shade(a, 0.5, 0.9), roughness=rough, scale=self.between(1.5, 5), bump=0.15
        )

    def stone(self) -> int:
        """Cut or natural stone."""
        a = self.colour((0.05, 0.14), (0.0, 0.3), (0.3, 0.8))
        kind = int(self._rng.choice([Kind.TILES, Kind.BRICK, Kind.ROCK, Kind.COBBLES]))
        return self.table.add(
            kind,
            a,
            self.shade(a, 0.5, 0.85),
            roughness=self.between(0.5, 0.98),
            scale=self.between(0.3, 1.3),
            bump=0.6,
        )

    def cobbles(self) -> int:
        """Rounded paving."""
        a = self.colour((0.03, 0.15), (0.0, 0.35), (0.25, 0.7))
        gap = self.shade(a, 0.3, 0.7)
        rough = (self.between(0.3, 0.85), 0.95)
        return self.table.add(Kind.COBBLES, a, gap, roughness=rough, scale=self.between(1.0, 4.0), bump=0.7)

    def marble(self) -> int:
        """Veined and smooth."""
        a = self.colour((0, 1), (0.0, 0.3), (0.1, 0.95))
        b = self.colour((0, 1), (0.0, 0.4), (0.2, 0.9))
        return self.table.add(
            Kind.MARBLE, a, b, roughness=self.between(0.08, 0.35), scale=self.between(0.4, 2), bump=0.0
        )

    def floor_tiles(self) -> int:
        """Tiles or a checkered floor, dull to polished."""
        a = self.colour((0, 1), (0.0, 0.5), (0.2, 0.92))
        b = self.shade(a, 0.4, 0.8) if self._rng.random() < 0.6 else self.colour(value=(0.1, 0.9))
        kind = int(self._rng.choice([Kind.TILES, Kind.CHECKER, Kind.TILES, Kind.COBBLES]))
        rough = self.between(0.08, 0.8)
        return self.table.add(
            kind, a, b, roughness=(rough, min(rough + 0.2, 1.0)), scale=self.between(0.5, 2.5), bump=0.2
        )

    def floor(self) -> int:
        """Any indoor floor."""
        names = ("floor_tiles", "planks", "marble", "concrete", "fabric", "cobbles", "wood")
        return self.or_metal(names[int(self._rng.integers(len(names)))])

    def roof(self) -> int:
        """Roof tiles, slate, thatch or sheet metal."""
        if self._rng.random() < 0.15 + 0.5 * self.table.mood.metal:
            return self.corrugated()
        a = (
            self.colour((0.0, 0.12), (0.1, 0.75), (0.2, 0.65))
            if self._rng.random() < 0.7
            else self.colour((0.5, 0.7))
        )
        kind = int(self._rng.choice([Kind.BRICK, Kind.STRIPES, Kind.TILES, Kind.PLANKS]))
        return self.table.add(
            kind,
            a,
            self.shade(a, 0.5, 0.85),
            roughness=self.between(0.4, 0.95),
            scale=self.between(1, 2.5),
            bump=0.5,
        )

    def facade(self) -> int:
        """A wall with a lattice of windows."""
        a = self.colour((0.0, 1.0), (0.0, 0.5), (0.25, 0.92))
        metal = float(self._rng.random() < self.table.mood.metal * 0.7)
        return self.table.add(
            Kind.FACADE,
            a,
            self.shade(a, 0.4, 1.3),
            roughness=self.between(0.4, 0.95) if metal < 0.5 else self.between(0.2, 0.5),
            metallic=metal,
            scale=self.between(0.26, 0.55),
            aspect=self.between(0.6, 1.6),
        )

    def fabric(self) -> int:
        """Cloth: rough, woven or striped."""
        kind = int(self._rng.choice([Kind.WEAVE, Kind.STRIPES, Kind.CHECKER, Kind.SOLID, Kind.BLOTCHES]))
        a, b = self.colour((0, 1), (0.1, 0.9), (0.12, 0.9)), self.colour()
        return self.table.add(
            kind, a, b, roughness=self.between(0.75, 1.0), scale=self.between(1, 6), bump=0.3
        )

    def sign(self) -> int:
        """A board with marks that look like writing."""
        a, b = self.colour(value=(0.4, 0.97)), self.colour(value=(0.05, 0.6))
        scale = self.between(0.8, 3)
        return self.table.add(
            Kind.SIGNS, a, b, roughness=self.between(0.1, 0.6), scale=scale, bump=0.0, exact=True
        )

    def light(self) -> int:
        """A glowing surface."""
        a = self.colour((0.05, 0.16), (0.05, 0.4), (0.85, 0.97))
        emission = self.between(0.7, 1.8)
        return self.table.add(Kind.SOLID, a, roughness=0.4, emission=emission, bump=0.0, dirt=0.0, exact=True)

    def skin(self) -> int:
        """A person's skin."""
        return self.table.add(
            Kind.SOLID,
            self.colour((0.04, 0.08), (0.25, 0.65), (0.25, 0.92)),
            roughness=0.5,
            bump=0.0,
            exact=True,
        )

    # --- nature -------------------------------------------------------------------------------------------------
    def grass_colour(self) -> Colour:
        """Green, or dry yellow."""
        if self._rng.random() < 0.22:
            return self.colour((0.09, 0.16), (0.2, 0.6), (0.4, 0.8))
        return self.colour((0.2, 0.36), (0.3, 0.8), (0.22, 0.6))

    def grass(self) -> int:
        """Ground that mixes grass and soil by slope and patch."""
        soil = self.colour((0.05, 0.12), (0.2, 0.6), (0.2, 0.6))
        scale = self.between(0.15, 0.6)
        return self.table.add(
            Kind.GROUND,
            self.grass_colour(),
            soil,
            roughness=(0.95, 0.85),
            scale=scale,
            bump=0.5,
            vegetation=True,
        )

    def soil(self) -> int:
        """Earth, gravel."""
        a = self.colour((0.04, 0.12), (0.1, 0.6), (0.2, 0.65))
        kind = int(self._rng.choice([Kind.BLOTCHES, Kind.ROCK, Kind.SAND, Kind.COBBLES]))
        return self.table.add(
            kind, a, self.shade(a, 0.5, 0.9), roughness=0.95, scale=self.between(0.4, 2), bump=0.5
        )

    def sand(self) -> int:
        """Sand, white to red."""
        a = self.colour((0.04, 0.14), (0.15, 0.65), (0.5, 0.95))
        kind = int(self._rng.choice([Kind.SAND, Kind.SAND, Kind.BLOTCHES, Kind.SOLID]))
        return self.table.add(
            kind, a, self.shade(a, 0.7, 0.95), roughness=0.95, scale=self.between(0.3, 1.5), bump=0.4
        )

    def snow(self) -> int:
        """Near-white ground."""
        a = self.colour((0.5, 0.65), (0.0, 0.08), (0.85, 0.97))
        rough = (self.between(0.4, 0.9), 0.9)
        return self.table.add(
            Kind.BLOTCHES, a, self.shade(a, 0.85, 1), roughness=rough, scale=0.4, bump=0.3, exact=True
        )

    def asphalt(self) -> int:
        """Road surface, black to pale."""
        grey = self.between(0.12, 0.55)
        a = hsv(self.between(0, 1), self.between(0, 0.12), grey)
        rough = (self.between(0.6, 0.95), self.between(0.4, 0.9))
        return self.table.add(
            Kind.BLOTCHES, a, self.shade(a, 0.8, 1.4), roughness=rough, scale=self.between(0.7, 3), bump=0.2
        )

    def rock(self) -> int:
        """Natural rock."""
        a = self.colour((0.03, 0.14), (0.0, 0.45), (0.2, 0.75))
        scale = self.between(0.4, 1.8)
        return self.table.add(
            Kind.ROCK, a, self.shade(a, 0.45, 0.85), roughness=self.between(0.6, 1.0), scale=scale, bump=0.8
        )

    def bark(self) -> int:
        """Tree bark."""
        a = self.colour((0.05, 0.1), (0.15, 0.6), (0.15, 0.5))
        return self.table.add(
            Kind.PLANKS, a, self.shade(a, 0.4, 0.8), roughness=0.92, scale=self.between(2, 5), bump=0.7
        )

    def leaves(self) -> int:
        """Foliage, mostly green, sometimes blossom or autumn."""
        a = (
            self.grass_colour()
            if self._rng.random() < 0.85
            else self.colour((0.85, 1.15), (0.3, 0.8), (0.4, 0.9))
        )
        return self.table.add(
            Kind.LEAVES,
            a,
            self.shade(a, 0.45, 0.75),
            roughness=self.between(0.4, 0.9),
            scale=self.between(1.5, 4),
            bump=self.between(0.4, 1.0),
            vegetation=True,
        )
