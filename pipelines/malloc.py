"""Sets the C library's memory for whole jobs: blocks of a picture's size are used again, larger ones given back."""

import contextlib
import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # parameters of mallopt, <malloc.h>
LARGE_BYTES = 32 << 20  # the most that glibc takes
PIXEL_BYTES = 85  # a pixel of one frame: 832x480 comes to all of it
KEPT_BYTES = 256 << 20


def large_bytes(height: int, width: int) -> int:
    """From how many bytes on a block is larger than what one frame of that size needs: 85 a pixel, 32 MiB at most."""
    return min(LARGE_BYTES, PIXEL_BYTES * height * width)


def return_large_blocks(large: int = LARGE_BYTES) -> None:
    """Have blocks of `large` bytes mapped one by one, so that a window's memory goes back as soon as it is done with.

    Were `large` more than a frame needs, the windows of a small clip would lie among its frames, and the gaps that
    they leave would fit the next window badly: the heap grew over the first five windows by a tenth of the process.

    Smaller blocks, pictures and planes at full size, stay with the process for the next frame, up to 256 MiB of
    them in one place for all threads: the kernel clears every page that it gives, which took a third of a job.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library: nothing is lost but time
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(MMAP_THRESHOLD, large)
            mallopt(TRIM_THRESHOLD, KEPT_BYTES)
            mallopt(ARENA_MAX, 1)


def give_back() -> None:
    """Give the system all memory that is free at this moment, wherever it lies in the heap.

    Called before each window: what the one before left free would else lie beside what this one needs, and a long
    clip would take more at its peak than a short one.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
