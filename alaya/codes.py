"""The integer codes that channels are stored as in PNG and video files, and the way back."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from alaya.colour import linear_to_srgb, srgb_table
from alaya.errors import ClipError

MAX_CODE = 65535
ROUNDED_LENGTH = np.float32(4e-5)
MIN_LENGTH = 0.1  # decoded normals shorter than this stand for "no surface"


@dataclass(frozen=True)
class DepthRange:
    """Near and far plane of a clip's depth code; the same numbers for every frame of the clip."""

    near: float
    far: float

    def __post_init__(self) -> None:
        if not 0 < self.near < self.far < float("inf"):
            raise ClipError(f"depth range must be 0 < near < far, got near {self.near:g}, far {self.far:g}")


# A foreign clip's depth picture says nothing about units: its code is kept as disparity between these.
RELATIVE_RANGE = DepthRange(near=1.0, far=1000.0)


@dataclass(frozen=True)
class DepthScale:
    """Which integer codes stand for depth.

    Attributes:
        first: code of `far`; `last` is the code of `near`. Codes below `threshold` are background.
        last: highest code.
        threshold: lowest code read as foreground.
    """

    first: int
    last: int
    threshold: int


PNG_DEPTH = DepthScale(first=1, last=MAX_CODE, threshold=1)
PNG8_DEPTH = DepthScale(first=1, last=255, threshold=1)
# Lossy video smears zero: a gap keeps sky and far foreground apart after compression.
VIDEO_DEPTH = DepthScale(first=24, last=255, threshold=12)
# Foreign lossy pictures leave no gap: only the two darkest codes can be taken for sky.
LOSSY_DEPTH = {np.uint8: DepthScale(1, 255, 2), np.uint16: DepthScale(257, MAX_CODE, 514)}


def encode_depth(depth: np.ndarray, limits: DepthRange, scale: DepthScale = PNG_DEPTH) -> np.ndarray:
    """Depth to codes that are linear in disparity, near bright: first + round((last-first) * d).

    d = (1/z - 1/far) / (1/near - 1/far), clamped to [0, 1]; +inf gives 0.

    Args:
        depth: any shape, float32 > 0, +inf is background.
        limits: near and far, in the unit of depth.
        scale: the codes to use.

    Returns:
        uint16 of the same shape.
    """
    inverse_far = np.float32(1 / limits.far)
    span = np.float32(1 / limits.near - 1 / limits.far)
    disparity = np.clip((1 / depth - inverse_far) / span, 0, 1)
    codes = scale.first + np.rint(np.float32(scale.last - scale.first) * disparity).astype(np.uint16)
    return np.where(np.isinf(depth), np.uint16(0), codes)


def decode_depth(codes: np.ndarray, limits: DepthRange, scale: DepthScale = PNG_DEPTH) -> np.ndarray:
    """Codes to depth, float32 of the same shape; background is +inf."""
    return depth_table(limits, scale)[codes]


@lru_cache(maxsize=4)
def depth_table(limits: DepthRange, scale: DepthScale) -> np.ndarray:
    """Depth of every code: (last + 1,) float32, +inf below the threshold."""
    codes = np.arange(scale.last + 1)
    disparity = np.maximum(codes - scale.first, 0) / (scale.last - scale.first)
    depth = 1 / (disparity * (1 / limits.near - 1 / limits.far) + 1 / limits.far)
    table = np.where(codes < scale.threshold, np.inf, depth).astype(np.float32)
    table.flags.writeable = False
    return table


def encode_normal(normal: np.ndarray, max_code: int = MAX_CODE) -> np.ndarray:
    """Normals to round(max_code * (n*0.5 + 0.5)); the zero vector gives the middle code (32768 of 65535).

    Args:
        normal: (..., 3) float32, unit vectors or zero.
        max_code: 65535 or 255.

    Returns:
        (..., 3) uint16.
    """
    half = np.float32(0.5 * max_code)
    # floor(x + 0.5) and not rint: 32767.5 must give 32768, rint would choose the even neighbour by luck
    return np.floor(np.clip(normal, -1, 1) * half + (half + np.float32(0.5))).astype(np.uint16)


def decode_normal(codes: np.ndarray, foreground: np.ndarray | None, max_code: int = MAX_CODE) -> np.ndarray:
    """Codes to unit normals, zero on background.

    Args:
        codes: (..., 3) unsigned integers.
        foreground: (...) bool from the depth; None where there is no depth: then what is far from unit
            length (the middle code) is background.
        max_code: highest code, 65535 or 255.

    Returns:
        (..., 3) float32.
    """
    normal = codes.astype(np.float32)
    normal *= np.float32(2 / max_code)
    normal -= 1
    length = np.sqrt(np.einsum("...c,...c->...", normal, normal))
    surface = length > MIN_LENGTH if foreground is None else foreground
    # what 16-bit rounding alone did to the length is left, so that decoding and coding again changes nothing
    divisor = np.where(np.abs(length - 1) < ROUNDED_LENGTH, 1, np.maximum(length, np.float32(1e-6)))
    scale = (surface / divisor).astype(np.float32, copy=False)
    for channel in range(3):  # numpy is slow over a last axis of three
        normal[..., channel] *= scale
    return normal


def encode_unit(values: np.ndarray, max_code: int = MAX_CODE) -> np.ndarray:
    """Values in [0, 1] to round(max_code * v), uint16."""
    return np.rint(np.clip(values, 0, 1) * np.float32(max_code)).astype(np.uint16)


def decode_unit(codes: np.ndarray, max_code: int = MAX_CODE) -> np.ndarray:
    """Codes to values in [0, 1], float32."""
    return codes.astype(np.float32) * np.float32(1 / max_code)


def encode_albedo(albedo: np.ndarray, max_code: int = MAX_CODE) -> np.ndarray:
    """Linear albedo in [0, 1] to sRGB codes, uint16."""
    return encode_unit(linear_to_srgb(albedo), max_code)


def decode_albedo(codes: np.ndarray, max_code: int = MAX_CODE) -> np.ndarray:
    """SRGB codes, none above `max_code`, to linear albedo in [0, 1], float32."""
    return srgb_table(max_code).take(codes, mode="clip")  # half the time of the mode that checks each code


def encode_channel(
    name: str, values: np.ndarray, limits: DepthRange | None, scale: DepthScale = PNG_DEPTH
) -> np.ndarray:
    """Code one channel of one frame, (H, W, C) float32 to uint16; `scale.last` is the highest code of all."""
    if name == "depth":
        if limits is None:
            raise ClipError("depth needs near and far to be coded")
        return encode_depth(values, limits, scale)
    encoder = {"albedo": encode_albedo, "normal": encode_normal}.get(name, encode_unit)
    return encoder(values, scale.last)


def decode_channel(name: str, codes: np.ndarray, foreground: np.ndarray | None) -> np.ndarray:
    """Decode one channel other than depth of one frame.

    Args:
        name: channel name.
        codes: (H, W, C) uint8 or uint16.
        foreground: (H, W) bool, None where the clip has no depth.

    Returns:
        (H, W, C) float32, zero on background.
    """
    max_code = int(np.iinfo(codes.dtype).max)
    if name == "normal":
        return decode_normal(codes, foreground, max_code)
    values = decode_albedo(codes, max_code) if name == "albedo" else decode_unit(codes, max_code)
    if foreground is not None:
        for channel in range(values.shape[-1]):  # a fifth of the time of writing through the mask
            values[..., channel] *= foreground
    return values
