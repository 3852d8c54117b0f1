"""The dataset writer: round trips to the step, equal bytes for equal seeds, resuming, and apart splits."""

import hashlib
from pathlib import Path

import fake_stage
import numpy as np
import pytest

from alaya.errors import AlayaError, ClipError, RequestError
from worlds import codes, make
from worlds.dataset import FIELDS, INFO_NAME, DatasetInfo, DatasetReader, read_info

SMALL = dict(num_frames=3, size=(32, 24), shard_clips=2, progress=None, stage=fake_stage.fake_stage)


def digest(folder):
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make.make_dataset(tmp_path_factory.mktemp("made") / "set", 5, seed=7, workers=1, **SMALL)


@pytest.fixture(scope="module")
def reader(folder):
    return DatasetReader(folder)


def drawn(reader, index, frame):
    """What the fake renderer drew for this frame, before coding."""
    renderer = fake_stage.FakeRenderer(reader.info.width, reader.info.height)
    seed = int(reader.shards.clip(index, "seed"))
    renderer.load(fake_stage.build_scene(seed, "street", reader.info.num_frames))
    return renderer.gbuffer(frame)


def test_fields_have_the_promised_shapes_and_types(reader):
    assert reader.clips == [0, 1, 2, 3, 4]
    for name, (dtype, _) in FIELDS.items():
        part = reader.shards.clip(3, name)
        assert part.dtype == np.dtype(dtype)
        assert part.shape == reader.info.shape(name)
    assert reader.info.shape("inverse_rgb") == (2, 3, 24, 32, 3)
    assert reader.info.shard_sizes() == [2, 2, 1]


def test_channels_come_back_to_half_a_step(reader):
    for index, frame in [(0, 0), (3, 2)]:
        truth, clip = drawn(reader, index, frame), reader.gbuffer(index)
        sky = np.isinf(truth["depth"])
        depth = clip.depth[frame, ..., 0]
        assert np.array_equal(np.isinf(depth), sky)
        assert np.abs(depth[~sky] / truth["depth"][~sky] - 1).max() < 0.9e-4
        linear = clip.albedo[frame]
        step = np.abs(codes.encode_albedo(linear).astype(int) - 255 * codes.linear_to_srgb(truth["albedo"]))
        assert step[~sky].max() <= 0.5 + 1e-4
        assert np.abs(clip.roughness[frame, ..., 0] - truth["roughness"])[~sky].max() <= 0.5 / 255 + 1e-6
        assert np.abs(clip.metallic[frame, ..., 0] - truth["metallic"])[~sky].max() <= 0.5 / 255 + 1e-6
        cosine = np.einsum("hwc,hwc->hw", clip.normal[frame], truth["normal"])[~sky]
        assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).max() < 0.5
        for channel in (clip.albedo, clip.normal, clip.roughness, clip.metallic):
            assert not channel[frame][sky].any()
        motion = reader.motion(index)[frame]
        assert np.abs(motion - truth["motion"]).max() < 1 / 64
        emission = codes.decode_emission(reader.shards.clip(index, "emission")[frame])
        bound = 0.51 / 255 * (1 + truth["emission"]) ** 2  # the derivative of the code, half a step
        assert np.all(np.abs(emission - truth["emission"]) < 1.05 * bound)


def test_extremes_of_the_codes():
    depth = np.array([0.01, 0.1, 1e4, 1e9, np.inf])
    assert codes.encode_depth(depth).tolist() == [1, 1, 65535, 65535, 0]
    assert codes.decode_depth(np.array([1, 65535, 0], np.uint16)) == pytest.approx([0.1, 1e4, np.inf])
    assert codes.encode_normal(np.array([-1.0, 0, 1])).tolist() == [-127, 0, 127]
    assert codes.decode_normal(np.zeros((1, 3), np.int8)).tolist() == [[0, 0, 0]]
    assert codes.encode_emission(np.array([-1, 0, 1, 1e9])).tolist() == [0, 0, 128, 254]
    assert codes.encode_unit(np.array([-1, 0.5, 2])).tolist() == [0, 128, 255]


def test_pictures_hold_particles_for_inverse_inputs_only(reader):
    rng = np.random.default_rng(make.scene_seed("train", 7, 4))
    rng.choice(4, 2, replace=False)
    look, options = fake_stage.random_lighting(rng, indoor=False)
    albedo = drawn(reader, 4, 1)["albedo"]
    lit = np.rint(255 * np.clip(albedo * look * options["gain"] + 0.1, 0, 1))
    assert np.array_equal(reader.shards.clip(4, "inverse_rgb")[0, 1], lit)
    for name, slot in reader.looks(4).items():
        plain = np.rint(255 * albedo * fake_stage.fake_stage().looks[name])
        assert np.array_equal(reader.shards.clip(4, "look_rgb")[slot, 1], plain)


def test_same_seed_same_bytes_whatever_the_workers(folder, tmp_path):
    assert digest(make.make_dataset(tmp_path / "two", 5, seed=7, workers=2, **SMALL)) == digest(folder)
    other = make.make_dataset(tmp_path / "other", 5, seed=8, workers=1, **SMALL)
    assert digest(other)["shard_00000/albedo.npy"] != digest(folder)["shard_00000/albedo.npy"]


def test_resumed_equals_uninterrupted(folder, tmp_path):
    def stop_after_two(done, total):
        if done == 2:
            raise KeyboardInterrupt

    settings = SMALL | {"progress": stop_after_two}
    with pytest.raises(KeyboardInterrupt):
        make.make_dataset(tmp_path / "set", 5, seed=7, workers=1, **settings)
    assert not read_info(tmp_path / "set").complete
    assert DatasetReader(tmp_path / "set").clips == [0, 1]
    fake_stage.LOG.clear()
    make.make_dataset(tmp_path / "set", 5, seed=7, workers=1, **SMALL)
    assert len(fake_stage.LOG) == 3
    assert digest(tmp_path / "set") == digest(folder)
    make.make_dataset(tmp_path / "set", 5, seed=7, workers=1, **SMALL)
    assert len(fake_stage.LOG) == 3


def test_splits_share_no_scene_and_held_out_families_stay_out_of_training(folder, tmp_path):
    held = make.make_dataset(tmp_path / "held", 10, seed=7, workers=1, split="heldout", **SMALL)
    seeds = {
        name: {int(DatasetReader(path).shards.clip(i, "seed")) for i in DatasetReader(path).clips}
        for name, path in {"train": folder, "held": held}.items()
    }
    assert max(seeds["train"]) < 2**30 <= min(seeds["held"])
    assert len(seeds["held"]) == 10
    families = {DatasetReader(held).family(index) for index in range(10)}
    assert families == {"street", "nature", "plaza", "canyon", "station"}
    assert not {DatasetReader(folder).family(index) for index in range(5)} & {"canyon", "station"}
    with pytest.raises(RequestError, match="no family canyon in split 'train'"):
        make.make_dataset(tmp_path / "no", 2, families=["canyon"], **SMALL)


def test_scene_seeds_never_cross_the_split_or_meet_within_a_dataset():
    train = {
        make.scene_seed("train", seed, index, attempt)
        for seed in (0, 1, 5, 123456)
        for index in range(500)
        for attempt in range(make.ATTEMPTS)
    }
    assert len(train) == 4 * 500 * make.ATTEMPTS
    assert max(train) < 2**30
    assert 2**30 <= make.scene_seed("heldout", 123456, 499) < 2**31


def test_stride_keeps_every_nth_frame(folder, tmp_path):
    spaced = make.make_dataset(tmp_path / "set", 1, seed=7, workers=1, stride=2, **SMALL | {"num_frames": 2})
    reader, dense = DatasetReader(spaced), DatasetReader(folder)
    assert fake_stage.LOG[-1][2] == 3
    assert reader.info.fps == 12
    assert np.array_equal(reader.gbuffer(0).albedo, dense.gbuffer(0).albedo[::2])


def test_a_camera_that_sees_nothing_is_drawn_again():
    assert not make._sees_enough(np.empty(0), 400, 0.0)
    assert not make._sees_enough(np.full(400, 5.0), 400, 0.0)
    assert not make._sees_enough(np.linspace(0.1, 0.7, 400), 400, 0.0)
    slope = np.linspace(1, 30, 400)
    assert make._sees_enough(slope, 400, 0.02)
    assert not make._sees_enough(slope[:80], 400, 0.0)
    assert make._sees_enough(slope[4:], 400, 0.0)
    assert not make._sees_enough(slope[4:], 400, 0.02)  # sky on one part in a hundred


def test_intrinsics_of_a_right_angle():
    assert make.intrinsics(90, 256, 144) == pytest.approx(np.array([[128, 0, 128], [0, 128, 72], [0, 0, 1]]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(clips=0), "clips must be at least 1, got 0"),
        (dict(split="test"), "split must be one of train, heldout, got 'test'"),
        (dict(targets=5), "targets must be 0 to 4"),
        (dict(families=["moon"]), "no family moon"),
        (dict(variety="odd"), "no variety 'odd'; there are usual, wide"),
        (dict(clips=10**9, shard_clips=10**9), "GB free"),
    ],
)
def test_refusals(tmp_path, change, words):
    with pytest.raises(RequestError, match=words):
        make.make_dataset(tmp_path / "set", **dict(clips=2) | SMALL | change)


def test_other_settings_are_never_mixed_into_a_folder(folder, tmp_path):
    with pytest.raises(RequestError, match=r"seed 7 \(asked 8\)"):
        make.make_dataset(folder, 5, seed=8, **SMALL)
    with pytest.raises(RequestError, match=r"variety '?usual'? \(asked '?wide'?\)"):
        make.make_dataset(folder, 5, seed=7, variety="wide", **SMALL)
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(RequestError, match="holds something else"):
        make.make_dataset(tmp_path, 5, **SMALL)
    assert (tmp_path / "diary.txt").read_text() == "mine"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_renderer_is_one_line(tmp_path, workers):
    with pytest.raises(AlayaError, match=r"clip \d .*no light today"):
        make.make_dataset(tmp_path / "set", 2, workers=workers, **SMALL | {"stage": fake_stage.broken_stage})


def test_damaged_settings_are_named(folder, tmp_path):
    text = (folder / INFO_NAME).read_text()
    assert DatasetInfo.from_json(text).to_json() == text
    with pytest.raises(ClipError, match="keys differ"):
        DatasetInfo.from_json(text.replace('"stride"', '"pace"'))
    with pytest.raises(ClipError, match="not JSON"):
        DatasetInfo.from_json(text[:-5])
    with pytest.raises(ClipError, match="no such file"):
        DatasetReader(tmp_path)


@pytest.mark.egl
def test_real_worlds_are_the_same_twice(tmp_path):
    real = dict(num_frames=2, size=(64, 36), progress=None, shard_clips=2)
    one = make.make_dataset(tmp_path / "one", 3, workers=1, **real)
    two = make.make_dataset(tmp_path / "two", 3, workers=2, **real)
    assert digest(one) == digest(two)
    clip = DatasetReader(one).gbuffer(0)
    clip.check()
    assert clip.mask.mean() > 0.2
    length = np.linalg.norm(clip.normal, axis=-1)[clip.mask]
    assert np.abs(length - 1).max() < 1e-3
