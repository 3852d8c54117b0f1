"""Sets the C library's memory for whole jobs: blocks of a picture's size are used again, larger ones given back."""

import contextlib
import ctypes
import functools
import os
import sys
from collections.abc import Iterator
from typing import Any

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # parameters of mallopt, <malloc.h>
LARGE_BYTES = 32 << 20  # the most that glibc takes
PIXEL_BYTES = 85  # a pixel of one frame: 832x480 comes to all of it
KEPT_BYTES = 256 << 20
WINDOW_BYTES = (
    1 << 20
)  # below the 2 MiB from which on torch wants blocks aligned to huge pages: gaps in a heap
HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"  # torch looks at it when it first takes memory


def large_bytes(height: int, width: int) -> int:
    """From how many bytes on a block is larger than what one frame of that size needs: 85 a pixel, 32 MiB at most."""
    return min(LARGE_BYTES, PIXEL_BYTES * height * width)


def share_one_heap() -> None:
    """Have all threads take memory from one heap; to be called before the first of them is started.

    A thread that has a heap of its own by then keeps it, and later threads get it in their turn: what the windows of
    a long clip leave free would lie in three places instead of one.
    """
    _set(ARENA_MAX, 1)


def return_large_blocks(large: int = LARGE_BYTES) -> None:
    """Have blocks of `large` bytes mapped one by one, so that a window's memory goes back as soon as it is done with.

    Were `large` more than a frame needs, the windows of a small clip would lie among its frames, and the gaps that
    they leave would fit the next window badly: the heap grew over the first five windows by a tenth of the process.

    Smaller blocks, pictures and planes at full size, stay with the process for the next frame, up to 256 MiB of
    them in one place for all threads: the kernel clears every page that it gives, which took a third of a job.
    torch asks for pages of 2 MiB, which makes up for what mapping costs it.
    """
    os.environ.setdefault(HUGE_PAGES, "1")
    _set(MMAP_THRESHOLD, large)
    _set(TRIM_THRESHOLD, KEPT_BYTES)
    _set(ARENA_MAX, 1)


@contextlib.contextmanager
def mapped_one_by_one(small: int, large: int) -> Iterator[None]:
    """Have every block of `small` bytes (1 MiB at most) mapped one by one meanwhile, then those of `large` bytes again.

    A window is predicted so. In the heap its blocks of many sizes find other gaps each time: of equal windows one took
    a tenth more than another, and of many windows the worst one counts. The gaps are closed meanwhile: the library
    looks into them before it maps anything, and what they held stays with the process when it is done with.
    """
    size = min(small, large, WINDOW_BYTES)
    _set(MMAP_THRESHOLD, size)
    gaps = _close_gaps(size)
    try:
        yield
    finally:
        for block in gaps:
            _library().free(block)
        _set(MMAP_THRESHOLD, large)


def give_back() -> None:
    """Give the system all memory that is free at this moment, wherever it lies in the heap.

    Called before each window: what the one before left free would else lie beside what this one needs, and a long
    clip would take more at its peak than a short one.
    """
    with contextlib.suppress(AttributeError):
        _library().malloc_trim(0)


def _close_gaps(size: int) -> list[int]:
    """Take blocks until the heap has no gap for one of `size` bytes, and return them.

    Nothing is written to them, so they cost no memory: `give_back` has emptied the gaps. Blocks of the heap lie below
    its end, mapped ones above. Large blocks are taken first, as each costs a page for what the library notes.
    """
    blocks: list[int] = []
    library, left = _library(), KEPT_BYTES
    with contextlib.suppress(AttributeError):
        for wanted in (64 * size, 8 * size, size):
            while left >= wanted and (block := library.malloc(wanted)):
                if block > library.sbrk(0):
                    library.free(block)
                    break
                blocks.append(block)
                left -= wanted
    return blocks


def _set(parameter: int, value: int) -> None:
    with contextlib.suppress(AttributeError):  # another C library: nothing is lost but time
        _library().mallopt(parameter, value)


@functools.cache
def _library() -> Any:
    """The C library, where it is Linux's; else something that has none of its functions."""
    library: Any = object()
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            library = ctypes.CDLL(None)
            library.malloc.argtypes, library.malloc.restype = [ctypes.c_size_t], ctypes.c_size_t
            library.free.argtypes, library.free.restype = [ctypes.c_size_t], None
            library.sbrk.argtypes, library.sbrk.restype = [ctypes.c_ssize_t], ctypes.c_size_t
    return library
