"""Damaged media by the hundred and valid oddities, each with how to judge what the reader made of it."""

import zlib
from fractions import Fraction
from functools import cache, partial

import av
import av.logging
import numpy as np
from av.error import FFmpegError
from hostile import Case
from media import numbered_clip, read_number, write_tone

from alaya.errors import ClipError
from alaya.video import VideoWriter, probe, read_frames

COUNT = 33
_X265 = {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1"}
_VP9 = {"cpu-used": "8", "deadline": "realtime", "g": "24"}
_AV1 = {"preset": "10", "g": "24", "svtav1-params": "lp=1"}
_H264 = {"preset": "veryfast", "g": "24"}
BASES = {
    "h264.mp4": ("libx264", _H264), "hevc.mp4": ("libx265", _X265), "vp9.webm": ("libvpx-vp9", _VP9),
    "av1.mp4": ("libsvtav1", _AV1), "h264.mkv": ("libx264", _H264), "hevc.mkv": ("libx265", _X265),
    "vp9.mp4": ("libvpx-vp9", _VP9), "av1.mkv": ("libsvtav1", _AV1), "av1.webm": ("libsvtav1", _AV1),
}  # fmt: skip
_STRICT = (
    "crccheck",
    "crccheck+bitstream+buffer+explode",
    "crccheck+bitstream+buffer+careful+compliant+aggressive",
)
_TOLD = ("damaged", "checksums", "the times skip", "a millisecond or less")


@cache
def base(folder, name):
    """A whole clip of one coding and container; made once."""
    codec, options = BASES[name]
    folder.mkdir(parents=True, exist_ok=True)
    sound = 1.4 if name.startswith("h264") else 0.0
    return numbered_clip(folder / name, COUNT, 96, 128, codec=codec, options=options, sound_s=sound)


def pictures(clip):
    """A checksum of every frame that alaya reads."""
    return [zlib.crc32(frame.tobytes()) for frame in read_frames(clip)]


@cache
def whole(path):
    """The checksums of an undamaged clip's frames, and what its decoders say at their strictest."""
    return pictures(path), complaints(path)


def cut(content, rng):
    return content[: int(rng.integers(8, len(content)))]


def flip(content, rng, count=1):
    for place in rng.integers(0, len(content), count):
        content[place] ^= 1 << int(rng.integers(0, 8))
    return content


def zero(content, rng):
    place = int(rng.integers(0, len(content) - 200))
    content[place : place + 200] = bytes(200)
    return content


def splice(content, rng):
    """Some bytes more, or some less, in the middle."""
    place, size = int(rng.integers(100, len(content) - 100)), int(rng.integers(1, 60))
    return content[:place] + (
        rng.bytes(size) + content[place:] if rng.integers(2) else content[place + size :]
    )


def lie(content, rng):
    """A box or element whose size is a lie."""
    marks = (
        b"moov",
        b"trak",
        b"mdat",
        b"stsz",
        b"stco",
        b"stts",
        b"stsc",
        b"ctts",
        b"elst",
        b"stsd",
        b"avcC",
        b"mdia",
    )
    places = [content.find(mark) - 4 for mark in marks if content.find(mark) >= 4]
    if not places:  # Matroska: the sizes after these ids
        marks = (
            b"\x18\x53\x80\x67",
            b"\x1f\x43\xb6\x75",
            b"\x16\x54\xae\x6b",
            b"\x1c\x53\xbb\x6b",
            b"\x15\x49\xa9\x66",
        )
        places = [content.find(mark) + 4 for mark in marks if content.find(mark) >= 0]
    place = places[int(rng.integers(len(places)))]
    sizes = [bytes(4), b"\xff" * 4, b"\x00\x00\x00\x01", b"\x7f\xff\xff\xff", rng.bytes(4)]
    content[place : place + 4] = sizes[int(rng.integers(len(sizes)))]
    return content


def table(content, rng):
    """Numbers inside the tables of an mp4 (counts, offsets, times), or the head of a Matroska file."""
    marks = [
        content.find(mark)
        for mark in (b"stsz", b"stco", b"stts", b"stsc", b"ctts", b"elst", b"mvhd", b"tkhd")
    ]
    marks = [mark for mark in marks if mark >= 0] or [40]
    place = marks[int(rng.integers(len(marks)))] + 4 + int(rng.integers(0, 60))
    content[place : place + 2] = rng.bytes(2)
    return content


CHANGES = (cut, flip, partial(flip, count=8), zero, splice, lie, table)


def changed(source, seed, folder):
    """Write a clip with bytes changed by `seed`."""
    path = folder / f"mutant{source.suffix}"
    rng = np.random.default_rng(seed)
    path.write_bytes(CHANGES[seed % len(CHANGES)](bytearray(source.read_bytes()), rng))
    return path


def remuxed(source, seed, folder):
    """Write a clip again with some packets left out or, every other time, given twice."""
    path = folder / f"mutant{source.suffix}"
    chosen = set(np.random.default_rng(seed).choice(np.arange(1, COUNT - 1), 3, replace=False).tolist())
    with av.open(str(source)) as given, av.open(str(path), "w") as made:
        stream = given.streams.video[0]
        target = made.add_stream_from_template(stream, opaque=True)
        for index, packet in enumerate(p for p in given.demux(stream) if p.size):
            packet.stream = target
            if index not in chosen or seed % 2:
                made.mux(packet)
            if index in chosen and seed % 2:
                again = av.Packet(bytes(packet))
                again.time_base, again.stream = packet.time_base, target
                again.pts, again.dts = packet.pts + 1, None if packet.dts is None else packet.dts + 1
                made.mux(again)
    return path


def mutants(folder, count):
    """`count` damaged files, over all codings, containers and kinds of damage in turn."""
    cases = []
    for seed in range(count):
        name = list(BASES)[seed % len(BASES)]
        change = remuxed if seed % 8 == 7 else changed

        def make(target, name=name, change=change, seed=seed):
            whole(base(folder, name))
            return change(base(folder, name), seed, target)

        def use(path, name=name):
            return judge(path, base(folder, name))

        kind = "packets" if change is remuxed else getattr(CHANGES[seed % len(CHANGES)], "__name__", "flips")
        cases.append(Case(f"{name} {kind} {seed}", make, use, refuse=None))
    return cases


def judge(path, source):
    """The verdict on a damaged file: told with counts that add up, the same as before, or what else."""
    info = probe(path)
    found = []
    try:
        for frame in read_frames(info):
            found.append(zlib.crc32(frame.tobytes()))
    except ClipError as error:
        if error.good_frames is not None and error.good_frames + error.bad_frames < info.num_frames:
            return f"silent: {error.good_frames} + {error.bad_frames} of {info.num_frames} frames told"
        return "right: told with counts"
    if len(found) != info.num_frames or len(found) != info.declared_frames:
        return f"silent: {len(found)} frames of {info.num_frames}, {info.declared_frames} declared"
    before, said_before = whole(source)
    if found == before:
        return "right: every frame the same"
    if any(word in note for note in info.notes for word in _TOLD):
        return "right: told by a note"
    said = complaints(path) - said_before
    return f"silent: {sorted(said)[:2]}" if said else "undetectable: "


def complaints(path):
    """All that FFmpeg says of a file at its strictest: errors, warnings, flags of packets and frames."""
    heard = set()
    level = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    av.logging.set_skip_repeated(False)  # else "repeated 3 times" would be heard of the file before
    try:
        for detect in _STRICT:
            with av.logging.Capture(local=False) as lines:
                heard |= _flags(path, detect)
            heard |= {
                text.strip() for _, _, text in lines if "creation time" not in text
            }  # no matter of frames
    finally:
        av.logging.set_level(level)
    return heard


def _flags(path, detect):
    heard = set()
    try:
        with av.open(str(path), options={"err_detect": detect}, metadata_errors="replace") as container:
            stream = container.streams.video[0]
            stream.codec_context.options = {"err_detect": detect}
            stream.codec_context.thread_count = 1
            for packet in container.demux(stream):
                heard |= {"a corrupt packet"} if packet.is_corrupt else set()
                try:
                    heard |= {"a corrupt frame" for frame in packet.decode() if frame.is_corrupt}
                except FFmpegError as error:
                    heard.add(str(error.strerror))
    except (FFmpegError, IndexError, ValueError) as error:
        heard.add(str(error))
    return heard


def oddities(full):
    """Valid media out of the ordinary; each must be right in count, size, rate and sound."""
    uneven = [0, 3000, 9000, 12_000, 30_000, 33_003, 90_000]
    table = {
        "variable rate": ("a.mp4", 7, 48, 64, {"ticks": uneven}),
        "turned by 90": ("a.mp4", 5, 48, 64, {"rotation": 90}),
        "turned by 180": ("a.mov", 5, 48, 64, {"rotation": 180}),
        "turned by 270": ("a.mp4", 5, 48, 64, {"rotation": -90}),
        "10 bits": ("a.mkv", 5, 48, 64, {"codec": "libx265", "pixel_format": "yuv420p10le", "options": _X265}),
        "VP9 in 4:4:4": ("a.webm", 5, 48, 64, {"codec": "libvpx-vp9", "pixel_format": "yuv444p", "options": _VP9}),
        "full range": ("a.mp4", 5, 48, 64, {"full_range": True}),
        "4:4:4": ("a.mp4", 5, 48, 64, {"pixel_format": "yuv444p"}),
        "4:2:2": ("a.mkv", 5, 48, 64, {"pixel_format": "yuv422p"}),
        "odd sizes": ("a.mkv", 5, 51, 67, {"pixel_format": "yuv444p"}),
        "1x1": ("a.mkv", 3, 1, 1, {"codec": "ffv1", "pixel_format": "yuv444p"}),
        "1 frame": ("a.mp4", 1, 48, 64, {}),
        "2 frames": ("a.mp4", 2, 48, 64, {}),
        "1 frame in WebM": ("a.webm", 1, 48, 64, {"codec": "libvpx-vp9", "options": _VP9}),
        "AV1": ("a.mp4", 9, 64, 64, {"codec": "libsvtav1", "options": _AV1}),
        "VP9": ("a.webm", 9, 48, 64, {"codec": "libvpx-vp9", "options": _VP9}),
        "HEVC": ("a.mp4", 9, 48, 64, {"codec": "libx265", "options": _X265}),
        "ProRes": ("a.mov", 5, 48, 64, {"codec": "prores_ks", "pixel_format": "yuv422p10le"}),
        "NTSC rate": ("a.mp4", 9, 48, 64, {"fps": Fraction(30000, 1001)}),
        "240 a second": ("a.mkv", 9, 48, 64, {"fps": Fraction(240)}),
        "with sound": ("a.mp4", 24, 48, 64, {"sound_s": 1.0}),
        "sound that outlasts the picture": ("a.mkv", 5, 48, 64, {"sound_s": 2.0}),
        "fragments": ("a.mp4", 9, 48, 64, {"container_options": {"movflags": "frag_keyframe+empty_moov"}}),
    }  # fmt: skip
    if full:
        long = {"codec": "libx264", "options": {"preset": "ultrafast", "crf": "30", "g": "250"}}
        table |= {f"{count} frames": ("a.mp4", count, 48, 64, long) for count in (10_000, 60_000)}
    cases = [_oddity(name, *entry) for name, entry in table.items()]
    return [*cases, Case("sound alone", _sound_alone, lambda path: str(probe(path)))]


def _oddity(name, file, count, height, width, options):
    def make(folder):
        return numbered_clip(folder / file, count, height, width, **options)

    def use(path):
        turned = options.get("rotation") in (90, -90)
        size = (width, height) if turned else (height, width)
        info = probe(path)
        wanted = (count, count, *size, "sound_s" in options)
        held = (info.num_frames, info.declared_frames, info.height, info.width, info.has_audio)
        fps = options.get("fps", Fraction(24))
        if held != wanted or (info.fps != fps and "ticks" not in options and count > 1):
            return f"silent: {held} at {info.fps} for {wanted} at {fps}"
        times = [Fraction(tick, 90_000) for tick in options["ticks"]] if "ticks" in options else None
        if times and (
            info.timestamps is None
            or max(abs(a - b) for a, b in zip(info.timestamps, times, strict=False)) > 0.0001
        ):
            return f"silent: times {info.timestamps}"
        return _through(info, path, turned or width < 12 or "rotation" in options)

    return Case(f"{name}", make, use, refuse=False, limit_s=2.0 if count < 1000 else count / 60)


def _through(info, path, unread):
    """Read every frame and write all of it again: the number in each, and count, size, rate, sound after."""
    copy = path.with_name("copy.mp4")
    times, sound = info.timestamps, path if info.has_audio else None
    with VideoWriter(copy, info.height, info.width, info.fps, timestamps=times, audio_from=sound) as writer:
        for index, frame in enumerate(read_frames(info)):
            if not unread and read_number(frame) != index % 4096:
                return f"silent: frame {index} shows {read_number(frame)}"
            writer.write(frame if frame.dtype == np.uint8 else (frame / np.float32(65535)).astype(np.float32))
    after = probe(copy)
    same = all(
        getattr(after, key) == getattr(info, key) for key in ("num_frames", "height", "width", "has_audio")
    )
    rate = after.fps == info.fps or info.num_frames == 1 or times is not None
    return "right: the same through reading and writing" if same and rate else f"silent: {after}"


def _sound_alone(folder):
    path = folder / "a.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        write_tone(container, container.add_stream("aac", rate=48_000, layout="stereo"), 0.5)
    return path
