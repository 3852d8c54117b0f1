"""Checksums inside Matroska files: which parts say, by their own CRC-32, that they were changed.

FFmpeg reads over these checksums. Most programs write them into .mkv files, few into .webm ones; a part is
a level-1 element of the container's segment, such as a cluster of some seconds of packets.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067
_CRC_HEAD = b"\xbf\x84"  # the element CRC-32, of four bytes
_CRC_BYTES = 6
_MAX_PARTS = 1_000_000
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Checksums:
    """How many parts of a file carry a checksum, and how many of these do not agree with it."""

    total: int = 0
    failed: int = 0


def check_matroska(path: Path) -> Checksums:
    """Read a file once and compare its checksums; none are found in a file of another kind.

    Where the structure itself breaks off, the rest of the file is left unread: the demuxer tells of that.
    """
    total = failed = 0
    with path.open("rb") as file:
        end = path.stat().st_size
        head = _element(file, end)
        if head is None or head[0] != _EBML:
            return Checksums()
        file.seek(head[1])
        segment = _element(file, end)
        if segment is None or segment[0] != _SEGMENT:
            return Checksums()
        for _ in range(_MAX_PARTS):
            part = _element(file, end)
            if part is None or part[1] > end:
                break
            agrees = _agrees(file, part[1] - file.tell())
            total += agrees is not None
            failed += agrees is False
            file.seek(part[1])
    return Checksums(total, failed)


def _element(file: BinaryIO, end: int) -> tuple[int, int] | None:
    """The id of the element that begins here and where it ends; None at the end or where there is none.

    The file is left at the element's content. An element of unknown size ends with the file.
    """
    first = file.read(1)
    if not first or not first[0]:
        return None
    name = first + file.read(_length(first[0]) - 1)
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = _length(first[0])
    size = int.from_bytes(first + file.read(length - 1)) & ((1 << 7 * length) - 1)
    unknown = size == (1 << 7 * length) - 1
    return int.from_bytes(name), end if unknown else file.tell() + size


def _length(first: int) -> int:
    """Bytes of a number whose first byte is this: one more than the zero bits it begins with."""
    return 9 - first.bit_length()


def _agrees(file: BinaryIO, size: int) -> bool | None:
    """Whether the next `size` bytes agree with the checksum they begin with; None if they begin with none."""
    head = file.read(min(size, _CRC_BYTES))
    if len(head) < _CRC_BYTES or head[:2] != _CRC_HEAD:
        return None
    found, left = 0, size - _CRC_BYTES
    while left > 0 and (block := file.read(min(left, _BLOCK))):
        found, left = zlib.crc32(block, found), left - len(block)
    return found == int.from_bytes(head[2:], "little")
