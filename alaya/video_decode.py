"""Opening a video file and decoding it packet by packet, with a mark on every frame known to be damaged."""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import av
import av.logging
import numpy as np
from av.error import FFmpegError
from av.stream import Disposition

from alaya.errors import ClipError

MAX_PIXELS = 1 << 26  # 67 million, beyond 8K; a larger frame is refused before it is decoded
_MAX_DEMUX_ERRORS = 100
# Files that are themselves the video. Playlists and lists of parts (HLS, DASH, concat, image patterns) would make
# the opening of one file read others, or reach out to the network: they are not opened.
_FORMATS = (
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,asf,flv,ogg,mxf,gxf,gif,ivf,h264,hevc,obu,av1,m4v,vc1,dirac,mjpeg,"
    "yuv4mpegpipe,rm,wtv,dv,nut,swf,apng,vvc,nsv,webp_pipe"
)
_ALONE = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
# FFmpeg's own decoder of VP9 takes almost any bits for a picture; libvpx notices most of what was changed.
_STRICTER = {"vp9": "libvpx-vp9"}
_DISPLAY_MATRIX = "DISPLAYMATRIX"
# FFmpeg also logs errors for files that play well (missing references at a cut, odd tags): only these count.
_DAMAGE_WORDS = re.compile(
    r"crc|invalid nal|error splitting|error while decoding|invalid as first byte|ended prematurely|corrupt"
    r"|truncat|exceeds|illegal|invalid mdhd|alignment_bit|overread|invalid data|concealing|damaged",
    re.IGNORECASE,
)


def open_video(path: str | os.PathLike[str]) -> Any:
    """Open a media file for reading (a PyAV input container); ClipError that names it if it is not one.

    Only this one file is read, whatever its name looks like (`http:`, `pipe:0`) or its content asks for.
    """
    try:
        return av.open(os.path.abspath(path), options=dict(_ALONE), metadata_errors="replace")
    except (FFmpegError, OSError, ValueError) as error:
        raise ClipError(
            f"{path} cannot be read as video ({reason(error)}); give a whole, known format"
        ) from error


def video_stream(container: Any, path: str | os.PathLike[str]) -> Any:
    """The first video stream that can be decoded; cover pictures are passed over."""
    for stream in container.streams.video:
        if stream.codec_context is None or stream.disposition & Disposition.attached_pic:
            continue
        check_pixels(path, stream.codec_context.height, stream.codec_context.width)
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS), "err_detect": "crccheck"}
        stream.codec_context.thread_count = 1  # complaints are heard in this thread, and counts do not vary
        return stream
    raise ClipError(
        f"{path} holds no video that can be decoded; give a video, an image or a folder of images"
    )


def check_pixels(path: str | os.PathLike[str], height: int, width: int) -> None:
    """Refuse a frame size that no honest clip has."""
    if height * width > MAX_PIXELS:
        raise ClipError(f"{path} declares frames of {width}x{height}; at most {MAX_PIXELS} pixels are read")


@contextlib.contextmanager
def complaints(loudness: int = av.logging.ERROR) -> Iterator[list[str]]:
    """Collect what FFmpeg says about damaged data in this thread; much damage shows nowhere else."""
    level = av.logging.get_level()
    av.logging.set_level(loudness)
    av.logging.set_skip_repeated(False)  # else "repeated 3 times" would be heard of the file before
    found: list[str] = []
    try:
        with av.logging.Capture(local=True) as lines:
            yield found
        found.extend(line for _, _, line in lines if _DAMAGE_WORDS.search(line))
    finally:
        av.logging.set_level(level)


def demux(container: Any, *streams: Any, heard: list[str] | None = None) -> Iterator[av.Packet]:
    """Packets in file order, ending with one empty packet a stream that flushes its decoder.

    Errors between packets are stepped over as long as the file goes on behind them. Complaints about the
    container are added to `heard`.
    """
    heard = [] if heard is None else heard
    for _ in range(_MAX_DEMUX_ERRORS):
        packets = container.demux(*streams)
        try:
            while True:
                with complaints() as found:
                    packet = next(packets, None)
                heard.extend(found)
                if packet is None:
                    return
                yield packet
        except (FFmpegError, OSError) as error:
            heard.append(reason(error))


def decode(container: Any, stream: Any) -> Iterator[tuple[av.VideoFrame, bool]]:
    """(frame, whether it is known to be damaged) in order of display; a bad packet may give none."""
    suspect = set()  # times of packets that the container or a decoder calls damaged
    refuses = _second_opinion(stream)
    for packet in demux(container, stream):
        try:
            # An empty last packet flushes the decoder: skipping it would lose the frames still inside.
            with complaints() as found:
                refused = refuses(packet)
                frames = packet.decode()
        except (FFmpegError, OSError):
            continue  # the account of frames shows what is missing
        if packet.is_corrupt or refused or found:
            suspect.add(packet.pts)
        for frame in frames:
            yield frame, frame.is_corrupt or (frame.pts is not None and frame.pts in suspect)


def _second_opinion(stream: Any) -> Callable[[av.Packet], bool]:
    """Whether a stricter decoder, fed with the same packets, refuses one; it never does where there is none.

    After a refusal the frames built on the refused one are refused too, up to the next key frame. Pictures
    deeper than 8 bits are left to FFmpeg: many a libvpx is built without them.
    """
    picture = stream.codec_context.format
    if picture is None or max(component.bits for component in picture.components) > 8:
        return lambda packet: False
    try:
        context: Any = av.CodecContext.create(_STRICTER[stream.codec_context.name], "r")
    except (KeyError, ValueError):  # not such a stream, or an FFmpeg without that decoder
        return lambda packet: False
    context.thread_count = 1

    def refuses(packet: av.Packet) -> bool:
        if not packet.size:
            return False
        try:
            context.decode(packet)
        except (FFmpegError, OSError):
            return True
        return False

    return refuses


def orientation(frame: av.VideoFrame) -> tuple[int, bool]:
    """(anticlockwise quarter turns, whether the rows are then mirrored) that bring the frame upright.

    The display matrix maps the stored x to (a, b) and y to (c, d) on the screen, y pointing down.
    """
    data = frame.side_data.get(_DISPLAY_MATRIX)
    if data is None:
        return 0, False
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].astype(float)
    mirrored = a * d - b * c < 0
    if mirrored:
        a, c = -a, -c  # take the mirror (of screen x) off; what is left is a turn
    return round(np.degrees(np.arctan2(-b, a)) / 90) % 4, mirrored


def upright(picture: np.ndarray, turns: int, mirrored: bool) -> np.ndarray:
    """Apply `orientation` to an (H, W, 3) array; the result is contiguous."""
    if turns:
        picture = np.rot90(picture, turns)
    if mirrored:
        picture = picture[:, ::-1]
    return np.ascontiguousarray(picture)


def reason(error: Exception) -> str:
    """The error's own words without the path and number that precede them."""
    return (getattr(error, "strerror", None) or str(error)).strip().rstrip(".").lower()
