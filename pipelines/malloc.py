"""Makes the C library give large blocks back at once, so that memory is the same for short and long clips."""

import contextlib
import ctypes
import sys

MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of <malloc.h>
BLOCK_BYTES = 200_000


def return_large_blocks() -> None:
    """Have blocks above 200 kB mapped one by one; by default glibc stops doing so after the first large free."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library: nothing is lost but memory
            ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, BLOCK_BYTES)
