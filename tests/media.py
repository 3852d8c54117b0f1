"""Makers of test media: charts, clips whose frames carry their number, and every oddity a player accepts.

All of it is made with PyAV and numpy alone, never with alaya: a test compares two independent ways.
"""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

BARCODE_BITS = 12
# H.273 matrix code -> (weight of red, weight of blue) in luma
LUMA = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


def colour_chart(height=256, width=384):
    """(H, W, 3) uint8: 24 flat patches in 4 rows of 6, greys and saturated colours among them."""
    rng = np.random.default_rng(24)
    colours = rng.integers(0, 256, (24, 3))
    colours[:5] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]]
    colours[5:8] = [[200, 40, 30], [18, 18, 18], [128, 128, 128]]
    rows, columns = np.arange(height) * 4 // height, np.arange(width) * 6 // width
    return colours[rows[:, None] * 6 + columns[None]].astype(np.uint8)


def patch_means(picture):
    """(24, 3) float: the mean of the middle of each patch of a chart."""
    height, width = picture.shape[0] // 4, picture.shape[1] // 6
    patches = picture[: 4 * height, : 6 * width].reshape(4, height, 6, width, 3).swapaxes(1, 2)
    inner = patches[:, :, height // 4 : height - height // 4, width // 4 : width - width // 4]
    return inner.mean((2, 3)).reshape(24, 3)


def numbered_frame(index, height=48, width=64):
    """(H, W, 3) uint8: a moving grey texture under a barcode (top quarter) that says `index`."""
    y, x = np.mgrid[:height, :width]
    frame = (
        np.stack([(x * 3 + index * 2) % 256, (y * 4 + index) % 256, (x + y + index * 3) % 256], -1) // 2 + 64
    )
    bits = (index >> (np.arange(width) * BARCODE_BITS // width)) & 1
    frame[: max(1, height // 4)] = (bits * 200 + 28)[None, :, None]
    return frame.astype(np.uint8)


def read_number(picture):
    """The index that `numbered_frame` drew, from any 8- or 16-bit picture at least 12 wide."""
    top = picture[: max(1, picture.shape[0] // 4)].astype(float) / np.iinfo(picture.dtype).max
    centres = (np.arange(BARCODE_BITS) + 0.5) * picture.shape[1] / BARCODE_BITS
    return int(sum((top[:, int(c)].mean() > 0.5) << i for i, c in enumerate(centres)))


def write_clip(
    path,
    frames,
    *,
    fps=Fraction(24),
    codec="libx264",
    pixel_format="yuv420p",
    ticks=None,
    tick=Fraction(1, 90_000),
    rotation=None,
    sound_s=0.0,
    options=None,
    container_options=None,
    matrix=None,
    full_range=False,
    tag=True,
):
    """Write an iterable of (H, W, 3) uint8 (or uint16) frames; `ticks` are variable times in `tick` units."""
    options = (
        {"crf": "12", "preset": "ultrafast"} if codec == "libx264" and options is None else options or {}
    )
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = None
        sound = container.add_stream("aac", rate=48_000, layout="stereo") if sound_s else None
        for index, rgb in enumerate(frames):
            if stream is None:
                stream = container.add_stream(codec, rate=fps, options=options)
                stream.height, stream.width, stream.pix_fmt = *rgb.shape[:2], pixel_format
                stream.codec_context.thread_count = 1
                stream.codec_context.time_base = tick if ticks else 1 / fps
                if rotation is not None:
                    stream.set_display_rotation(rotation)
                if tag:
                    stream.codec_context.colorspace = matrix or 1
                    stream.codec_context.color_range = 2 if full_range else 1
            frame = coded_frame(rgb, pixel_format, matrix or 1, full_range)
            frame.time_base = tick if ticks else 1 / fps
            frame.pts = ticks[index] if ticks else index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound:
            write_tone(container, sound, sound_s)
    return Path(path)


def coded_frame(rgb, pixel_format, matrix, full_range):
    """A frame of the asked format through swscale; see `exact_yuv` for one that is computed here."""
    name = "rgb48le" if rgb.dtype == np.uint16 else "rgb24"
    space = {1: Colorspace.ITU709, 9: Colorspace.BT2020}.get(matrix, Colorspace.ITU601)
    frame = av.VideoFrame.from_ndarray(rgb, format=name)
    if "rgb" in pixel_format or "gbr" in pixel_format:
        return frame.reformat(format=pixel_format)
    wanted = ColorRange.JPEG if full_range else ColorRange.MPEG
    return frame.reformat(
        format=pixel_format, dst_colorspace=space, src_color_range=ColorRange.JPEG, dst_color_range=wanted
    )


def write_tone(container, stream, seconds):
    """A rising tone of `seconds` into an open audio stream."""
    rate, block = stream.rate, 1024
    for first in range(0, int(seconds * rate), block):
        t = np.arange(first, first + block) / rate
        wave = (0.3 * np.sin(2 * np.pi * (220 + 40 * t) * t)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.stack([wave, -wave]), format="fltp", layout="stereo")
        frame.rate, frame.pts = rate, first
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def numbered_clip(path, count, height=48, width=64, **options):
    """A clip of `count` numbered frames; see `write_clip` for the options."""
    return write_clip(path, (numbered_frame(i, height, width) for i in range(count)), **options)


def exact_yuv(rgb, matrix=1, full_range=False, bits=8):
    """Three (H, W) float arrays of Y, Cb, Cr codes by the formulas of H.273, for (H, W, 3) uint8 RGB."""
    red_weight, blue_weight = LUMA[matrix]
    red, green, blue = np.moveaxis(rgb.astype(float) / 255, -1, 0)
    luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
    chroma = [(blue - luma) / (2 - 2 * blue_weight), (red - luma) / (2 - 2 * red_weight)]
    unit, top = 2 ** (bits - 8), 2**bits - 1
    if full_range:
        return [luma * top, *(c * top + 128 * unit for c in chroma)]
    return [unit * (16 + 219 * luma), *(unit * (128 + 224 * c) for c in chroma)]


def exact_rgb(frame, matrix=1, full_range=False):
    """(H, W, 3) float in 0..255 from a decoded 8-bit YUV frame by the formulas of H.273."""
    planes = [plane_array(plane).astype(float) for plane in frame.planes]
    height, width = planes[0].shape
    rows, columns = np.arange(height), np.arange(width)
    y, cb, cr = (p[rows * p.shape[0] // height][:, columns * p.shape[1] // width] for p in planes)
    red_weight, blue_weight = LUMA[matrix]
    luma = y / 255 if full_range else (y - 16) / 219
    cb, cr = ((c - 128) / (255 if full_range else 224) for c in (cb, cr))
    red = luma + (2 - 2 * red_weight) * cr
    blue = luma + (2 - 2 * blue_weight) * cb
    green = (luma - red_weight * red - blue_weight * blue) / (1 - red_weight - blue_weight)
    return np.clip(np.stack([red, green, blue], -1), 0, 1) * 255


def plane_array(plane):
    """(H, W) uint8 content of an 8-bit plane, without the padding of its rows."""
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]


def audio_packets(path):
    """The bytes of every audio packet, by stream, in file order."""
    with av.open(str(path)) as container:
        found = {stream.index: [] for stream in container.streams.audio}
        for packet in container.demux(*container.streams.audio) if found else ():
            if packet.size:
                found[packet.stream_index].append(bytes(packet))
        return list(found.values())


def exact_frame(rgb, pixel_format, matrix=1, full_range=False):
    """A YUV frame of even size whose codes are computed by `exact_yuv`, chroma from the first pixels."""
    frame = av.VideoFrame(rgb.shape[1], rgb.shape[0], pixel_format)
    bits = frame.format.components[0].bits
    for plane, code in zip(frame.planes, exact_yuv(rgb, matrix, full_range, bits), strict=True):
        code = code[:: rgb.shape[0] // plane.height, :: rgb.shape[1] // plane.width]
        code = np.clip(np.rint(code), 0, 2**bits - 1).astype(np.uint8 if bits == 8 else np.uint16)
        padded = np.zeros((plane.height, plane.line_size // code.itemsize), code.dtype)
        padded[:, : plane.width] = code
        plane.update(padded.tobytes())
    frame.colorspace, frame.color_range = matrix, 2 if full_range else 1
    return frame


def half_a_second(path):
    """The path, now half a second of noise as AAC."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        noise = np.random.default_rng(0).normal(0, 0.1, (1, 24_000)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
        frame.sample_rate = 48_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path
