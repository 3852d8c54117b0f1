"""What the published inverse renderer draws: one picture a pass, and how pictures become G-buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from alaya.codes import RELATIVE_RANGE
from alaya.colour import linear_to_srgb, srgb_to_linear
from alaya.extra_channels import BLENDED_NORMAL
from alaya.gbuffer import GBuffer

PASSES = {"albedo": 0, "normal": 3, "depth": 4, "roughness": 2, "metallic": 1}
"""A G-buffer's channels -> rows of the network's table, in the order the reference draws them."""
EXTRA_PASSES = {"diffuse_albedo": 5, "specular_albedo": 6}
"""Pictures the network can draw that no G-buffer holds."""
MIN_LENGTH = 1e-3


def to_gbuffer(pictures: Mapping[str, np.ndarray]) -> GBuffer:
    """Pictures to G-buffers of the clip contract.

    The depth picture is kept as disparity between the limits of relative depth, so that its code is stored as it
    came; the network marks no background. Scalar channels are the mean of the picture's three.

    Args:
        pictures: name -> (T, h, w, 3) as decoded, about [-1, 1], for the names of `PASSES`.
    """
    unit = {name: np.clip(pictures[name] * 0.5 + 0.5, 0, 1) for name in PASSES if name != "normal"}
    scalars = {name: unit[name].mean(-1, keepdims=True) for name in ("depth", "roughness", "metallic")}
    near, far = RELATIVE_RANGE.near, RELATIVE_RANGE.far
    disparity = scalars["depth"] * (1 / near - 1 / far) + 1 / far
    return GBuffer(
        albedo=srgb_to_linear(unit["albedo"]).astype(np.float32),
        normal=unit_normals(pictures["normal"]),
        depth=np.clip(1 / disparity, near, far).astype(np.float32),
        roughness=scalars["roughness"].astype(np.float32),
        metallic=scalars["metallic"].astype(np.float32),
    )


def to_extras(pictures: Mapping[str, np.ndarray], names: Sequence[str]) -> dict[str, np.ndarray]:
    """What of `alaya.extra_channels` was asked for: name -> (T, h, w, 3) float32 in [0, 1].

    Args:
        pictures: as decoded, about [-1, 1]; those asked for, and "normal".
        names: of `EXTRA_CHANNELS`.
    """
    drawn = {**pictures, BLENDED_NORMAL: blended_normals(pictures["normal"])}
    return {name: np.clip(drawn[name] * 0.5 + 0.5, 0, 1).astype(np.float32) for name in names}


def to_pictures(gbuffer: GBuffer) -> dict[str, np.ndarray]:
    """The way back from `to_gbuffer`, for teaching: name -> (T, h, w, 3) float32 in [-1, 1].

    Background is as far as depth goes, and black or without direction elsewhere.
    """
    near, far = np.float32(1 / RELATIVE_RANGE.near), np.float32(1 / RELATIVE_RANGE.far)
    unit = {
        "albedo": linear_to_srgb(gbuffer.albedo),
        "depth": np.clip((1 / gbuffer.depth - far) / (near - far), 0, 1),
        "roughness": gbuffer.roughness,
        "metallic": gbuffer.metallic,
    }
    shape = gbuffer.albedo.shape
    pictures = {name: np.broadcast_to(values, shape) * np.float32(2) - 1 for name, values in unit.items()}
    return {**pictures, "normal": gbuffer.normal}


def unit_normals(vectors: np.ndarray) -> np.ndarray:
    """(..., 3) vectors to unit length, float32; where the network said nothing, a surface that faces the viewer."""
    vectors = vectors.astype(np.float32)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    facing = np.array([0, 0, 1], np.float32)
    return np.where(length > MIN_LENGTH, vectors / np.maximum(length, MIN_LENGTH), facing)


def blended_normals(vectors: np.ndarray) -> np.ndarray:
    """The reference's normal picture: unit length where vectors are long, left as they are below 0.2."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    share = np.clip((length - 0.2) / 0.2, 0, 1)
    return vectors * (1 - share) + vectors / np.maximum(length, 1e-6) * share
