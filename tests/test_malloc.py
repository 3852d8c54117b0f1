"""What a window leaves free goes back to the system, in jobs of small pictures as in those of large ones."""

import json
import subprocess
import sys

import pytest

from pipelines.malloc import LARGE_BYTES, WINDOW_BYTES, large_bytes, window_bytes

PROGRAM = """
import json, sys
import numpy as np
from pipelines.malloc import give_back, large_bytes, mapped_one_by_one, return_large_blocks

def resident():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024

def growth():
    before = resident()
    windows = [np.ones(2 << 20, np.uint8) for _ in range(20)]
    frame = np.ones(100 << 10, np.uint8)  # lies above them in the heap, if they are there, and keeps them from going
    held = resident()
    del windows
    return held - before, resident() - before

height, width, working, gap = map(int, sys.argv[1:])
large = large_bytes(height, width)
return_large_blocks(large)
if gap:
    pictures = [np.ones(1 << 20, np.uint8) for _ in range(gap)]
    above = np.ones(100 << 10, np.uint8)
    del pictures
    give_back()
if working:
    with mapped_one_by_one(working, large):
        meanwhile = growth()
    print(json.dumps([*meanwhile, *growth()]))
else:
    print(json.dumps(growth()))
"""


def growth(height, width, working=0, gap=0):
    command = [sys.executable, "-c", PROGRAM, str(height), str(width), str(working), str(gap)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


@pytest.mark.skipif(
    sys.platform != "linux", reason="sets the C library's memory and reads the kernel's account"
)
def test_a_window_of_a_small_clip_is_not_kept_and_a_picture_of_a_large_one_is():
    held, left = growth(72, 128)
    assert held > 35  # MiB
    assert left < 5
    held, left = growth(480, 832)
    assert held > 35
    assert left > 35  # for the next frame, which finds it ready


@pytest.mark.skipif(
    sys.platform != "linux", reason="sets the C library's memory and reads the kernel's account"
)
def test_what_a_window_is_predicted_with_is_not_kept_where_pictures_are():
    held, left, held_later, left_later = growth(480, 832, working=1 << 20)
    assert held > 35  # MiB
    assert left < 5
    assert held_later > 35
    assert left_later > 35  # pictures again


@pytest.mark.skipif(
    sys.platform != "linux", reason="sets the C library's memory and reads the kernel's account"
)
def test_what_a_window_is_predicted_with_does_not_stay_in_gaps_that_pictures_left():
    held, left, held_later, left_later = growth(480, 832, working=1 << 20, gap=32)
    assert held > 35  # MiB
    assert left < 5  # 32, were the gap not closed
    assert held_later > 35
    assert left_later > 35  # for pictures it is open again


def test_a_block_is_large_by_the_frame_and_never_above_what_the_library_takes():
    assert large_bytes(72, 128) == 85 * 72 * 128
    assert large_bytes(480, 832) == large_bytes(2160, 3840) == LARGE_BYTES


def test_what_a_window_has_mapped_grows_with_its_pictures_up_to_a_mebibyte():
    assert window_bytes(32, 48) == 32 * 32 * 48
    assert window_bytes(144, 256) == window_bytes(720, 1280) == WINDOW_BYTES == 1 << 20
