"""The scene families: what kinds of places there are, and which are kept out of training."""

from collections.abc import Callable

from worlds.builder import SceneBuilder
from worlds.cameras import View
from worlds.families import (
    airport,
    castle,
    clutter,
    desert,
    dungeon,
    forest,
    harbour,
    interior,
    nature,
    platformer,
    plaza,
    race_track,
    scifi,
    snow_mountain,
    street,
    tabletop,
    village,
    voxel,
    warehouse,
)

TRAINING: dict[str, Callable[[SceneBuilder], View]] = {
    "street": street.build,
    "nature": nature.build,
    "race_track": race_track.build,
    "plaza": plaza.build,
    "interior": interior.build,
    "village": village.build,
    "warehouse": warehouse.build,
    "desert": desert.build,
    "forest": forest.build,
    "harbour": harbour.build,
    "tabletop": tabletop.build,
    "dungeon": dungeon.build,
    "snow_mountain": snow_mountain.build,
    "scifi": scifi.build,
    "platformer": platformer.build,
    "clutter": clutter.build,
    "voxel": voxel.build,
}
HELD_OUT: dict[str, Callable[[SceneBuilder], View]] = {"castle": castle.build, "airport": airport.build}
FAMILIES: tuple[str, ...] = tuple(TRAINING)
HELD_OUT_FAMILIES: tuple[str, ...] = tuple(HELD_OUT)
BUILDERS: dict[str, Callable[[SceneBuilder], View]] = {**TRAINING, **HELD_OUT}
