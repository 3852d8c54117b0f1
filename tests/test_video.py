"""Reading video: counts, times, colours, rotation, depth, formats, ranges, images; constant memory."""

import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from media import (
    colour_chart,
    exact_frame,
    numbered_clip,
    numbered_frame,
    patch_means,
    read_number,
    write_clip,
)
from PIL import Image

from alaya.errors import ClipError, RequestError
from alaya.video import DEFAULT_FPS, check_frames, open_input, probe, read_frames, to_float

VARIABLE_TICKS = [i * 3000 + (i % 3) * 700 for i in range(20)]


def numbers(clip, *where, **options):
    return [read_number(frame) for frame in read_frames(clip, *where, **options)]


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "options", "deep"),
    [
        ("a.mp4", "libx264", "yuv420p", {"bf": "3", "preset": "fast"}, False),
        ("a.mp4", "libx264", "yuv444p", None, False),
        ("a.ts", "libx264", "yuv420p", None, False),
        ("a.mkv", "libx264", "yuv420p10le", None, True),
        ("a.mp4", "libx265", "yuv420p10le", {"x265-params": "log-level=none"}, True),
        ("a.webm", "libvpx-vp9", "yuv420p", {"cpu-used": "8"}, False),
        ("a.webm", "libvpx", "yuv420p", {"auto-alt-ref": "1", "lag-in-frames": "16"}, False),
        ("a.mkv", "libsvtav1", "yuv420p", {"preset": "12", "svtav1-params": "lp=1"}, False),
        ("a.mov", "prores_ks", "yuva444p10le", None, True),
        ("a.mkv", "ffv1", "gbrp16le", None, True),
        ("a.avi", "mjpeg", "yuvj420p", None, False),
    ],
)
def test_formats(tmp_path, name, codec, pixel_format, options, deep):
    full_range = pixel_format.startswith("yuvj")
    path = numbered_clip(
        tmp_path / name,
        40,
        96,
        96,
        codec=codec,
        pixel_format=pixel_format,
        options=options,
        full_range=full_range,
    )
    info = open_input(path)
    assert (info.num_frames, info.declared_frames, info.height, info.width) == (40, 40, 96, 96)
    assert (info.fps, info.timestamps, info.has_audio) == (24, None, False)
    frames = list(read_frames(info))
    assert [read_number(frame) for frame in frames] == list(range(40))
    assert {frame.dtype for frame in frames} == {np.dtype(np.uint16 if deep else np.uint8)}
    assert (info.bit_depth > 8) == deep
    # Grey barcode aside, the texture comes back within what the codec loses.
    error = np.abs(to_float(frames[20])[24:] - numbered_frame(20, 96, 96)[24:] / 255)
    assert error.mean() < 0.04


@pytest.mark.parametrize(("height", "width"), [(1, 1), (47, 63), (2, 2), (1, 50)])
@pytest.mark.parametrize("count", [1, 2])
def test_odd_sizes_and_counts(tmp_path, height, width, count):
    frames = [np.full((height, width, 3), 50 + 60 * i, np.uint8) for i in range(count)]
    info = probe(write_clip(tmp_path / "a.mp4", frames, pixel_format="yuv444p"))
    assert (info.num_frames, info.height, info.width, info.fps) == (count, height, width, 24)
    means = [frame.mean() for frame in read_frames(info)]
    assert means == pytest.approx([50 + 60 * i for i in range(count)], abs=2)


@pytest.mark.parametrize(
    "fps", [Fraction(24), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60), Fraction(25, 2)]
)
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_rates_are_exact_fractions(tmp_path, fps, suffix):
    info = probe(numbered_clip(tmp_path / f"a.{suffix}", 100, 16, 24, fps=fps))
    assert info.fps == fps
    assert info.timestamps is None
    assert info.duration == 100 / fps


@pytest.mark.parametrize(("suffix", "error"), [("mp4", Fraction(0)), ("mkv", Fraction(1, 1000))])
def test_variable_times(tmp_path, suffix, error):
    info = probe(numbered_clip(tmp_path / f"a.{suffix}", 20, ticks=VARIABLE_TICKS))
    true = [Fraction(tick, 90_000) for tick in VARIABLE_TICKS]
    assert info.timestamps is not None
    assert info.timestamps[0] == 0
    assert max(abs(a - b) for a, b in zip(info.timestamps, true, strict=True)) <= error
    assert numbers(info) == list(range(20))


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (180, 2), (270, 3), (-90, 3)])
def test_rotation(tmp_path, degrees, turns):
    plain = list(read_frames(numbered_clip(tmp_path / "a.mp4", 3)))
    info = probe(numbered_clip(tmp_path / "b.mp4", 3, rotation=degrees))
    assert info.rotation == 90 * turns
    assert (info.height, info.width) == ((64, 48) if turns % 2 else (48, 64))
    for frame, expected in zip(read_frames(info), plain, strict=True):
        assert np.array_equal(frame, np.rot90(expected, turns))
        assert frame.flags.c_contiguous


def test_mirrored_display_matrix(tmp_path):
    path = tmp_path / "a.mov"
    numbered_clip(path, 2)
    plain = list(read_frames(path))
    content = bytearray(path.read_bytes())
    place = (
        content.index(b"tkhd") + 4 + 40
    )  # version, flags, times, id, ...: the matrix of ISO 14496-12 8.3.2
    assert content[place : place + 4] == b"\0\1\0\0"
    content[place : place + 4] = (-65536).to_bytes(4, "big", signed=True)
    path.write_bytes(content)
    info = probe(path)
    assert any("mirrored" in note for note in info.notes)
    assert all(np.array_equal(a, b[:, ::-1]) for a, b in zip(read_frames(info), plain, strict=True))


@pytest.mark.parametrize("matrix", [1, 5, 6, 9])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv420p10le", "yuv444p12le"])
def test_colours_follow_the_tags(tmp_path, matrix, full_range, pixel_format):
    chart = colour_chart(64, 96)
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=24)
        stream.height, stream.width, stream.pix_fmt = 64, 96, pixel_format
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 2 if full_range else 1
        container.mux(stream.encode(exact_frame(chart, pixel_format, matrix, full_range)))
        container.mux(stream.encode(None))
    (frame,) = read_frames(path)
    assert frame.dtype == (np.uint8 if pixel_format.endswith("p") else np.uint16)
    error = np.abs(patch_means(to_float(frame) * 255) - patch_means(chart.astype(float)))
    assert error.max() <= (1.05 if frame.dtype == np.uint8 else 0.6)


@pytest.mark.parametrize(
    ("height", "width", "matrix"), [(480, 832, 6), (576, 720, 6), (720, 1280, 1), (1080, 1920, 1)]
)
def test_untagged_colours_are_guessed_as_players_do(tmp_path, height, width, matrix):
    chart = colour_chart(height, width)
    path = write_clip(tmp_path / "a.mp4", [chart], matrix=matrix, tag=False)
    info = probe(path)
    assert info.notes == (
        f"colours carry no matrix tag and are read as {'bt709' if matrix == 1 else 'bt601'}",
    )
    (frame,) = read_frames(info)
    assert np.abs(patch_means(frame.astype(float)) - patch_means(chart.astype(float))).max() <= 3


@pytest.mark.parametrize(("start", "stop"), [(0, 10), (1, 2), (29, 31), (50, 60), (59, 60), (7, None)])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_ranges(tmp_path, name, start, stop):
    options = {"preset": "fast", "g": "12", "bf": "3"} if name != "a.avi" else {}
    codec = "mpeg4" if name == "a.avi" else "libx264"
    path = numbered_clip(tmp_path / name, 60, codec=codec, options=options)
    assert numbers(path, start, stop) == list(range(60))[start:stop]


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 5), (6, 5), (0, 21), (20, None)])
def test_ranges_refused(tmp_path, start, stop):
    path = numbered_clip(tmp_path / "a.mp4", 20)
    with pytest.raises(RequestError, match=r"not within .*a\.mp4, which has 20"):
        read_frames(path, start, stop)


def test_hdr_is_said(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=24)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p10le"
        stream.codec_context.colorspace, stream.codec_context.color_trc = 9, 16
        container.mux(stream.encode(exact_frame(colour_chart(64, 96), "yuv420p10le", 9)))
        container.mux(stream.encode(None))
    assert any("HDR video (PQ)" in note for note in probe(path).notes)


def test_audio_only_and_no_media(tmp_path):
    with av.open(str(tmp_path / "a.m4a"), "w") as container:
        from media import write_tone

        write_tone(container, container.add_stream("aac", rate=48_000, layout="stereo"), 0.5)
    with pytest.raises(ClipError, match=r"a\.m4a holds no video"):
        probe(tmp_path / "a.m4a")
    for name, content in (("b.mp4", b""), ("c.mp4", b"not a video" * 50), ("d.png", b"\x89PNG\r\n\x1a\nxx")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ClipError, match=name):
            probe(tmp_path / name)
    with pytest.raises(RequestError, match="does not exist"):
        probe(tmp_path / "none.mp4")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RequestError, match="holds no images"):
        probe(tmp_path / "folder")


def test_memory_does_not_grow_with_length(tmp_path):
    """Peak memory of a read and a rewrite of 1500 frames is that of 300, within 5 % (one process each)."""
    code = (
        "import resource, sys; from alaya.video import VideoWriter, probe, read_frames\n"
        "info = probe(sys.argv[1])\n"
        "out = sys.argv[1] + '.out.mp4'\n"
        "with VideoWriter(out, info.height, info.width, info.fps, preset='ultrafast') as w:\n"
        "    for frame in read_frames(info): w.write(frame)\n"
        "print(w.frames_written, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for count in (300, 1500):
        path = tmp_path / f"{count}.mp4"
        numbered_clip(path, count, 96, 128)
        done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
        written, peak = done.stdout.split()
        assert int(written) == count
        peaks.append(int(peak))
    assert peaks[1] <= 1.05 * peaks[0]  # 1200 more frames held would be 44 MB on top of about 80


def test_image_kinds(tmp_path):
    chart = colour_chart(64, 96)
    Image.fromarray(chart).save(tmp_path / "a.png")
    Image.fromarray(chart).save(tmp_path / "a.jpg", quality=98, subsampling=0)
    Image.fromarray(chart).convert("RGBA").save(tmp_path / "b.png")
    with av.open(str(tmp_path / "deep.png"), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("png", rate=1)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "rgb48be"
        deep = chart.astype(np.uint16) * 257 - chart // 2
        container.mux(
            stream.encode(av.VideoFrame.from_ndarray(deep, format="rgb48le").reformat(format="rgb48be"))
        )
        container.mux(stream.encode(None))
    for name, truth, error in (
        ("a.png", chart, 0),
        ("b.png", chart, 0),
        ("a.jpg", chart, 4),
        ("deep.png", deep, 0),
    ):
        info = open_input(tmp_path / name)
        assert (info.num_frames, info.height, info.width, info.fps) == (1, 64, 96, DEFAULT_FPS)
        (frame,) = read_frames(info)
        assert frame.dtype == truth.dtype
        assert np.abs(patch_means(frame.astype(float)) - patch_means(truth.astype(float))).max() <= error


def test_jpeg_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise by 90 degrees to see it upright
    chart = colour_chart(64, 96)
    Image.fromarray(chart).save(tmp_path / "a.jpg", exif=exif, quality=98, subsampling=0)
    info = probe(tmp_path / "a.jpg")
    assert (info.height, info.width) == (96, 64)
    (frame,) = read_frames(info)
    assert np.abs(np.rot90(frame, 1).astype(int) - chart).mean() < 2


def test_image_folder(tmp_path):
    for i in (10, 1, 2, 9):
        Image.fromarray(numbered_frame(i)).save(tmp_path / f"frame_{i}.png")
    (tmp_path / ".frame_3.png.tmp-1").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("x")
    info = open_input(tmp_path, fps=Fraction(30))
    assert (info.num_frames, info.fps, info.timestamps) == (4, 30, None)
    assert numbers(info) == [1, 2, 9, 10]
    assert numbers(info, 1, 3) == [2, 9]
    assert "jumps 1 times, first before frame_9.png" in info.notes[0]
    assert len(info.sha256) == 64


def test_image_folder_faults(tmp_path):
    for i in range(5):
        Image.fromarray(numbered_frame(i)).save(tmp_path / f"frame_{i}.png")
    whole = (tmp_path / "frame_3.png").read_bytes()
    (tmp_path / "frame_3.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ClipError, match=r"4 good images, 1 damaged of 5 \(first frame_3.png\)") as caught:
        open_input(tmp_path)
    assert (caught.value.good_frames, caught.value.bad_frames) == (4, 1)
    assert numbers(tmp_path, tolerate=1) == [0, 1, 2, 4]
    assert check_frames(probe(tmp_path), tolerate=1) == 1
    Image.fromarray(numbered_frame(4, 50, 64)).save(tmp_path / "frame_4.png")
    with pytest.raises(ClipError, match=r"frame_4\.png is 64x50, but the clip's first image is 64x48"):
        probe(tmp_path)


def test_sha256_is_that_of_the_file(tmp_path):
    import hashlib

    path = numbered_clip(tmp_path / "a.mp4", 2)
    assert probe(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_to_float():
    assert to_float(np.array([[[0, 128, 255]]], np.uint8))[0, 0].tolist() == pytest.approx([0, 128 / 255, 1])
    assert to_float(np.array([[[0, 1, 65535]]], np.uint16))[0, 0].tolist() == pytest.approx([0, 1 / 65535, 1])
