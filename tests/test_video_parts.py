"""Videos joined from parts: the same pictures, times and sound as in one go, and refusals."""

import itertools
import os
from fractions import Fraction

import av
import numpy as np
import pytest
from media import half_a_second

from alaya.errors import AlayaError, ClipError
from alaya.video import VideoWriter, copy_audio, probe, read_frames
from alaya.video_parts import LOSSLESS, QUICKLY, PartWriter, join_parts

FPS = Fraction(30000, 1001)
TIMES = tuple(
    Fraction(n, 100) for n in (0, 3, 10, 11, 20, 34, 90, 91, 92, 93, 94, 95, 99, 120, 121, 122, 130)
)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def picture(index, height=48, width=64):
    rng = np.random.default_rng(index // 3)
    frame = rng.random((height // 8, width // 8, 3), dtype=np.float32).repeat(8, 0).repeat(8, 1)
    frame[index % 40 :][:6] = index / 60
    return frame


def write(path, indices, **options):
    with VideoWriter(path, 48, 64, FPS, overwrite=True, **options) as writer:
        for index in indices:
            writer.write(picture(index))
    return path


def make_parts(folder, lengths):
    parts, begun = [], 0
    for length in lengths:
        path = folder / f"{begun:06d}.mp4"
        parts.append(write(path, range(begun, begun + length), crf=LOSSLESS, preset=QUICKLY))
        begun += length
    return parts


def shown_times(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        if path.suffix == ".mp4":  # Matroska keeps no times of decoding
            assert all(packet.dts <= packet.pts for packet in packets)
            assert all(one.dts < two.dts for one, two in itertools.pairwise(packets))
        return sorted(packet.pts * packet.time_base for packet in packets)


@pytest.mark.parametrize("lengths", [(17,), (8, 8, 1), (8, 9), (1,) * 17, (16, 1)])
@pytest.mark.parametrize("times", [None, TIMES])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_parts_are_the_video_written_in_one_go(tmp_path, lengths, times, suffix):
    whole = write(tmp_path / f"whole{suffix}", range(17), timestamps=times)
    joined = tmp_path / f"joined{suffix}"
    join_parts(joined, make_parts(tmp_path, lengths), 17, FPS, timestamps=times)
    one, two = probe(whole), probe(joined)
    assert (two.num_frames, two.fps, two.timestamps) == (17, one.fps, one.timestamps)
    assert shown_times(joined) == shown_times(whole)
    assert joined.read_bytes() == whole.read_bytes()


def test_colour_tags_are_those_of_any_video(tmp_path):
    parts = make_parts(tmp_path, (8, 5))
    join_parts(tmp_path / "joined.mp4", parts, 13, FPS)
    with av.open(str(parts[0])) as one, av.open(str(tmp_path / "joined.mp4")) as two:
        for name in ("colorspace", "color_range", "color_primaries", "color_trc", "pix_fmt"):
            assert getattr(one.streams.video[0].codec_context, name) == getattr(
                two.streams.video[0].codec_context, name
            )


def test_where_a_still_picture_was_parted_cannot_be_seen(tmp_path):
    with PartWriter(tmp_path, "part", 48, 64, FPS) as writer:
        for index in range(20):
            writer.write(picture(0))
            if index % 5 == 4:
                writer.seal()
    join_parts(tmp_path / "joined.mp4", writer.parts, 20, FPS)
    frames = [frame.astype(int) for frame in read_frames(tmp_path / "joined.mp4")]
    changes = [np.abs(after - before).mean() for before, after in itertools.pairwise(frames)]
    assert max(changes[4], changes[9], changes[14]) < 0.2


@pytest.mark.parametrize("start", [0, 8, 17])
def test_a_video_that_is_coded_on_the_way_has_the_same_bytes(tmp_path, start):
    whole = write(tmp_path / "whole.mp4", range(17))
    if start:
        with PartWriter(tmp_path, "part", 48, 64, FPS) as parts:
            for index in range(start + 3):
                if index == start:
                    parts.seal()
                parts.write(picture(index % 17))
    target = tmp_path / "grown.mp4"
    with (
        VideoWriter(target, 48, 64, FPS) as video,
        PartWriter(tmp_path, "part", 48, 64, FPS, start=start, into=video) as parts,
    ):
        for index in range(start, 17):
            parts.write(picture(index))
    assert target.read_bytes() == whole.read_bytes()


def test_parts_that_are_lost_are_noticed(tmp_path):
    with PartWriter(tmp_path, "part", 48, 64, FPS) as parts:
        parts.write(picture(0))
    video = VideoWriter(tmp_path / "grown.mp4", 48, 64, FPS)
    with pytest.raises(ClipError, match="1 of its 2 pictures"), video:
        PartWriter(tmp_path, "part", 48, 64, FPS, start=2, into=video).__enter__()
    assert not (tmp_path / "grown.mp4").exists()


def test_the_same_parts_give_the_same_bytes(tmp_path):
    parts = make_parts(tmp_path, (8, 5))
    for name in ("a.mp4", "b.mp4", "a.mkv", "b.mkv"):
        join_parts(tmp_path / name, parts, 13, FPS)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()


def test_sound_is_that_of_one_go(tmp_path):
    loud = half_a_second(tmp_path / "sound.mka")
    whole = write(tmp_path / "whole.mp4", range(13), audio_from=loud)
    join_parts(tmp_path / "joined.mp4", make_parts(tmp_path, (8, 5)), 13, FPS, audio_from=loud)
    assert copy_audio(whole, tmp_path / "a.mka", Fraction(0))
    assert copy_audio(tmp_path / "joined.mp4", tmp_path / "b.mka", Fraction(0))
    assert (tmp_path / "a.mka").read_bytes() == (tmp_path / "b.mka").read_bytes()


def test_parts_that_do_not_fit_are_refused_and_nothing_is_written(tmp_path):
    parts = make_parts(tmp_path, (8, 5))
    target = tmp_path / "joined.mp4"
    with pytest.raises(ClipError, match="13 of its 14 pictures came together"):
        join_parts(target, parts, 14, FPS)
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "x.mp4"
    with VideoWriter(other, 48, 80, FPS) as writer:
        writer.write(picture(0, 48, 80))
    with pytest.raises(ClipError, match="of another size than the parts before it"):
        join_parts(target, [parts[0], other], 13, FPS)
    parts[1].write_bytes(parts[1].read_bytes()[:700])
    with pytest.raises(AlayaError):
        join_parts(target, parts, 13, FPS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000.mp4", "000008.mp4", "other"]
