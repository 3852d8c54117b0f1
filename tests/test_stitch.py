"""Windows blended into a clip, and the threads that read ahead and write behind."""

import threading

import numpy as np
import pytest

from alaya.frames import plan_windows
from alaya.gbuffer import GBuffer
from pipelines.background import map_ahead, read_ahead, write_behind
from pipelines.stitch import Lookback, blend_windows, pack, unpack


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
    pieces = list(blend_windows(windows, lambda window: truth[window.start : window.stop].copy(), step=5))
    assert max(map(len, pieces)) <= 5
    assert np.abs(np.concatenate(pieces) - truth).max() < 1e-6


def test_windows_that_differ_are_crossed_smoothly():
    windows = plan_windows(33, 17)
    values = [np.full((window.num_real, 1, 1, 1), window.index, np.float32) for window in windows]
    line = np.concatenate(list(blend_windows(windows, lambda w: values[w.index].copy(), step=3)))[:, 0, 0, 0]
    assert line[0] == 0
    assert line[-1] == windows[-1].index
    assert np.diff(line).min() >= 0
    assert np.diff(line).max() < 0.25  # without blending the largest step is 1


def test_lookback_keeps_only_what_comes_again():
    windows = plan_windows(40, 17)
    recent = Lookback(iter(range(40)))
    for window in windows:
        after = windows[window.index + 1].start if window.index + 1 < len(windows) else window.stop
        assert recent.take(window, after) == list(window.sources)
        assert sorted(recent._kept) == list(range(after, window.stop))


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
