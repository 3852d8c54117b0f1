"""The way between coded video pixels (YUV or RGB, any range and matrix) and sRGB arrays.

Reading follows the tags. Untagged YUV is read as players read it: BT.601 up to 576 lines and less than 1280
columns, BT.709 above, limited range. Writing is always BT.709, limited range, and tagged so. Only matrix
and range are converted: PQ and HLG curves and BT.2020 primaries are left as they are, and probing says so.
"""

import av
import numpy as np
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    Interpolation,
    VideoReformatter,
)

# ITU-T H.273 matrix_coefficients -> swscale's name for the matrix
_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
_HDR_CURVES = {16: "PQ", 18: "HLG"}  # H.273 transfer_characteristics
_BT2020_PRIMARIES = 9
_FULL_RANGE = 2

# With these flags flat colours come out within one step of the exact formula.
_EXACT = int(
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BITEXACT
)


def bit_depth(frame: av.VideoFrame) -> int:
    """Bits of the deepest component of a decoded frame."""
    return max(component.bits for component in frame.format.components)


def assumed_matrix(height: int, width: int) -> Colorspace:
    """The matrix of untagged YUV of this coded size."""
    return Colorspace.ITU709 if width >= 1280 or height > 576 else Colorspace.ITU601


def colour_notes(frame: av.VideoFrame) -> list[str]:
    """What a person should know about how this frame's colours are read; empty for ordinary tagged video."""
    notes = []
    if _is_yuv(frame) and int(frame.colorspace) not in _MATRICES:
        name = "bt709" if assumed_matrix(frame.height, frame.width) == Colorspace.ITU709 else "bt601"
        notes.append(f"colours carry no matrix tag and are read as {name}")
    if int(frame.color_trc) in _HDR_CURVES:
        curve = _HDR_CURVES[int(frame.color_trc)]
        notes.append(f"HDR video ({curve}) is read without tone mapping and will look flat")
    elif int(frame.color_primaries) == _BT2020_PRIMARIES:
        notes.append("BT.2020 primaries are read as BT.709 and will look less saturated")
    return notes


class RgbDecoder:
    """Turns decoded frames of one stream into sRGB arrays; keeps the converter's state between frames."""

    def __init__(self) -> None:
        self._converter = VideoReformatter()

    def convert(self, frame: av.VideoFrame) -> np.ndarray:
        """(H, W, 3) uint8, or uint16 (0..65535) for sources deeper than 8 bits, sRGB; alpha is dropped."""
        name = "rgb48le" if bit_depth(frame) > 8 else "rgb24"
        if frame.format.name == name:
            return frame.to_ndarray()
        matrix = None
        if _is_yuv(frame):
            matrix = _MATRICES.get(int(frame.colorspace), assumed_matrix(frame.height, frame.width))
        full_range = _is_full_range(frame)
        rgb = self._converter.reformat(
            frame,
            format=name,
            src_colorspace=matrix,
            src_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=_EXACT,
            threads=1,
        ).to_ndarray()
        return rgb if full_range or name == "rgb24" else _stretch_white(rgb)


class YuvEncoder:
    """Turns 8-bit sRGB arrays into BT.709 limited-range frames, for one stream."""

    def __init__(self, pixel_format: str) -> None:
        self._converter = VideoReformatter()
        self._pixel_format = pixel_format

    def convert(self, rgb: np.ndarray) -> av.VideoFrame:
        """`rgb`: (H, W, 3) uint8 sRGB."""
        frame = self._converter.reformat(
            av.VideoFrame.from_ndarray(rgb, format="rgb24"),
            format=self._pixel_format,
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            interpolation=_EXACT,
            threads=1,
        )
        frame.color_primaries = ColorPrimaries.BT709
        frame.color_trc = ColorTrc.BT709
        return frame


def _stretch_white(rgb: np.ndarray) -> np.ndarray:
    """Undo swscale's expansion of deep limited range, which puts white at 255 * 256 instead of 65535."""
    return np.minimum((rgb.astype(np.uint32) * 256 + 127) // 255, 65535).astype(np.uint16)


def _is_yuv(frame: av.VideoFrame) -> bool:
    return not frame.format.is_rgb and len(frame.format.components) >= 3


def _is_full_range(frame: av.VideoFrame) -> bool:
    if not _is_yuv(frame):
        return frame.format.is_rgb or int(frame.color_range) != 1  # grey is full range unless tagged limited
    return int(frame.color_range) == _FULL_RANGE or frame.format.name.startswith("yuvj")
