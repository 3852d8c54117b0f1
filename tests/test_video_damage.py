"""Damaged video is reported with its counts, never padded, never silent where the coding can show it."""

import av
import numpy as np
import pytest
from media import numbered_clip, read_number

from alaya.errors import AlayaError, ClipError
from alaya.video import check_frames, open_input, probe, read_frames

COUNT = 81
FAST_START = {"container_options": {"movflags": "+faststart"}, "options": {"preset": "fast", "crf": "18"}}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return {
        "mp4": numbered_clip(folder / "a.mp4", COUNT, 96, 128, **FAST_START),
        "mkv": numbered_clip(folder / "a.mkv", COUNT, 96, 128, options={"preset": "fast"}, sound_s=3.4),
        "ffv1": numbered_clip(folder / "b.mkv", COUNT, 96, 128, codec="ffv1"),
        "vp9": numbered_clip(
            folder / "a.webm", COUNT, 96, 128, codec="libvpx-vp9", options={"cpu-used": "8"}
        ),
    }


def mutant(clip, folder, change):
    content = bytearray(clip.read_bytes())
    path = folder / f"damaged{clip.suffix}"
    path.write_bytes(change(content))
    return path


def read_until_report(path):
    """(frames given, the error that ended them)."""
    frames = []
    with pytest.raises(ClipError) as caught:
        collect(path, frames)
    return frames, caught.value


def collect(path, frames):
    for frame in read_frames(path):
        frames.append(frame)


def truth_by_decoding(path):
    """Frames that plain PyAV gets out of the file."""
    count = 0
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            try:
                count += len(packet.decode())
            except av.error.FFmpegError:
                continue
    return count


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("name", ["mp4", "mkv", "ffv1", "vp9"])
def test_cut_file(clips, tmp_path, name, share):
    path = mutant(clips[name], tmp_path, lambda content: content[: int(len(content) * share)])
    frames, error = read_until_report(path)
    info = probe(path)
    assert info.declared_frames == COUNT
    assert error.good_frames + error.bad_frames == COUNT
    assert str(error).startswith(f"{path}: {error.good_frames} good frames, ")
    assert f" of {COUNT} declared" in str(error)
    decoded = truth_by_decoding(path)
    assert len(frames) == decoded
    assert (
        decoded - 1 <= error.good_frames <= decoded
    )  # the packet that the cut went through may still decode
    assert 0.1 * COUNT < error.good_frames < COUNT
    shown = [read_number(frame) for frame in frames]
    assert shown == sorted(set(shown))  # none twice, none made up
    assert shown[: error.good_frames - 8] == list(range(error.good_frames - 8))
    with pytest.raises(ClipError):
        open_input(path)


def test_tolerated_loss_gives_the_good_frames(clips, tmp_path):
    path = mutant(clips["mp4"], tmp_path, lambda content: content[: len(content) // 2])
    _, error = read_until_report(path)
    assert check_frames(probe(path), tolerate=error.bad_frames) == error.bad_frames
    assert len(list(read_frames(path, tolerate=error.bad_frames))) >= error.good_frames
    with pytest.raises(ClipError):
        list(read_frames(path, tolerate=error.bad_frames - 1))
    good = error.good_frames - 5
    assert len(list(read_frames(path, 0, good))) == good  # a range that is whole is no loss


def flipped(content, seed, start=2000):
    rng = np.random.default_rng(seed)
    for place in rng.integers(start, len(content) - 3000, 12):
        content[place] ^= 1 << int(rng.integers(0, 8))
    return content


def zeroed(content, seed, start=3000):
    place = int(np.random.default_rng(seed).integers(start, len(content) - 3000))
    content[place : place + 600] = bytes(600)
    return content


def same_or_error(path, whole):
    """The report of a damaged file, or None when every frame is the whole file's."""
    try:
        frames = list(read_frames(path))
    except ClipError as error:
        return error
    same = len(frames) == len(whole) and all(np.array_equal(a, b) for a, b in zip(frames, whole, strict=True))
    return None if same else f"{len(frames)} frames, not all the same"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("name", "change"),
    [("mp4", zeroed), ("mkv", zeroed), ("vp9", zeroed), ("ffv1", zeroed), ("ffv1", flipped)],
)
def test_damage_is_never_silent(clips, tmp_path, name, change, seed):
    path = mutant(clips[name], tmp_path, lambda content: change(content, seed))
    outcome = same_or_error(path, list(read_frames(clips[name])))
    assert outcome is None or isinstance(outcome, ClipError), outcome
    assert outcome is None or str(path) in str(outcome)


def test_most_flipped_bits_are_heard(clips, tmp_path):
    """H.264 carries no checksum: a flip may decode to a lawful other picture, and only most are found."""
    whole = list(read_frames(clips["mp4"]))
    outcomes = []
    for seed in range(10):
        path = mutant(clips["mp4"], tmp_path, lambda content, seed=seed: flipped(content, seed))
        outcomes.append(same_or_error(path, whole))
    assert sum(outcome is None or isinstance(outcome, ClipError) for outcome in outcomes) >= 8


def test_flipped_bits_are_counted_as_damaged(clips, tmp_path):
    path = mutant(clips["mp4"], tmp_path, lambda content: flipped(content, 0))
    frames, error = read_until_report(path)
    assert len(frames) <= COUNT
    assert error.bad_frames >= 5
    assert "damaged" in str(error)


def test_random_garbage_never_escapes(tmp_path, clips):
    """Heads of real files with random bytes: each is read, reported or refused, with no other exception."""
    rng = np.random.default_rng(5)
    outcomes = []
    for name in clips:
        for _ in range(8):
            places = rng.integers(0, 700, 5)

            def change(content, places=places):
                for place in places:
                    content[place] = int(rng.integers(0, 256))
                return content

            path = mutant(clips[name], tmp_path, change)
            outcomes.append(outcome_of(path))
    assert sum(outcome != "read" for outcome in outcomes) >= 5
    assert all(
        outcome == "read" or "damaged" in outcome for outcome in outcomes
    )  # "damaged" is the file's name


def outcome_of(path):
    try:
        return "read" if list(read_frames(path)) else "empty"
    except AlayaError as error:
        return str(error)


@pytest.mark.parametrize("seed", range(4))
def test_flipped_vp9_is_heard_by_the_stricter_decoder(clips, tmp_path, seed):
    path = mutant(clips["vp9"], tmp_path, lambda content: flipped(content, seed))
    outcome = same_or_error(path, list(read_frames(clips["vp9"])))
    assert isinstance(outcome, ClipError)
    assert outcome.good_frames + outcome.bad_frames == COUNT


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{clip}\n#EXT-X-ENDLIST\n"),
        ("list.mp4", "ffconcat version 1.0\nfile {clip}\n"),
    ],
)
def test_a_playlist_opens_no_other_file(clips, tmp_path, name, text):
    (tmp_path / "other.mp4").write_bytes(clips["mp4"].read_bytes())
    (tmp_path / name).write_text(text.format(clip="other.mp4"))
    with pytest.raises(ClipError, match="cannot be read as video"):
        probe(tmp_path / name)


@pytest.mark.parametrize("name", ["pipe:0", "concat:a|b", "http:x.mp4", "-", "new\nline.mp4", "100%d.mp4"])
def test_a_name_is_a_name(clips, tmp_path, name):
    """Names that FFmpeg would take for protocols or patterns are files like any other."""
    (tmp_path / name).write_bytes(clips["mp4"].read_bytes())
    assert probe(name).num_frames == COUNT
