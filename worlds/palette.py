"""Samplers of materials by what they stand for: the man-made ones here, metals and nature in their own files."""

import numpy as np

from worlds.materials import PLAIN_KINDS, Kind, hsv
from worlds.metals import Metals
from worlds.natural_materials import NaturalMaterials


class Palette(Metals, NaturalMaterials):
    """Draws materials into a table; every method returns the new row's index."""

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

    def wall(self) -> int:
        """Any masonry or boarding."""
        names = ("plaster", "plaster", "brick", "concrete", "planks", "stone", "cobbles")
        return getattr(self, names[int(self._rng.integers(len(names)))])()

    def plaster(self) -> int:
        """Painted wall, often large and plain."""
        hue = float(self._rng.choice([0.02, 0.07, 0.1, 0.13, 0.3, 0.55, 0.6, self.between(0, 1)]))
        white = self._rng.random() < 0.2  # bright walls must not be taken for sky
        a = hsv(hue, self.between(0.0, 0.06 if white else 0.55), self.between(0.85 if white else 0.35, 0.97))
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
