"""Still images and folders of images as clips: PNG (8 and 16 bit), JPEG and what else Pillow reads."""

import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from alaya.errors import ClipError, RequestError
from alaya.png16 import check_png
from alaya.video_decode import check_pixels
from alaya.video_info import DEFAULT_FPS, VideoInfo

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_UPRIGHT, _TRANSPOSING = 1, (5, 6, 7, 8)  # EXIF orientations
_EXIF_ORIENTATION = 0x0112
_TURNED_FORMATS = ("JPEG", "MPO", "WEBP", "TIFF")  # a PNG keeps its EXIF behind the pixels
_PILLOW_ERRORS = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)


def is_image(path: Path) -> bool:
    """Whether the name is one of an image."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def image_files(folder: Path) -> tuple[Path, ...]:
    """The folder's images in the order of their numbers (frame_2 before frame_10), hidden ones left out."""
    found = (path for path in folder.iterdir() if is_image(path) and not path.name.startswith("."))
    return tuple(sorted(found, key=_natural))


def probe_images(path: str | os.PathLike[str], fps: Fraction = DEFAULT_FPS) -> VideoInfo:
    """Describe one image or a folder of equally large images, from their headers."""
    path = Path(path)
    files = image_files(path) if path.is_dir() else (path,)
    if not files:
        raise RequestError(f"{path} holds no images; give a folder of PNG or JPEG frames, or a video")
    height, width, depth = _header(files[0])
    for file in files[1:]:
        other = _header(file)
        if other[:2] != (height, width):
            raise ClipError(
                f"{file} is {other[1]}x{other[0]}, but the clip's first image is {width}x{height}"
            )
        depth = max(depth, other[2])
    count = len(files)
    return VideoInfo(
        path, count, height, width, fps, bit_depth=depth, declared_frames=count, codec="images",
        notes=_gaps(files), files=files,
    )  # fmt: skip


def read_images(info: VideoInfo, start: int, stop: int, tolerate: int) -> Iterator[np.ndarray]:
    """Frames [start, stop) of probed images: (H, W, 3) uint8 (uint16 if any is deeper than 8 bits), sRGB.

    An image that does not decode is left out; more than `tolerate` of them raise ClipError after the last.
    """
    files = info.files[start:stop]
    bad: list[Path] = []
    for file in files:
        try:
            picture = read_image(file)
        except ClipError:
            bad.append(file)
            continue
        if picture.shape != (info.height, info.width, 3):
            raise ClipError(f"{file} has changed its size since the clip was opened; run again")
        yield picture.astype(np.uint16) * 257 if info.bit_depth > 8 and picture.dtype == np.uint8 else picture
    if len(bad) > tolerate:
        raise ClipError(
            f"{info.path}: {len(files) - len(bad)} good images, {len(bad)} damaged of {len(files)}"
            f" (first {bad[0].name}); restore them or tolerate {len(bad)}",
            good_frames=len(files) - len(bad),
            bad_frames=len(bad),
        )


def read_image(path: Path) -> np.ndarray:
    """One image, upright, alpha dropped: (H, W, 3) uint8, or uint16 for 16-bit PNG, sRGB."""
    depth = _png_depth(path)
    if depth:
        check_png(path.read_bytes(), path)  # no decoder looks at every checksum, nor for the end
    if depth == 16:
        return _read_deep_png(path)
    try:
        with Image.open(path) as image:
            check_pixels(path, image.height, image.width)
            upright = ImageOps.exif_transpose(image) if image.format in _TURNED_FORMATS else image
            return np.asarray(upright.convert("RGB"))
    except _PILLOW_ERRORS as error:
        raise _damaged(path, error) from error


def _read_deep_png(path: Path) -> np.ndarray:
    """Pillow reads 16-bit colour as 8 bits, so these go through the PNG decoder of PyAV."""
    import av
    from av.error import FFmpegError

    try:
        with av.open(str(path), format="png_pipe") as container:
            stream = container.streams.video[0]
            check_pixels(path, stream.codec_context.height, stream.codec_context.width)
            stream.codec_context.options = {"err_detect": "crccheck+explode"}
            frame = next(container.decode(stream))
            if frame.is_corrupt:
                raise ClipError(f"{path} is damaged; restore it")
            return frame.reformat(format="rgb48le").to_ndarray()
    except (FFmpegError, OSError, StopIteration, IndexError) as error:
        raise _damaged(path, error) from error


def _header(path: Path) -> tuple[int, int, int]:
    """(height, width, bits) as the header tells, after rotation."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            may_turn = image.format in _TURNED_FORMATS
            turned = may_turn and image.getexif().get(_EXIF_ORIENTATION, _UPRIGHT) in _TRANSPOSING
    except _PILLOW_ERRORS as error:
        raise _damaged(path, error) from error
    check_pixels(path, height, width)
    depth = 16 if _png_depth(path) == 16 else 8
    return (width, height, depth) if turned else (height, width, depth)


def _png_depth(path: Path) -> int:
    """Bits per sample of a PNG file, 0 for anything else."""
    with open(path, "rb") as file:
        head = file.read(25)
    return head[24] if len(head) == 25 and head.startswith(_PNG_SIGNATURE) else 0


def _damaged(path: Path, error: Exception) -> ClipError:
    what = "is no image" if isinstance(error, UnidentifiedImageError) else f"is damaged ({error})"
    return ClipError(f"{path} {what}; restore it or take it out", good_frames=0, bad_frames=1)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key in which runs of digits count as numbers."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def _gaps(files: tuple[Path, ...]) -> tuple[str, ...]:
    """A note if the last numbers in the names leave some out."""
    found = [re.findall(r"\d+", file.stem) for file in files]
    if not all(found):
        return ()
    numbers = [int(digits[-1]) for digits in found]
    jumps = [i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1] + 1]
    if not jumps:
        return ()
    return (f"the numbering of the images jumps {len(jumps)} times, first before {files[jumps[0]].name}",)
