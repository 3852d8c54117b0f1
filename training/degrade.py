"""What recording, streaming and settings do to a game's picture, for the inputs of the inverse model.

Every step takes rgb (T, H, W, 3) uint8 sRGB, gives the same shape and type, draws all chance from `rng`, and
leaves the pictures alone at strength 0.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from PIL import Image, ImageFilter

from alaya.colour import linear_to_srgb, srgb_to_linear
from training.hud import hud_layer, overlay

_LINEAR = srgb_to_linear(np.arange(256) / 255)
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True)
class Chances:
    """How often each degradation is met, in the order in which they are applied."""

    tone: float = 0.5
    saturation: float = 0.25
    vignette: float = 0.15
    blur: float = 0.15
    sharpen: float = 0.15
    scaling: float = 0.25
    noise: float = 0.3
    hud: float = 0.3
    chroma: float = 0.15
    jpeg: float = 0.25
    video: float = 0.12


def degrade(
    rgb: np.ndarray, rng: np.random.Generator, strength: float = 1.0, chances: Chances | None = None
) -> np.ndarray:
    """Draw some degradations and apply them to a clip.

    Args:
        rgb: (T, H, W, 3) uint8 sRGB.
        rng: every choice comes from it; the same state gives the same bytes.
        strength: 0 leaves the clip alone, 1 is as in games' recordings; scales both chance and effect.
        chances: how often each is met at strength 1.

    Returns:
        (T, H, W, 3) uint8, a new array unless nothing was applied.
    """
    chances = chances or Chances()
    drawn = rng.random(len(STEPS))
    for (name, step), draw in zip(STEPS.items(), drawn, strict=True):
        if draw < getattr(chances, name) * strength:
            rgb = step(rgb, rng, strength)
    return rgb


def tone(rgb: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Exposure (+-0.5 stops), white balance, gamma, contrast and lifted blacks, as one table per channel."""
    gains = 2 ** (strength * (rng.uniform(-0.5, 0.5) + rng.normal(0, 0.08, 3)))
    gamma = float(np.exp(strength * rng.normal(0, 0.18)))
    contrast, lift = strength * rng.uniform(-0.5, 0.7), strength * max(0.0, rng.normal(-0.02, 0.04))
    coded = linear_to_srgb(np.clip(gains[:, None] * _LINEAR, 0, 1)) ** gamma  # (3, 256)
    coded = coded + contrast * (coded * coded * (3 - 2 * coded) - coded)  # toward (or away from) an S-curve
    tables = np.rint(255 * np.clip(lift + (1 - lift) * coded, 0, 1)).astype(np.uint8)
    return np.stack([tables[channel][rgb[..., channel]] for channel in range(3)], axis=-1)


def saturation(rgb: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Move colours away from or toward their grey."""
    amount = np.float32(1 + strength * rng.uniform(-0.6, 0.5))
    matrix = amount * np.eye(3, dtype=np.float32) + (1 - amount) * _LUMA[:, None]
    return _to_bytes(rgb.astype(np.float32) @ matrix)


def vignette(rgb: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Darken toward the corners, by up to a half there."""
    height, width = rgb.shape[1:3]
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    fall = 1 - strength * rng.uniform(0.1, 0.5) * ((x * x + y * y) / 2) ** rng.uniform(0.7, 1.6)
    return _to_bytes(rgb * fall.astype(np.float32)[..., None])


def blur(rgb: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Soften by up to 0.9 pixels, more in pictures higher than 144."""
    radius = strength * rng.uniform(0.3, 0.9) * max(rgb.shape[1] / 144, 1)
    return _each(rgb, lambda picture: picture.filter(ImageFilter.GaussianBlur(radius)))


def sharpen(rgb: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Sharpen with halos, as television sets and upscalers do."""
    percent = int(strength * rng.uniform(30, 180))
    mask = ImageFilter.UnsharpMask(rng.uniform(0.6, 1.5), percent, 0)
    return _each(rgb, lambda picture: picture.filter(mask))


def scaling(rgb: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Render or stream at a lower resolution: down and up again with random filters."""
    height, width = rgb.shape[1:3]
    factor = 1 - strength * rng.uniform(0.1, 0.6)
    small = max(1, round(width * factor)), max(1, round(height * factor))
    filters = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
    down, up = filters[rng.integers(3)], filters[rng.integers(3)]
    return _each(rgb, lambda picture: picture.resize(small, down).resize((width, height), up))


def noise(rgb: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Film grain, new in every frame: grey or coloured, up to 4 % of the range."""
    channels = 1 if rng.random() < 0.6 else 3
    grain = rng.standard_normal((*rgb.shape[:3], channels), np.float32)
    return _to_bytes(rgb + grain * np.float32(255 * strength * rng.uniform(0.005, 0.04)))


def hud(rgb: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Lay a game's overlay over the clip, the same in every frame."""
    return overlay(rgb, hud_layer(rgb.shape[1], rgb.shape[2], rng), min(strength, 1.0))


def chroma(rgb: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Keep colour at a half or a quarter of the resolution."""
    if strength == 0:
        return rgb
    divisor = (2, 4)[rng.integers(2)]

    def coarse(picture: Image.Image) -> Image.Image:
        size = picture.size
        small = max(1, size[0] // divisor), max(1, size[1] // divisor)
        y, *colours = picture.convert("YCbCr").split()
        colours = [plane.resize(small, Image.Resampling.BOX).resize(size) for plane in colours]
        return Image.merge("YCbCr", [y, *colours]).convert("RGB")

    return _each(rgb, coarse)


def jpeg(rgb: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Compress every frame by itself: 8x8 blocks, halved colour."""
    if strength == 0:
        return rgb
    quality = int(np.clip(95 - strength * rng.uniform(5, 65), 10, 95))

    def compressed(picture: Image.Image) -> Image.Image:
        held = io.BytesIO()
        picture.save(held, "JPEG", quality=quality, subsampling=2)
        return Image.open(held)

    return _each(rgb, compressed)


def video(rgb: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Compress the clip as a video: H.264 at a low rate, errors that hold on over frames."""
    if strength == 0:
        return rgb
    crf = str(int(18 + min(strength, 1.5) * rng.uniform(2, 20)))
    held, (num_frames, height, width, _) = io.BytesIO(), rgb.shape
    with av.open(held, "w", format="matroska") as container:
        options = {"crf": crf, "preset": "veryfast", "threads": "1"}
        stream = container.add_stream("libx264", rate=Fraction(24), options=options)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv420p" if height % 2 == width % 2 == 0 else "yuv444p"
        for frame in rgb:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")))
        container.mux(stream.encode())
    held.seek(0)
    with av.open(held, "r") as coded:
        coded.streams.video[0].thread_count = 1
        decoded = [frame.to_ndarray(format="rgb24") for frame in coded.decode(video=0)]
    assert len(decoded) == num_frames, f"{num_frames} frames in, {len(decoded)} out"
    return np.stack(decoded)


STEPS: dict[str, Callable[[np.ndarray, np.random.Generator, float], np.ndarray]] = {
    "tone": tone,
    "saturation": saturation,
    "vignette": vignette,
    "blur": blur,
    "sharpen": sharpen,
    "scaling": scaling,
    "noise": noise,
    "hud": hud,
    "chroma": chroma,
    "jpeg": jpeg,
    "video": video,
}
"""Name in Chances -> what it does, in the order applied."""


def _to_bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


def _each(rgb: np.ndarray, work: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(work(Image.fromarray(frame))) for frame in np.ascontiguousarray(rgb)])
