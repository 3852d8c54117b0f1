"""Training samples: mirrored and cropped with their normals and motion, seeded, the same from any process."""

import time
from dataclasses import replace

import fake_stage
import numpy as np
import pytest
import torch

from alaya.errors import RequestError
from training.data import Augment, View, WorldsDataset, cut_gbuffer, draw_view, load_steps, resized
from training.foreign import read_eval_clips
from training.recipe import Phase, Recipe
from training.tasks import Samples
from worlds.dataset import DatasetReader
from worlds.make import make_dataset

SIZE = (24, 32)
SMALL = Phase("small", 3, 32, 24, num_frames=1, batch=2)
LARGE = Phase("large", 1, 64, 48, num_frames=3, batch=1, whole_share=1.0)
CLEAN = Augment.none()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("worlds") / "set"
    fake = dict(workers=1, progress=None, stage=fake_stage.fake_stage)
    return make_dataset(out, 4, num_frames=5, size=(64, 48), seed=3, **fake)


@pytest.fixture(scope="module")
def reader(folder):
    return DatasetReader(folder)


def field(reader, clip=0):
    return lambda name: reader.shards.clip(clip, name)


def whole(reader, flip=False):
    return View(0, reader.info.num_frames, 0, 0, reader.info.height, reader.info.width, flip)


@pytest.mark.parametrize(("task", "looks"), [("inverse", {-1, 0, 1, 2, 3}), ("editing", {0, 1, 2, 3})])
def test_batches_keep_the_contract(folder, task, looks):
    data = WorldsDataset([folder], task, SIZE, seed=1)
    seen = set()
    for step in range(8):
        batch = data.batch(step, 3, 2)
        sky = batch["sky"]
        assert {key: tuple(value.shape) for key, value in batch.items()} == {
            "rgb": (3, 2, 3, *SIZE),
            "albedo": (3, 2, 3, *SIZE),
            "normal": (3, 2, 3, *SIZE),
            "depth": (3, 2, 1, *SIZE),
            "roughness": (3, 2, 1, *SIZE),
            "metallic": (3, 2, 1, *SIZE),
            "sky": (3, 2, 1, *SIZE),
            "motion": (3, 2, 2, *SIZE),
            "look": (3,),
        }
        for key in ("rgb", "albedo", "roughness", "metallic"):
            assert 0 <= batch[key].min() <= batch[key].max() <= 1
        assert torch.equal(torch.isinf(batch["depth"]), sky)
        length = batch["normal"].norm(dim=2, keepdim=True)
        assert torch.allclose(length[~sky], torch.ones(()), atol=1e-4)
        for key in ("albedo", "normal", "roughness", "metallic"):
            assert not batch[key].masked_select(sky).any()
        seen |= set(batch["look"].tolist())
    assert seen <= looks
    assert len(seen) > 2


def test_no_augmentation_gives_the_stored_clip(folder, reader):
    data = WorldsDataset([folder], "editing", (48, 64), augment=CLEAN)
    sample = data.sample(0, 0, 5)
    clips = [index for index in reader.clips if int(sample["look"]) in reader.shards.clip(index, "look")]
    truths = [reader.gbuffer(index) for index in clips]
    albedo = sample["albedo"].permute(0, 2, 3, 1).numpy()
    found = [
        index
        for index, truth in zip(clips, truths, strict=True)
        if np.allclose(albedo, truth.albedo, atol=1e-6)
    ]
    assert len(found) == 1
    truth = reader.gbuffer(found[0])
    assert np.array_equal(sample["depth"].permute(0, 2, 3, 1).numpy(), truth.depth)
    assert np.allclose(sample["normal"].permute(0, 2, 3, 1).numpy(), truth.normal, atol=1e-6)
    assert np.array_equal(sample["motion"].permute(0, 2, 3, 1).numpy(), reader.motion(found[0]))
    slot = reader.looks(found[0])[reader.info.looks[int(sample["look"])]]
    picture = reader.shards.clip(found[0], "look_rgb")[slot] / 255
    assert np.allclose(sample["rgb"].permute(0, 2, 3, 1).numpy(), picture, atol=1e-6)


def test_flip_mirrors_pictures_and_vectors(reader):
    plain = cut_gbuffer(field(reader), whole(reader), (48, 64))
    mirrored = cut_gbuffer(field(reader), whole(reader, flip=True), (48, 64))
    for key in ("albedo", "depth", "roughness", "metallic", "sky"):
        assert torch.equal(mirrored[key].flip(-1), plain[key])
    for key in ("normal", "motion"):
        back = mirrored[key].flip(-1)
        assert torch.equal(back[:, 0], -plain[key][:, 0])
        assert torch.equal(back[:, 1:], plain[key][:, 1:])


def test_crop_keeps_pictures_and_buffers_together(reader):
    """Albedo itself goes in as the picture: after any view both must show the same place."""
    rng = np.random.default_rng(0)
    stored = np.repeat(reader.shards.clip(1, "roughness")[..., None], 3, axis=-1)
    for _ in range(20):
        view = draw_view(rng, 5, 2, (48, 64), SIZE, Augment())
        cut = cut_gbuffer(field(reader, 1), view, SIZE)
        picture = torch.from_numpy(view.cut(stored) / np.float32(255)).permute(0, 3, 1, 2)
        picture = resized(picture.contiguous(), SIZE)[:, :1]
        inner = torch.nn.functional.max_pool2d(cut["sky"].float(), 5, 1, 2) == 0  # away from silhouettes
        assert inner.any()
        assert torch.allclose(picture[inner], cut["roughness"][inner], atol=1e-5)


def test_crop_scales_motion(reader):
    view = View(0, 2, 8, 16, 24, 32, flip=False)
    zoomed = cut_gbuffer(field(reader), view, (48, 64))["motion"]
    plain = cut_gbuffer(field(reader), view, (24, 32))["motion"]
    assert torch.allclose(plain, torch.from_numpy(reader.motion(0)[:2, 8:32, 16:48]).permute(0, 3, 1, 2))
    assert float(zoomed.mean()) == pytest.approx(float(2 * plain.mean()), abs=0.05)


def test_sky_does_not_darken_silhouettes(reader):
    codes = {
        name: np.array(reader.shards.clip(0, name)) for name in ("albedo", "depth", "roughness", "metallic")
    }
    surface = codes["depth"] > 0
    codes["albedo"][surface] = 200
    codes["albedo"][~surface] = 0
    codes |= {name: reader.shards.clip(0, name) for name in ("normal", "motion")}
    for size in (SIZE, (96, 128)):
        cut = cut_gbuffer(codes.__getitem__, whole(reader), size)
        lit = cut["albedo"].masked_select(~cut["sky"])
        assert lit.min() == pytest.approx(float(lit.max()), abs=1e-5)


def test_views_stay_inside_and_keep_proportions():
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(300):
        view = draw_view(rng, 9, 4, (144, 256), (72, 128), Augment())
        assert 0 <= view.start < view.stop <= 9
        assert view.stop - view.start == 4
        assert 0 <= view.top <= 144 - view.height
        assert 0 <= view.left <= 256 - view.width
        assert view.width / view.height == pytest.approx(256 / 144, rel=0.01)
        shares.append(view.width / 256)
    assert 0.6 <= min(shares) < 0.65
    assert max(shares) == 1
    square = draw_view(rng, 1, 1, (144, 256), (64, 64), CLEAN)
    assert (square.height, square.width) == (144, 144)


def samples_of(folder, seed=5):
    return Samples(Recipe("inverse", "x", "tiny", seed, (str(folder),), str(folder), ()), "inverse")


def test_same_seed_same_batch_in_any_process(folder):
    asked = [(0, SMALL), (1, SMALL), (2, SMALL), (3, LARGE)]
    direct = list(load_steps(samples_of(folder).batch, asked))
    resumed = list(load_steps(samples_of(folder).batch, asked[2:]))
    state = torch.get_rng_state()
    refused = (4, replace(SMALL, num_frames=6))
    working = load_steps(samples_of(folder).batch, iter([*asked, refused]), num_workers=1)
    spawned = [next(working) for _ in asked]
    with pytest.raises(RequestError, match=r"^6 frames were asked for, the clips have 5; [a-z ]+$"):
        next(working)
    assert torch.equal(torch.get_rng_state(), state)
    assert [loaded[:2] for loaded in direct] == [loaded[:2] for loaded in spawned] == asked
    for key in direct[0][2]:
        assert torch.equal(direct[2][2][key], resumed[0][2][key])
        assert all(torch.equal(a[2][key], b[2][key]) for a, b in zip(direct, spawned, strict=True))
    assert direct[0][2]["rgb"].shape == (2, 1, 3, 24, 32)
    assert direct[3][2]["rgb"].shape == (1, 3, 3, 48, 64)
    assert not torch.equal(samples_of(folder, seed=6).batch(0, SMALL)["rgb"], direct[0][2]["rgb"])


def test_single_frames_and_clips_train_together(folder, tmp_path):
    fake = dict(workers=1, progress=None, stage=fake_stage.fake_stage)
    stills = make_dataset(tmp_path / "stills", 3, num_frames=1, size=(64, 48), seed=4, **fake)
    together = WorldsDataset([stills, folder], "editing", SIZE, seed=1)
    alone = WorldsDataset([folder], "editing", SIZE, seed=1)
    assert len(together) == 7
    assert torch.equal(together.batch(0, 3, 4)["rgb"], alone.batch(0, 3, 4)["rgb"])
    assert not torch.equal(together.batch(0, 6, 1)["rgb"], alone.batch(0, 6, 1)["rgb"])


def test_refusals(folder, tmp_path):
    data = WorldsDataset([folder], "inverse", SIZE)
    with pytest.raises(RequestError, match="6 frames were asked for, the clips have 5"):
        data.batch(0, 1, 6)


def test_speed_is_told(folder, capsys):
    data = WorldsDataset([folder], "inverse", (48, 64))
    start = time.process_time()
    data.batch(0, 8, 2)
    with capsys.disabled():
        print(f" [{16 / (time.process_time() - start):.0f} frames a CPU second at 64x48]", end="")


def test_own_datasets_are_read_for_judging(folder, reader):
    clips = list(read_eval_clips(folder))
    assert len({clip.name for clip in clips}) == 4
    for index, clip in enumerate(clips):
        clip.truth.check()
        assert np.array_equal(clip.rgb, reader.shards.clip(index, "inverse_rgb")[0])
        assert np.array_equal(clip.motion, reader.motion(index))
        assert clip.family == reader.family(index)
        assert set(clip.looks) == set(reader.looks(index))
        for name, slot in reader.looks(index).items():
            assert np.array_equal(clip.looks[name], reader.shards.clip(index, "look_rgb")[slot])
