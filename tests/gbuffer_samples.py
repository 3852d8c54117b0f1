"""Made-up G-buffer clips that keep the contract, for the tests of clips on disk."""

import numpy as np

from alaya.errors import AlayaError
from alaya.gbuffer import GBuffer


def make_gbuffer(num_frames: int, height: int, width: int, *, seed: int, near=0.5, far=100.0) -> GBuffer:
    """Random channels with a patch of sky at the top left of every frame."""
    rng = np.random.default_rng(seed)
    shape = (num_frames, height, width)
    depth = 1 / rng.uniform(1 / far, 1 / near, (*shape, 1)).astype(np.float32)
    depth = np.clip(depth, near, far).astype(np.float32)
    depth[:, : max(1, height // 3), : max(1, width // 2)] = np.inf
    mask = np.isfinite(depth)
    normal = rng.normal(size=(*shape, 3))
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)

    def cut(values: np.ndarray) -> np.ndarray:
        return np.where(mask, values, 0).astype(np.float32)

    return GBuffer(
        albedo=cut(rng.random((*shape, 3))),
        normal=cut(normal),
        depth=depth,
        roughness=cut(rng.random((*shape, 1))),
        metallic=cut(rng.random((*shape, 1))),
    )


def make_smooth_gbuffer(num_frames: int, height: int, width: int) -> GBuffer:
    """Gentle gradients, which survive lossy video; sky above the middle row."""
    y, x = np.mgrid[0:height, 0:width]
    mask = np.broadcast_to((y >= height // 2)[None, :, :, None], (num_frames, height, width, 1))
    tilt = 0.6 * (x / width - 0.5)
    normal = np.stack([np.sin(tilt), np.zeros_like(tilt), np.cos(tilt)], -1)

    def cut(values: np.ndarray) -> np.ndarray:
        values = values[None, ..., None] if values.ndim == 2 else values[None]
        return np.where(mask, values, 0).astype(np.float32)

    albedo = np.stack([0.2 + 0.3 * x / width, 0.3 + 0.1 * y / height, np.full(x.shape, 0.25)], -1)
    depth = np.where(mask, (2 + 3 * (height - y) / height)[None, ..., None], np.inf).astype(np.float32)
    return GBuffer(cut(albedo), cut(normal), depth, cut(0.3 + 0.4 * x / width), cut(0.8 * y / height))


def outcome(function, *args):
    """What `function` returns, or the message of the error that it raises for a person to read."""
    try:
        return function(*args)
    except AlayaError as error:
        return str(error)
