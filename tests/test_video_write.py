"""Writing video: colours, times, sound, sizes, equal bytes, and nothing left behind by a failure."""

import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from media import (
    audio_packets,
    colour_chart,
    exact_rgb,
    numbered_clip,
    numbered_frame,
    patch_means,
    read_number,
    write_tone,
)

from alaya.errors import AlayaError, RequestError
from alaya.video import VideoWriter, copy_audio, probe, read_frames

FPS = Fraction(24)


def write(path, frames, fps=FPS, **options):
    frames = list(frames)
    with VideoWriter(path, *frames[0].shape[:2], fps, **options) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def numbered(count):
    return [numbered_frame(i) for i in range(count)]


@pytest.mark.parametrize(("height", "width"), [(256, 384), (255, 383)])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_colour_chart_survives(tmp_path, height, width, kind):
    chart = colour_chart(height, width)
    frame = chart if kind is np.uint8 else chart.astype(np.float32) / 255
    path = write(tmp_path / "a.mp4", [frame] * 3)
    true = patch_means(chart.astype(float))
    assert np.abs(patch_means(list(read_frames(path))[1].astype(float)) - true).max() <= 2
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert context.pix_fmt == ("yuv444p" if height % 2 else "yuv420p")
        tags = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
        assert [int(tag) for tag in tags] == [1, 1, 1, 1]  # bt709 three times, limited range
        frames = list(container.decode(video=0))
    # The same file by the formulas of the standard, without the converter that wrote it.
    assert np.abs(patch_means(exact_rgb(frames[1])) - true).max() <= 2


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov"])
def test_same_frames_same_bytes(tmp_path, name):
    source = numbered_clip(tmp_path / "s.mp4", 40, sound_s=1.7)
    first = write(tmp_path / f"1{name}", numbered(40), audio_from=source).read_bytes()
    assert write(tmp_path / f"2{name}", numbered(40), audio_from=source).read_bytes() == first


@pytest.mark.parametrize(("height", "width"), [(1, 1), (47, 63), (48, 64), (2, 3)])
def test_sizes(tmp_path, height, width):
    frames = [np.full((height, width, 3), 40 + 80 * i, np.uint8) for i in range(2)]
    info = probe(write(tmp_path / "a.mp4", frames))
    assert (info.num_frames, info.height, info.width) == (2, height, width)
    assert [f.mean() for f in read_frames(info)] == pytest.approx([40, 120], abs=2)


@pytest.mark.parametrize("fps", [Fraction(30000, 1001), Fraction(12), Fraction(25, 2), Fraction(120)])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_rate_and_count(tmp_path, fps, name):
    info = probe(write(tmp_path / name, numbered(30), fps))
    assert (info.num_frames, info.fps, info.timestamps) == (30, fps, None)
    assert [read_number(frame) for frame in read_frames(info)] == list(range(30))


def test_variable_times_survive(tmp_path):
    ticks = [0, 3000, 7100, 9000, 20_000, 20_100, 30_000, 30_001]
    source = probe(numbered_clip(tmp_path / "s.mp4", 8, ticks=ticks))
    assert source.timestamps == tuple(Fraction(tick, 90_000) for tick in ticks)
    info = probe(write(tmp_path / "a.mp4", read_frames(source), source.fps, timestamps=source.timestamps))
    assert info.timestamps == source.timestamps
    assert [read_number(frame) for frame in read_frames(info)] == list(range(8))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov"])
@pytest.mark.parametrize("through_mka", [False, True])
def test_audio_packets_are_copied(tmp_path, name, through_mka):
    source = numbered_clip(tmp_path / "s.mp4", 48, sound_s=2.0)
    audio = source
    if through_mka:
        audio = tmp_path / "audio.mka"
        assert copy_audio(source, audio)
        assert audio_packets(audio) == audio_packets(source)
    path = write(tmp_path / name, numbered(48), audio_from=audio, audio_start=probe(source).start)
    assert len(audio_packets(source)[0]) > 90
    assert audio_packets(path) == audio_packets(source)
    assert probe(path).has_audio
    assert abs(sound_offset(path) - sound_offset(source)) <= Fraction(1, 1000)


def sound_offset(path):
    """Seconds from the first picture to the first audio packet."""
    with av.open(str(path)) as container:
        first = next(p for p in container.demux(container.streams.audio[0]) if p.size)
        return first.pts * first.time_base - probe(path).start


def test_audio_file_is_equal_twice_and_absent_without_sound(tmp_path):
    source = numbered_clip(tmp_path / "s.mp4", 5, sound_s=0.5)
    assert copy_audio(source, tmp_path / "1.mka")
    assert copy_audio(source, tmp_path / "2.mka")
    assert (tmp_path / "1.mka").read_bytes() == (tmp_path / "2.mka").read_bytes()
    silent = numbered_clip(tmp_path / "silent.mp4", 5)
    assert not copy_audio(silent, tmp_path / "3.mka")
    assert not (tmp_path / "3.mka").exists()


def test_two_tracks_of_sound(tmp_path):
    with av.open(str(tmp_path / "s.mkv"), "w") as container:
        tracks = [container.add_stream(codec, rate=48_000, layout="stereo") for codec in ("aac", "libopus")]
        write_tone(container, tracks[0], 1.0)
        for frame in tone_in_blocks(960):
            container.mux(tracks[1].encode(frame))
        container.mux(tracks[1].encode(None))
    path = write(tmp_path / "a.mp4", numbered(24), audio_from=tmp_path / "s.mkv")
    assert [len(t) > 40 for t in audio_packets(path)] == [True, True]
    assert audio_packets(path) == audio_packets(tmp_path / "s.mkv")


def tone_in_blocks(block):
    for first in range(0, 48_000, block):
        wave = np.sin(np.arange(first, first + block) * 0.05).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(
            np.stack([wave, wave], -1).reshape(1, -1), format="flt", layout="stereo"
        )
        frame.rate, frame.pts = 48_000, first
        yield frame


def test_sound_that_the_container_cannot_hold(tmp_path):
    with av.open(str(tmp_path / "s.wma"), "w", format="asf") as container:
        stream = container.add_stream("wmav2", rate=44_100, layout="stereo")
        stream.bit_rate = 128_000
        write_tone(container, stream, 0.2)
    with pytest.raises(RequestError, match=r"a\.mp4 cannot hold the wmav2 audio of .*s\.wma; write a \.mkv"):
        write(tmp_path / "a.mp4", numbered(2), audio_from=tmp_path / "s.wma")
    assert [p.name for p in tmp_path.iterdir()] == ["s.wma"]


def fail_after(path, frames, error):
    with VideoWriter(path, 48, 64, FPS) as writer:
        for frame in frames:
            writer.write(frame)
        raise error


@pytest.mark.parametrize("error", [KeyError(), KeyboardInterrupt()])
@pytest.mark.parametrize("count", [0, 60])
def test_failure_leaves_nothing(tmp_path, error, count):
    with pytest.raises(type(error)):
        fail_after(tmp_path / "a.mp4", numbered(count), error)
    assert list(tmp_path.iterdir()) == []


def test_refusals(tmp_path):
    target = tmp_path / "a.mp4"
    target.write_bytes(b"mine")
    with pytest.raises(RequestError, match="exists already"):
        write(target, numbered(1))
    with pytest.raises(RequestError, match=r"\.mp4, \.mov, \.mkv"):
        write(tmp_path / "a.gif", numbered(1))
    with pytest.raises(RequestError, match="do not rise"):
        write(tmp_path / "b.mp4", numbered(2), timestamps=[Fraction(1), Fraction(1)])
    with pytest.raises(AlayaError, match="3 times for 2 frames"):
        write(tmp_path / "b.mp4", numbered(2), timestamps=[Fraction(i) for i in range(3)])
    with pytest.raises(AlayaError, match="given no frames"), VideoWriter(tmp_path / "b.mp4", 8, 8, FPS):
        pass
    with pytest.raises(AlayaError, match=r"frame 1 for .* not numbers"):
        write(tmp_path / "b.mp4", [np.zeros((4, 4, 3), np.float32), np.full((4, 4, 3), np.nan, np.float32)])
    with pytest.raises(ValueError, match="must be"):
        write(tmp_path / "b.mp4", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 6, 3), np.uint8)])
    assert target.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [target]
    assert probe(write(target, numbered(3), overwrite=True)).num_frames == 3


@pytest.mark.parametrize("limit", [10, 20_000, 60_000])
def test_full_disk_is_an_error_and_leaves_nothing(tmp_path, limit):
    code = (
        "import resource, signal, sys; import numpy as np; from fractions import Fraction\n"
        "from alaya.video import VideoWriter; rng = np.random.default_rng(0)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "with VideoWriter(sys.argv[1], 64, 64, Fraction(24), preset='ultrafast') as w:\n"
        "    for _ in range(60): w.write(rng.integers(0, 255, (64, 64, 3)).astype(np.uint8))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a.mp4"], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"a.mp4 could not be written: no space left after {limit} bytes" in done.stderr
    assert list(tmp_path.iterdir()) == []
