"""Overlays such as games draw over the picture: bars, panels, minimaps, lettering, crosshairs."""

import string
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Painter = Callable[[ImageDraw.ImageDraw, int, int, np.random.Generator], None]


def hud_layer(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Draw two to seven random elements. Returns (H, W, 4) uint8: sRGB and coverage."""
    layer = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    for _ in range(rng.integers(2, 8)):
        PAINTERS[rng.integers(len(PAINTERS))](draw, height, width, rng)
    return np.array(layer)


def overlay(rgb: np.ndarray, layer: np.ndarray, strength: float) -> np.ndarray:
    """Lay `layer` (H, W, 4) over each frame of rgb (T, H, W, 3) uint8, its coverage times `strength`."""
    rows, columns = np.nonzero(layer[..., 3])
    cover = layer[rows, columns, 3:].astype(np.float32) * np.float32(strength / 255)
    below = rgb[:, rows, columns].astype(np.float32)
    mixed = below + cover * (layer[rows, columns, :3] - below)
    out = rgb.copy()
    out[:, rows, columns] = np.rint(mixed).astype(np.uint8)
    return out


def _colour(rng: np.random.Generator, opaque: float = 0.5) -> tuple[int, int, int, int]:
    """A HUD colour: white, grey-black or saturated, with coverage from `opaque` to 1."""
    kind = rng.integers(3)
    if kind == 0:
        rgb = np.full(3, rng.integers(210, 256))
    elif kind == 1:
        rgb = np.full(3, rng.integers(0, 60))
    else:
        rgb = rng.permutation([rng.integers(0, 80), rng.integers(0, 256), rng.integers(180, 256)])
    return int(rgb[0]), int(rgb[1]), int(rgb[2]), int(255 * rng.uniform(opaque, 1))


def _corner(height: int, width: int, size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    """Upper left point of a box (w, h) at an edge of the picture, where games put things."""
    free_x, free_y = max(width - size[0], 1), max(height - size[1], 1)
    x = [rng.uniform(0.01, 0.06), rng.uniform(0.94, 0.99), rng.uniform(0.3, 0.7)][rng.integers(3)]
    y = [rng.uniform(0.01, 0.06), rng.uniform(0.94, 0.99)][rng.integers(2)]
    return int(x * free_x), int(y * free_y)


def _bar(draw: ImageDraw.ImageDraw, height: int, width: int, rng: np.random.Generator) -> None:
    size = int(width * rng.uniform(0.12, 0.4)), max(2, int(height * rng.uniform(0.012, 0.045)))
    x, y = _corner(height, width, size, rng)
    draw.rectangle((x, y, x + size[0], y + size[1]), fill=_colour(rng, 0.3), outline=_colour(rng))
    filled = int(size[0] * rng.uniform(0.1, 1))
    draw.rectangle((x, y, x + filled, y + size[1]), fill=_colour(rng, 0.7))


def _panel(draw: ImageDraw.ImageDraw, height: int, width: int, rng: np.random.Generator) -> None:
    size = int(width * rng.uniform(0.08, 0.3)), int(height * rng.uniform(0.06, 0.25))
    x, y = _corner(height, width, size, rng)
    radius = int(rng.uniform(0, min(size) / 3))
    box = (x, y, x + size[0], y + size[1])
    draw.rounded_rectangle(box, radius, fill=_colour(rng, 0.25), outline=_colour(rng))
    _letters(draw, x + 2, y + 1, max(6, size[1] // 3), rng)


def _minimap(draw: ImageDraw.ImageDraw, height: int, width: int, rng: np.random.Generator) -> None:
    side = int(height * rng.uniform(0.14, 0.32))
    x, y = _corner(height, width, (side, side), rng)
    shape = draw.ellipse if rng.random() < 0.6 else draw.rectangle
    shape((x, y, x + side, y + side), fill=_colour(rng, 0.4), outline=_colour(rng, 0.8))
    for _ in range(rng.integers(2, 8)):
        at_x, at_y = x + side * rng.uniform(0.25, 0.75), y + side * rng.uniform(0.25, 0.75)
        if rng.random() < 0.5:
            dot = max(1.0, side * 0.04)
            draw.ellipse((at_x - dot, at_y - dot, at_x + dot, at_y + dot), fill=_colour(rng, 0.9))
        else:
            draw.line((x + side / 2, y + side / 2, at_x, at_y), fill=_colour(rng, 0.7), width=1)


def _label(draw: ImageDraw.ImageDraw, height: int, width: int, rng: np.random.Generator) -> None:
    size = max(6, int(height * rng.uniform(0.045, 0.13)))
    x, y = _corner(height, width, (size * 5, size), rng)
    _letters(draw, x, y, size, rng)


def _crosshair(draw: ImageDraw.ImageDraw, height: int, width: int, rng: np.random.Generator) -> None:
    x, y, arm = width / 2, height / 2, height * rng.uniform(0.015, 0.05)
    colour = _colour(rng, 0.7)
    if rng.random() < 0.4:
        draw.ellipse((x - arm, y - arm, x + arm, y + arm), outline=colour)
    else:
        gap = arm * rng.uniform(0, 0.5)
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            draw.line((x + gap * dx, y + gap * dy, x + arm * dx, y + arm * dy), fill=colour, width=1)


def _icons(draw: ImageDraw.ImageDraw, height: int, width: int, rng: np.random.Generator) -> None:
    side, count = max(4, int(height * rng.uniform(0.04, 0.11))), int(rng.integers(2, 8))
    x, y = _corner(height, width, (side * count, side), rng)
    back, front = _colour(rng, 0.4), _colour(rng, 0.8)
    for slot in range(count):
        left = x + slot * (side + 2)
        draw.rectangle((left, y, left + side, y + side), fill=back, outline=front)
        if rng.random() < 0.6:
            draw.regular_polygon(
                (left + side / 2, y + side / 2, side / 3), int(rng.integers(3, 7)), fill=front
            )


def _letters(draw: ImageDraw.ImageDraw, x: int, y: int, size: int, rng: np.random.Generator) -> None:
    text = "".join(rng.choice(list(string.ascii_letters + string.digits + " :/"), rng.integers(2, 12)))
    font = ImageFont.load_default(size)
    if rng.random() < 0.5:
        draw.text((x + 1, y + 1), text, font=font, fill=(0, 0, 0, 200))
    draw.text((x, y), text, font=font, fill=_colour(rng, 0.8))


PAINTERS: tuple[Painter, ...] = (_bar, _panel, _minimap, _label, _crosshair, _icons)
