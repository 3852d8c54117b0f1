"""The third-person hero of a follow camera: which body stands for which kind."""

import numpy as np

from worlds.builder import YAW, SceneBuilder
from worlds.cameras import HeroTrack
from worlds.figures import add_animal, add_walker
from worlds.vehicles import add_car, add_hover, add_kart


def add_hero(builder: SceneBuilder, track: HeroTrack, rng: np.random.Generator) -> None:
    """Put the hero's body on its track."""
    pose = builder.still()
    pose[:, :3] = track.positions
    pose[:, YAW] = track.yaws
    if track.kind == "walker":
        add_walker(builder, pose, rng, track.speed)
    elif track.kind == "robot":
        add_walker(builder, pose, rng, track.speed, robot=True)
    else:
        makers = {"animal": add_animal, "kart": add_kart, "car": add_car, "hover": add_hover}
        makers[track.kind](builder, pose, rng, track.speed)
