"""Pictures for people: channels in colours one can read, contact sheets, and images packed into a page."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from alaya.colour import linear_to_srgb
from alaya.gbuffer import CHANNELS, GBuffer

# Anchors of a map from dark to bright, of rising lightness, so that near (bright) reads as near in grey too.
_DEPTH_COLOURS = np.array(
    [
        *[(8, 6, 24), (48, 18, 92), (104, 30, 118), (160, 48, 112)],
        *[(214, 78, 86), (246, 134, 76), (253, 198, 120), (254, 246, 202)],
    ],
    np.float32,
)
_SKY = np.uint8(30)  # background in every channel but depth, where it is the farthest colour
_LABEL_HEIGHT = 18
_GAP = 4
_PAPER, _INK = (18, 18, 20), (225, 225, 225)


def depth_limits(depth: np.ndarray) -> tuple[float, float]:
    """Near and far between which depth is coloured: 2nd and 98th percentile; (1, 2) without foreground."""
    finite = depth[np.isfinite(depth)]
    if finite.size == 0:
        return 1.0, 2.0
    near, far = np.percentile(finite, (2, 98))
    return float(near), float(max(far, near * 1.01))


def paint_depth(depth: np.ndarray, near: float, far: float) -> np.ndarray:
    """(H, W, 3) uint8 of a planar depth (H, W, 1): by disparity, near is bright, background darkest."""
    code = (1 / depth[..., 0] - 1 / far) / (1 / near - 1 / far)  # 1/inf is 0: farther than far
    place = np.clip(code, 0, 1) * (len(_DEPTH_COLOURS) - 1)
    below = np.minimum(place.astype(int), len(_DEPTH_COLOURS) - 2)
    share = (place - below)[..., None]
    return np.rint(_DEPTH_COLOURS[below] * (1 - share) + _DEPTH_COLOURS[below + 1] * share).astype(np.uint8)


def paint_channel(clip: GBuffer, frame: int, name: str, limits: tuple[float, float]) -> np.ndarray:
    """(H, W, 3) uint8 of one channel of one frame; depth is coloured between `limits` (near, far)."""
    array = getattr(clip, name)[frame]
    if name == "depth":
        return paint_depth(array, *limits)
    if name == "albedo":
        shown = linear_to_srgb(np.clip(array, 0, 1))
    elif name == "normal":
        shown = array * 0.5 + 0.5
    else:
        shown = np.repeat(array, 3, axis=-1)
    picture = np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8)
    picture[~clip.mask[frame]] = _SKY
    return picture


def paint_frame(clip: GBuffer, frame: int, limits: tuple[float, float]) -> dict[str, np.ndarray]:
    """All five channels of one frame by name, each (H, W, 3) uint8."""
    return {name: paint_channel(clip, frame, name, limits) for name in CHANNELS}


def as_uint8(rgb: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 of an RGB frame that is uint8, uint16 or float in [0, 1]."""
    if rgb.dtype == np.uint8:
        return rgb
    scale = 1 / 257 if rgb.dtype == np.uint16 else 255.0
    return np.rint(np.clip(rgb.astype(np.float32) * scale, 0, 255)).astype(np.uint8)


def contact_sheet(
    rows: Sequence[tuple[str, Sequence[np.ndarray]]], cell_width: int = 208, credit: str | None = None
) -> Image.Image:
    """One picture of labelled rows of (H, W, 3) uint8 frames of one size; `credit` is written below."""
    height, width = rows[0][1][0].shape[:2]
    cell_height = max(1, round(cell_width * height / width))
    columns = max(len(frames) for _, frames in rows)
    row_height = _LABEL_HEIGHT + cell_height + _GAP
    size = (
        columns * (cell_width + _GAP) + _GAP,
        len(rows) * row_height + (_LABEL_HEIGHT if credit else 0) + _GAP,
    )
    sheet = Image.new("RGB", size, _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for row, (label, frames) in enumerate(rows):
        top = row * row_height
        draw.text((_GAP, top + 1), label, fill=_INK, font=font)
        for column, frame in enumerate(frames):
            cell = Image.fromarray(frame).resize((cell_width, cell_height), Image.Resampling.BOX)
            sheet.paste(cell, (_GAP + column * (cell_width + _GAP), top + _LABEL_HEIGHT))
    if credit:
        draw.text((_GAP, size[1] - _LABEL_HEIGHT), credit, fill=_INK, font=font)
    return sheet


def png_bytes(picture: Image.Image) -> bytes:
    """The picture as a PNG file."""
    data = io.BytesIO()
    picture.save(data, "PNG")  # squeezing out the last tenth took a quarter of a short job
    return data.getvalue()


def jpeg_uri(picture: np.ndarray | Image.Image, max_width: int = 832, quality: int = 86) -> str:
    """The picture as a `data:` address of a JPEG not wider than `max_width`, for a page that stands alone."""
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    if image.width > max_width:
        height = max(1, round(image.height * max_width / image.width))
        image = image.resize((max_width, height), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode("ascii")
