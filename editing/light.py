"""A look's light as numbers that tensors can mix: what the draft is drawn with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from torch import Tensor


@dataclass(frozen=True)
class Light:
    """The numbers of a batch's looks, shaped to meet (B, T, C, H, W): colours and directions first, then plain ones.

    They mean what they mean in `worlds.look.Look`; a direction has parts to the right, up and ahead of a level camera.
    """

    sun: Tensor
    zenith: Tensor
    horizon: Tensor
    ground: Tensor
    key: Tensor
    rim: Tensor
    fog: Tensor
    tint: Tensor
    sun_direction: Tensor
    key_direction: Tensor
    rim_direction: Tensor
    shadow: Tensor
    sky_glow: Tensor
    overcast: Tensor
    ambient: Tensor
    fog_density: Tensor
    fog_falloff: Tensor
    water: Tensor
    wet: Tensor
    snow: Tensor
    autumn: Tensor
    exposure: Tensor
    gamma: Tensor
    contrast: Tensor
    saturation: Tensor
    aces: Tensor

    @classmethod
    def of(cls, rows: Tensor) -> Light:
        """``rows``: (B, WIDTH)."""
        parts = rows[:, None, :, None, None].split(SIZES, dim=2)
        return cls(**dict(zip(NAMES, parts, strict=True)))


NAMES = tuple(field.name for field in fields(Light))
SIZES = [3 if index < NAMES.index("shadow") else 1 for index in range(len(NAMES))]
WIDTH = sum(SIZES)
"""Numbers that one look takes."""


def row_of(look: Mapping[str, Any]) -> list[float]:
    """The WIDTH numbers of a look, from its fields (`worlds.look.Look`)."""
    values = {**look, "aces": float(look["tone"] == "aces")}
    for name in ("sun", "key", "rim"):
        turn, rise = float(look[f"{name}_azimuth"]), float(look[f"{name}_elevation"])
        values[f"{name}_direction"] = (
            math.sin(turn) * math.cos(rise),
            math.sin(rise),
            math.cos(turn) * math.cos(rise),
        )
    return [float(value) for name in NAMES for value in np.atleast_1d(values[name])]
