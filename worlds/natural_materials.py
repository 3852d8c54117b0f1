"""Materials that grew or weathered: grass, soil, sand, snow, rock, bark, leaves, water."""

from worlds.materials import Colour, Kind, hsv
from worlds.metals import Paint


class NaturalMaterials(Paint):
    """Samplers of natural surfaces."""

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
