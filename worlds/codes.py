"""How each channel of a worlds dataset is coded in few bytes, and how it comes back in world units."""

import numpy as np

from alaya.colour import linear_to_srgb, srgb_to_linear

DEPTH_NEAR = 0.1
"""Metres; depth code 1. Nearer surfaces are stored as this."""
DEPTH_FAR = 10_000.0
"""Metres; depth code 65535. Farther surfaces are stored as this; the sky is code 0."""
_DEPTH_SPAN = float(np.log(DEPTH_FAR / DEPTH_NEAR))

_code = np.arange(65536, dtype=np.float64)
DEPTH_TABLE = np.where(
    _code > 0, DEPTH_NEAR * np.exp(_DEPTH_SPAN * np.maximum(_code - 1, 0) / 65534), np.inf
).astype(np.float32)
"""(65536,) float32: metres for each depth code, +inf for code 0."""

ALBEDO_TABLE = np.asarray(srgb_to_linear(np.arange(256) / 255), np.float32)
"""(256,) float32: linear reflectance for each sRGB-coded byte."""


def encode_unit(values: np.ndarray) -> np.ndarray:
    """Store [0, 1] floats as uint8, `round(255 * v)`."""
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def decode_unit(codes: np.ndarray) -> np.ndarray:
    """Give uint8 codes back as float32 in [0, 1]."""
    return codes.astype(np.float32) * np.float32(1 / 255)


def encode_albedo(linear: np.ndarray) -> np.ndarray:
    """Store linear Rec.709 reflectance in [0, 1] as sRGB-coded uint8."""
    return encode_unit(np.asarray(linear_to_srgb(np.clip(linear, 0, 1))))


def decode_albedo(codes: np.ndarray) -> np.ndarray:
    """Give sRGB-coded uint8 back as linear float32 reflectance."""
    return ALBEDO_TABLE[codes]


def encode_normal(normal: np.ndarray) -> np.ndarray:
    """Store camera-space normals (..., 3) in [-1, 1] as int8, `round(127 * n)`; sky is (0, 0, 0)."""
    return np.rint(np.clip(normal, -1, 1) * 127).astype(np.int8)


def decode_normal(codes: np.ndarray) -> np.ndarray:
    """Give int8 normals (..., 3) back as float32 unit vectors; (0, 0, 0) stays zero."""
    normal = codes.astype(np.float32)
    length = np.sqrt(np.einsum("...c,...c->...", normal, normal))
    return normal / np.maximum(length, 1)[..., None]


def encode_depth(depth: np.ndarray) -> np.ndarray:
    """Store planar depth in metres as a logarithmic uint16 code (steps of 1.8e-4 relative); +inf is 0."""
    finite = np.isfinite(depth)
    near = np.clip(np.where(finite, depth, DEPTH_FAR), DEPTH_NEAR, DEPTH_FAR).astype(np.float64)
    code = 1 + np.rint(65534 * np.log(near / DEPTH_NEAR) / _DEPTH_SPAN)
    return np.where(finite, code, 0).astype(np.uint16)


def decode_depth(codes: np.ndarray) -> np.ndarray:
    """Give uint16 depth codes back as float32 metres, +inf where the sky is."""
    return DEPTH_TABLE[codes]


def encode_emission(emission: np.ndarray) -> np.ndarray:
    """Store emission >= 0 as uint8, `round(255 * e / (1 + e))`, at most 254."""
    positive = np.maximum(emission, 0)
    return np.minimum(np.rint(255 * positive / (1 + positive)), 254).astype(np.uint8)


def decode_emission(codes: np.ndarray) -> np.ndarray:
    """Give uint8 emission codes back as float32, `c / (255 - c)`."""
    code = codes.astype(np.float32)
    return code / (255 - code)


def encode_motion(motion: np.ndarray) -> np.ndarray:
    """Store pixel displacements (..., 2) as float16, clipped to +-2048 (11 bits: 1/16 pixel steps at 64)."""
    return np.clip(motion, -2048, 2048).astype(np.float16)
