"""Materials that are metal: polished, panelled, corrugated, rusty, lacquered."""

import numpy as np

from worlds.materials import Colour, Kind, MaterialTable, hsv

# hue, saturation, value ranges of bare metals (as specular colours, sRGB-coded)
_METALS = (
    ((0.55, 0.65), (0.0, 0.06), (0.55, 0.9)),  # steel, aluminium, chrome
    ((0.55, 0.65), (0.02, 0.12), (0.3, 0.55)),  # iron, gunmetal
    ((0.1, 0.13), (0.45, 0.7), (0.7, 0.95)),  # gold, brass
    ((0.03, 0.06), (0.4, 0.65), (0.55, 0.85)),  # copper, bronze
    ((0.0, 1.0), (0.25, 0.85), (0.35, 0.85)),  # anodised and lacquered
    ((0.0, 1.0), (0.25, 0.85), (0.2, 0.7)),
)


class Paint:
    """Draws colours for one table; every other method of its heirs returns a new row's index."""

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


class Metals(Paint):
    """Samplers of metal surfaces."""

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
