"""Windows blended into a clip, and the threads that read ahead and write behind."""

import threading
from typing import Any

import numpy as np
import pytest

from alaya.frames import plan_windows
from alaya.gbuffer import GBuffer
from pipelines.background import map_ahead, read_ahead, write_behind
from pipelines.stitch import Lookback, blend, first_sharing, next_start, pack, recut, smaller, unpack
from pipelines.windows import shared


def blend_all(windows, predict, first=0, carry=None):
    """The finished frames from window `first` on, and what each window leaves."""
    pieces, carries = [], []
    for window in windows[first:]:
        finished, carry = blend(windows, window.index, predict(window), carry)
        pieces.append(finished.copy())
        carries.append(carry)
    return np.concatenate(pieces), carries


def random_clip(num_frames, seed=0):
    rng = np.random.default_rng(seed)
    shape = (num_frames, 4, 6)
    ground = (rng.random((*shape, 1)) > 0.3).astype(np.float32)
    normal = rng.normal(size=(*shape, 3)).astype(np.float32)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    depth = np.exp(rng.uniform(-1, 5, (*shape, 1))).astype(np.float32)
    return GBuffer(
        albedo=rng.random((*shape, 3), dtype=np.float32) * ground,
        normal=normal * ground,
        depth=np.where(ground > 0, depth, np.float32(np.inf)),
        roughness=rng.random((*shape, 1), dtype=np.float32) * ground,
        metallic=rng.random((*shape, 1), dtype=np.float32) * ground,
    )


def test_packing_loses_nothing():
    clip = random_clip(3)
    back = unpack(pack(clip))
    back.check()
    assert np.array_equal(back.mask, clip.mask)
    for name in ("albedo", "normal", "roughness", "metallic"):
        assert np.abs(getattr(back, name) - getattr(clip, name)).max() < 1e-6
    ratio = back.depth[clip.mask] / clip.depth[clip.mask]
    assert np.abs(ratio - 1).max() < 1e-5


def test_a_mean_of_two_is_geometric_in_depth_unit_in_normals_and_most_decide_on_sky():
    near, far = random_clip(1, 1), random_clip(1, 2)
    mixed = unpack(0.75 * pack(near) + 0.25 * pack(far))
    mixed.check()
    both = near.mask & far.mask
    expected = near.depth[both] ** 0.75 * far.depth[both] ** 0.25
    assert np.allclose(mixed.depth[both], expected, rtol=1e-4)
    assert np.array_equal(mixed.mask, near.mask)  # three quarters of the weight
    alone = near.mask & ~far.mask
    assert np.allclose(
        mixed.albedo[alone], near.albedo[alone], atol=1e-6
    )  # sky does not darken what it meets


@pytest.mark.parametrize("clip_frames", [1, 9, 17, 18, 40, 60])
@pytest.mark.parametrize("num_frames", [9, 17, 57])
def test_windows_that_agree_give_the_clip_back(clip_frames, num_frames):
    truth = np.random.default_rng(0).random((clip_frames, 2, 3, 4), dtype=np.float32)
    windows = plan_windows(clip_frames, num_frames)
    whole, carries = blend_all(windows, lambda window: truth[window.start : window.stop].copy())
    assert np.abs(whole - truth).max() < 1e-6
    assert carries[-1] is None


def test_windows_that_differ_are_crossed_smoothly():
    windows = plan_windows(33, 17)
    values = [np.full((window.num_real, 1, 1, 1), window.index, np.float32) for window in windows]
    line = blend_all(windows, lambda w: values[w.index].copy())[0][:, 0, 0, 0]
    assert line[0] == 0
    assert line[-1] == windows[-1].index
    assert np.diff(line).min() >= 0
    assert np.diff(line).max() < 0.25  # without blending the largest step is 1


@pytest.mark.parametrize(("num_frames", "overlap"), [(17, None), (17, 2), (33, 16), (9, 4), (1, 0)])
def test_going_on_from_any_window_gives_the_same_bytes(num_frames, overlap):
    windows = plan_windows(70, num_frames, overlap)
    values = [np.random.default_rng(w.index).random((w.num_real, 2, 3, 4), dtype=np.float32) for w in windows]
    whole, carries = blend_all(windows, lambda w: values[w.index].copy())
    for first in range(1, len(windows)):
        rest, _ = blend_all(windows, lambda w: values[w.index].copy(), first, carries[first - 1])
        assert np.array_equal(rest, whole[windows[first].start :])


@pytest.mark.parametrize(("num_frames", "overlap"), [(17, None), (17, 2), (33, 16), (9, 4)])
def test_lost_sums_come_again_from_the_windows_that_share_frames(num_frames, overlap):
    windows = plan_windows(70, num_frames, overlap)
    values = [np.random.default_rng(w.index).random((w.num_real, 2, 3, 4), dtype=np.float32) for w in windows]
    whole, _ = blend_all(windows, lambda w: values[w.index].copy())
    for done in range(1, len(windows)):
        first = first_sharing(windows, done)
        assert done - first <= 2
        rest, _ = blend_all(windows, lambda w: values[w.index].copy(), first)
        begun = windows[done].start
        assert np.array_equal(rest[begun - windows[first].start :], whole[begun:])


@pytest.mark.parametrize("index", [0, 1, 3])
@pytest.mark.parametrize(("num_frames", "overlap"), [(57, None), (33, 16), (17, None)])
def test_a_clip_cut_smaller_is_still_the_clip(index, num_frames, overlap):
    truth = np.random.default_rng(0).random((300, 2, 3, 4), dtype=np.float32)
    windows = plan_windows(300, num_frames, overlap)
    _, carries = blend_all(windows, lambda w: truth[w.start : w.stop].copy())
    after = recut(windows, index, smaller(num_frames), overlap)
    assert after[:index] == windows[:index]
    assert [window.index for window in after] == list(range(len(after)))
    assert all(next_start(after, window) <= window.stop for window in after)
    assert max(window.num_frames for window in after[index:]) < num_frames
    rest, _ = blend_all(
        after, lambda w: truth[w.start : w.stop].copy(), index, carries[index - 1] if index else None
    )
    assert np.abs(rest - truth[after[index].start :]).max() < 1e-6


def test_smaller_windows_are_8n_plus_1_down_to_9():
    assert [smaller(n) for n in (81, 57, 33, 25, 17, 9)] == [41, 25, 17, 9, 9, 9]


def test_lookback_takes_back_what_a_failed_window_had(tmp_path):
    windows = plan_windows(40, 17)
    recent = Lookback(iter(range(8, 40)), 8)
    taken = recent.take(windows[1], windows[2].start)
    recent.give_back(8, taken)
    half = recut(windows, 1, 9, None)
    assert recent.take(half[1], half[2].start) == list(half[1].sources)


def test_lookback_keeps_only_what_comes_again():
    windows = plan_windows(40, 17)
    recent = Lookback(iter(range(40)))
    for window in windows:
        after = windows[window.index + 1].start if window.index + 1 < len(windows) else window.stop
        assert recent.take(window, after) == list(window.sources)
        assert sorted(recent._kept) == list(range(after, window.stop))


class Frames:
    """The part of a task that joins frames to clips."""

    join = staticmethod(np.stack)

    @staticmethod
    def split(clip, count):
        return list(clip[:count])


def test_what_two_windows_share_is_taken_from_the_first_and_does_not_hold_it():
    window = plan_windows(40, 17)[1]
    clip = np.random.default_rng(0).random((17, 2, 3))
    task: Any = Frames()
    kept = shared(task, clip, window, window.start + 16)
    assert np.array_equal(kept, clip[16:])
    assert not any(np.shares_memory(frame, clip) for frame in kept)
    assert shared(task, clip, window, window.stop) == []


def test_reading_ahead_keeps_order_and_hands_on_errors():
    def stream():
        yield from range(5)
        raise ValueError("torn")

    with read_ahead(stream()) as items:
        assert [next(items) for _ in range(5)] == list(range(5))
        with pytest.raises(ValueError, match="torn"):
            next(items)


def test_reading_ahead_can_be_left_early():
    before = threading.active_count()
    with read_ahead(iter(range(10_000))) as items:
        assert next(items) == 0
    assert threading.active_count() == before


def test_mapping_ahead_keeps_order_and_hands_on_errors():
    with map_ahead(lambda n: 10 // (3 - n), range(9)) as results:
        assert [next(results) for _ in range(3)] == [3, 5, 10]
        with pytest.raises(ZeroDivisionError):
            next(results)


def test_writing_behind_writes_everything_in_order():
    written = []
    with write_behind(written.append) as write:
        for number in range(20):
            write(number)
    assert written == list(range(20))


def test_a_failed_write_is_not_lost():
    def fail(number):
        raise OSError("disk full")

    def write_all():
        with write_behind(fail) as write:
            for number in range(20):
                write(number)

    with pytest.raises(OSError, match="disk full"):
        write_all()
