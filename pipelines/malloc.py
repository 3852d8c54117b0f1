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
WINDOW_PIXEL_BYTES = 32  # of the working size
KEPT_BYTES = 256 << 20
# below the 2 MiB from which on torch wants blocks aligned to huge pages: gaps in a heap
WINDOW_BYTES = 1 << 20
HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"  # torch looks at it when it first takes memory


def large_bytes(height: int, width: int) -> int:
    """From how many bytes on a block is larger than what one frame of that size needs: 85 a pixel, 32 MiB at most."""
    return min(LARGE_BYTES, PIXEL_BYTES * height * width)


def window_bytes(height: int, width: int) -> int:
    """From how many bytes on a block is mapped while a window of that working size is predicted: 32 a pixel.

    Few are smaller that last; pictures that are drawn by rule, two at a time, take 24 a pixel and are many.
    """
    return min(WINDOW_BYTES, WINDOW_PIXEL_BYTES * height * width)


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
    share_one_heap()


@contextlib.contextmanager
def mapped_one_by_one(small: int, large: int) -> Iterator[None]:
    """Have every block of `small` bytes mapped one by one meanwhile, then those of `large` bytes again.

    A window is predicted so. In the heap its blocks of many sizes find other gaps each time: of equal windows one took
    a tenth more than another, and of many windows the worst one counts. The gaps are closed meanwhile: the library
    looks into them before it maps anything, and what they held stays with the process when it is done with.
    """
    _set(MMAP_THRESHOLD, min(small, large))
    gaps = _close_gaps(min(small, large))
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

    Nothing is written to them, so they cost no memory: `give_back` has emptied the gaps. Where no gap is left the
    library maps the block, and mapped ones lie above the heap's end. Large blocks are taken first, as each costs a
    page for what the library notes.
    """
    blocks: list[int] = []
    library, left, wanted = _library(), KEPT_BYTES, 64 * size
    with contextlib.suppress(AttributeError):
        while wanted >= size:
            block = library.malloc(wanted) if left >= wanted else 0
            if library.sbrk(0) > block > 0:
                blocks.append(block)
                left -= wanted
            else:
                library.free(block)
                wanted //= 2
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
