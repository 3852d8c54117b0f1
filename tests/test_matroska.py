"""The checksums that Matroska files carry: agreed with when whole, and every changed bit inside them found."""

import re

import numpy as np
import pytest
from media import numbered_clip

from alaya.errors import ClipError
from alaya.matroska import Checksums, check_matroska
from alaya.video import probe, read_frames

CODING = {"codec": "libx265", "options": {"preset": "ultrafast", "x265-params": "log-level=none:pools=none"}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return numbered_clip(tmp_path_factory.mktemp("whole") / "a.mkv", 25, 48, 64, **CODING)


def test_a_whole_file_agrees(whole):
    found = check_matroska(whole)
    assert found.failed == 0
    assert found.total >= 4
    assert probe(whole).notes == ()


@pytest.mark.parametrize("seed", range(12))
def test_any_flipped_bit_behind_the_head_is_told(whole, tmp_path, seed):
    content = bytearray(whole.read_bytes())
    cluster = content.find(b"\x1f\x43\xb6\x75")
    place = int(np.random.default_rng(seed).integers(cluster + 24, len(content) - 400))
    content[place] ^= 1 << seed % 8
    path = tmp_path / "flipped.mkv"
    path.write_bytes(content)
    assert check_matroska(path).failed == 1
    assert re.search(r"1 of \d+ checksums in the file fail|good frames of", told_of(path))


def told_of(path):
    """What is said of a file: the notes, or the refusal where the decoder heard it at the first frame."""
    try:
        return " ".join(probe(path).notes)
    except ClipError as error:
        return str(error)


def test_frames_that_a_container_lost_are_counted(whole, tmp_path):
    """A block whose length was changed is passed over by the demuxer: the hole it leaves is damage here."""
    content = bytearray(whole.read_bytes())
    cluster = content.find(b"\x1f\x43\xb6\x75")
    blocks = [i for i in range(cluster, len(content) - 400) if _is_block(content[i : i + 4])]
    content[blocks[10]] = 0xEC  # "void": room that may be left unread
    path = tmp_path / "lost.mkv"
    path.write_bytes(content)
    with pytest.raises(ClipError, match=r"\d+ missing of 25 declared") as caught:
        list(read_frames(path))
    assert caught.value.good_frames + caught.value.bad_frames == 25


def _is_block(head):
    """Whether a simple block of track 1 begins here, its size in one byte or two."""
    return head[0] == 0xA3 and ((head[1] & 0x80 and head[2] == 0x81) or (head[1] & 0x40 and head[3] == 0x81))


@pytest.mark.parametrize(
    "content", [b"", b"\x1a\x45\xdf\xa3", b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67", b"no"]
)
def test_other_files_have_no_checksums(tmp_path, content):
    (tmp_path / "a.mkv").write_bytes(content)
    assert check_matroska(tmp_path / "a.mkv") == Checksums()


def test_lengths_that_lie_end_the_walk(tmp_path):
    head = b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01" + b"\xff" * 7
    (tmp_path / "a.mkv").write_bytes(head + b"\x1f\x43\xb6\x75\x08" + b"\xff" * 4)
    assert check_matroska(tmp_path / "a.mkv") == Checksums()
