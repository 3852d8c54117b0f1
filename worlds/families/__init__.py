"""The scene families: what kinds of places there are, and which are kept out of training."""

from collections.abc import Callable

from worlds.builder import SceneBuilder
from worlds.cameras import View
from worlds.families import nature, plaza, street

FAMILIES: tuple[str, ...] = ("street", "plaza", "nature")
HELD_OUT_FAMILIES: tuple[str, ...] = ()
BUILDERS: dict[str, Callable[[SceneBuilder], View]] = {
    "street": street.build,
    "plaza": plaza.build,
    "nature": nature.build,
}
