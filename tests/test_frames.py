"""The 8n+1 rule, window plans and blend weights."""

import itertools
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alaya.errors import AlayaError, ClipError, FolderBusyError, FrameCountError, RequestError
from alaya.frames import (
    blend_weights,
    check_num_frames,
    covering_count,
    default_overlap,
    plan_windows,
    reflect_indices,
    window_stride,
)


@st.composite
def plans(draw):
    num_frames = 8 * draw(st.integers(0, 15)) + 1
    overlap = draw(st.none() | st.integers(0, (num_frames - 1) // 2))
    return draw(st.integers(1, 400)), num_frames, overlap


@pytest.mark.parametrize("count", [1, 9, 17, 25, 57, 73, 81, 113, 1001])
def test_rule_passes(count):
    assert check_num_frames(count) == count


@pytest.mark.parametrize(
    ("count", "advice"),
    [
        (80, "73 or 81"),
        (82, "81 or 89"),
        (2, "1 or 9"),
        (0, "1 or 9"),
        (-7, "1 or 9"),
        (-8, "1 or 9"),
        (8, "1 or 9"),
    ],
)
def test_rule_refuses(count, advice):
    with pytest.raises(FrameCountError) as caught:
        check_num_frames(count)
    assert str(caught.value) == f"num_frames must be 8n+1, got {count}; try {advice}"
    assert caught.value.exit_code == 2


def test_default_overlap():
    assert [default_overlap(n) for n in (1, 9, 17, 57, 81)] == [0, 4, 8, 8, 8]


@pytest.mark.parametrize(("num_frames", "overlap"), [(57, 29), (57, -1), (1, 1), (9, 5)])
def test_overlap_refused(num_frames, overlap):
    with pytest.raises(RequestError, match=f"overlap {overlap} does not fit windows of {num_frames} frames"):
        plan_windows(200, num_frames, overlap)


def test_empty_clip_refused():
    with pytest.raises(RequestError, match="at least 1 frame, got 0"):
        plan_windows(0, 57)


@pytest.mark.parametrize(
    ("clip_frames", "num_frames", "spans"),
    [
        (57, 57, [(0, 57, 0)]),
        (81, 57, [(0, 57, 0), (48, 81, 0)]),
        (58, 57, [(0, 57, 0), (48, 58, 7)]),
        (30, 57, [(0, 30, 3)]),
        (1, 57, [(0, 1, 0)]),
        (2, 57, [(0, 2, 7)]),
        (3, 1, [(0, 1, 0), (1, 2, 0), (2, 3, 0)]),
        (20, 9, [(0, 9, 0), (8, 17, 0), (16, 20, 5)]),
        (40, 17, [(0, 17, 0), (8, 25, 0), (16, 33, 0), (24, 40, 1)]),
    ],
)
def test_plans(clip_frames, num_frames, spans):
    assert [(w.start, w.stop, w.pad) for w in plan_windows(clip_frames, num_frames)] == spans


@settings(max_examples=200, deadline=None)
@given(plans())
def test_windows_cover_the_clip(plan):
    clip_frames, num_frames, overlap = plan
    windows = plan_windows(*plan)
    stride = window_stride(num_frames, default_overlap(num_frames) if overlap is None else overlap)
    assert windows[0].start == 0
    assert windows[-1].stop == clip_frames
    for window in windows:
        assert window.start == window.index * stride
        assert window.num_frames <= num_frames
        assert check_num_frames(window.num_frames) == covering_count(window.num_real)
        assert len(window.sources) == window.num_frames
        assert set(window.sources) == set(range(window.start, window.stop))
    for before, after in itertools.pairwise(windows):
        shared = before.stop - after.start
        assert shared >= min(
            overlap or 0, num_frames - 8
        )  # starts are multiples of 8: windows of 9 share one
        assert after.stop > before.stop  # no window that adds nothing


@settings(max_examples=200, deadline=None)
@given(plans())
def test_weights_sum_to_one(plan):
    windows = plan_windows(*plan)
    total = [0.0] * plan[0]
    for window in windows:
        weights = blend_weights(windows, window.index)
        assert len(weights) == window.num_real
        for frame, weight in enumerate(weights, window.start):
            assert 0.0 < weight <= 1.0
            total[frame] += weight
    assert max(abs(t - 1.0) for t in total) < 1e-12


def test_weights_are_a_raised_cosine():
    windows = plan_windows(81, 57, 8)  # 9 shared frames: 48 .. 56
    fall, rise = blend_weights(windows, 0)[48:], blend_weights(windows, 1)[:9]
    assert rise[4] == pytest.approx(0.5)
    assert rise == pytest.approx(tuple(reversed(fall)))
    assert rise[0] == pytest.approx(0.024472, abs=1e-6)  # sin(pi/20) ** 2
    assert list(rise) == sorted(rise)
    assert blend_weights(windows, 0)[:48] == (1.0,) * 48


def test_reflection():
    assert reflect_indices(4, 9) == (0, 1, 2, 3, 2, 1, 0, 1, 2)
    assert reflect_indices(2, 9) == (0, 1) * 4 + (0,)
    assert reflect_indices(1, 9) == (0,) * 9
    assert reflect_indices(9, 9) == tuple(range(9))


def test_exit_codes():
    assert [e.exit_code for e in (AlayaError, RequestError, ClipError, FolderBusyError)] == [1, 2, 1, 75]


def test_import_is_light():
    code = "import sys, alaya.errors, alaya.frames; print({'numpy', 'torch', 'av'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
