"""Evaluation with models that know the answer, baselines worked out by hand, and the whole door with tiny weights."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_stage import fake_stage

from alaya.colour import linear_to_srgb, srgb_to_linear
from alaya.errors import ClipError, RequestError, WeightsNotFoundError
from alaya.gbuffer import GBuffer
from alaya.weights import save_checkpoint
from editing.models import Words
from editing.network import CONFIGS as EDITING
from editing.network import EditingNet
from inverse.network import CONFIGS as INVERSE
from inverse.network import InverseNet
from prompts import LOOKS
from training import baselines, evaluate_editing, evaluate_inverse, steadiness
from training.evaluate import evaluate
from training.foreign import read_eval_clips
from training.results import spread, summary, write_result
from worlds.make import make_dataset
from worlds.scene import HELD_OUT_FAMILIES

HEIGHT, WIDTH = 24, 32


@dataclass(frozen=True)
class Info:
    name: str = "oracle"
    sha256: str = "0" * 64
    num_frames: int = 9


def stage_with_all_looks():
    return replace(fake_stage(), looks=dict(zip(LOOKS, np.linspace(0.3, 1, len(LOOKS)), strict=True)))


@pytest.fixture(scope="module")
def own_set(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets") / "held"
    size = (WIDTH, HEIGHT)
    options = dict(num_frames=3, size=size, workers=1, split="heldout", lightings=1, targets=len(LOOKS))
    return make_dataset(folder, 4, progress=None, stage=stage_with_all_looks, **options)


def save_foreign(path, *, albedo, normal, depth, roughness=128, metallic=0, rgb=100, family="desert"):
    shape = np.shape(depth)
    np.savez(
        path,
        rgb=np.broadcast_to(np.uint8(rgb), (*shape, 3)),
        albedo=np.broadcast_to(np.float32(albedo), (*shape, 3)),
        normal=np.broadcast_to(np.float32(normal), (*shape, 3)),
        depth=np.float32(depth),
        roughness=np.broadcast_to(np.uint8(roughness), shape),
        metallic=np.broadcast_to(np.uint8(metallic), shape),
        family=family,
        seed=1,
    )


def frames_of(clips):
    """Every frame of the clips: pictures in [0, 1] and what is true of them."""
    pictures = np.concatenate([clip.rgb for clip in clips]) / 255
    return pictures, GBuffer.concat([clip.truth for clip in clips])


def nearest_frames(frames, known):
    return [int(np.argmin(((known - frame) ** 2).mean((1, 2, 3)))) for frame in frames]


@dataclass
class Oracle:
    """An inverse model that has seen the answers."""

    clips: list
    info: Info = Info()

    def working_size(self, height, width):
        return height, width

    def predict(self, rgb, *, num_steps=None, seed=0, first_frame=0):
        assert rgb.dtype == np.float32
        assert (len(rgb) - 1) % 8 == 0
        pictures, truth = frames_of(self.clips)
        places = nearest_frames(rgb, pictures)
        return GBuffer(**{name: values[places] for name, values in truth.channels().items()})

    def estimate(self, rgb, **settings):
        gbuffer = self.predict(rgb, **settings)
        return gbuffer, np.where(gbuffer.mask[..., None], gbuffer.depth, np.float32(500))


@dataclass
class Painter:
    """An editing model that has seen the answers; it takes `misread` for another look."""

    clips: list
    misread: str | None = None
    info: Info = Info()

    def working_size(self, height, width):
        return height, width

    def encode_text(self, prompt, negative=""):
        meant = dict(evaluate_editing.heldout_phrases())
        meant |= {text: look for look, text in evaluate_editing.canonical_words().items()}
        look = "night" if prompt == self.misread else meant[prompt]
        return Words(torch.zeros(1), {name: 0.88 if name == look else 0.01 for name in LOOKS})

    def predict(self, gbuffer, words, *, num_steps=None, seed=0, first_frame=0, cfg_scale=None):
        assert (gbuffer.num_frames - 1) % 8 == 0
        look = max(words.looks, key=words.looks.get)
        _, truth = frames_of(self.clips)
        pictures = np.concatenate([clip.looks[look] for clip in self.clips])
        return pictures[nearest_frames(gbuffer.albedo, truth.albedo)].astype(np.float32) * np.float32(1 / 255)


def test_sky_is_pooled_over_clips():
    sky = evaluate_inverse.PooledSky()
    sky.add(np.array([True, True, False]), np.array([True, False, False]))
    sky.add(np.ones(4, bool), np.ones(4, bool))
    assert sky.figure()["mean"] == pytest.approx(5 / 6)


def test_perfect_inverse_scores_perfect(own_set):
    clips, lines = list(read_eval_clips(own_set)), []
    result = evaluate_inverse.measure_inverse(Oracle(clips), own_set, lines.append)
    means = {name: entry["mean"] for name, entry in result["metrics"].items()}
    assert {name for name in means if name.startswith("albedo")} == {
        "albedo_psnr",
        "albedo_psnr_srgb",
        "albedo_si_psnr",
        "albedo_si3_psnr",
    }
    assert all(value == pytest.approx(120) for name, value in means.items() if name.startswith("albedo"))
    assert means["normal_mean"] < 0.05
    assert means["sky_iou_pooled"] == means["sky_iou"] == means["metallic_auc"] == means["depth_delta1"] == 1
    assert means["depth_absrel"] == means["roughness_rmse"] == pytest.approx(0, abs=1e-12)
    for name in ("albedo", "normal", "log_depth", "roughness", "metallic"):
        own, true = (result["temporal"][f"warping_{name}{end}"]["mean"] for end in ("", "_truth"))
        assert own == true > 0
        assert result["temporal"][f"flicker_{name}"]["mean"] == 0  # noise leaves the nearest frame the same
    assert [row["name"] for row in result["per_clip"]] == [clip.name for clip in clips]
    assert sum(row["clips"] for row in result["families"].values()) == result["clips"] == 4
    assert len(lines) == 5


def test_baselines_by_hand(tmp_path):
    half = linear_to_srgb(np.float32(0.5))
    grey = int(np.rint(half * 255))
    right, front = [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]
    # Two rows of two pixels. One clip has sky in its upper row, the other faces right there.
    upper = np.array([right, right])
    save_foreign(
        tmp_path / "a.npz",
        albedo=0.25,
        normal=front,
        depth=[[[np.inf, np.inf], [2.0, 2.0]]],
        roughness=51,
        metallic=255,
        rgb=grey,
    )
    save_foreign(
        tmp_path / "b.npz",
        albedo=0.75,
        normal=[[upper, [front, front]]],
        depth=[[[8.0, 8.0], [4.0, 4.0]]],
        roughness=255,
        rgb=grey,
        family=HELD_OUT_FAMILIES[0],
    )
    first, second = clips = list(read_eval_clips(tmp_path))
    floors = baselines.InverseFloors.fit(clips)
    assert floors.albedo == pytest.approx([(2 * 0.25 + 4 * 0.75) / 6] * 3)
    assert floors.normal == pytest.approx(np.array([1, 0, 2]) / np.sqrt(5))
    assert floors.roughness == pytest.approx((2 * 0.2 + 4 * 1) / 6)
    assert floors.metallic == pytest.approx(2 / 6)
    assert floors.normal_rows == pytest.approx(np.array([right, front]))
    assert floors.depth_rows == pytest.approx([8, 3])
    assert floors.relative_rows == pytest.approx([8 / 6, (2 / 2 * 2 + 4 / 6 * 2) / 4])
    assert floors.sky_rows.tolist() == [False, False]

    scores = floors.scores(second)
    linear = float(srgb_to_linear(np.float32(grey / 255)))
    assert scores["RGB as albedo"]["albedo_psnr"] == pytest.approx(-20 * np.log10(0.75 - linear))
    assert scores["RGB as albedo, best gain"]["albedo_psnr"] > 100
    assert scores["RGB as albedo, best gain"]["albedo_psnr_srgb"] > 40
    mean = scores["mean of the set"]
    assert mean["albedo_psnr"] == pytest.approx(-20 * np.log10(0.75 - 3.5 / 6), abs=1e-4)
    to_front, to_right = np.degrees(np.arccos([2 / np.sqrt(5), 1 / np.sqrt(5)]))
    assert mean["normal_mean"] == pytest.approx((to_front + to_right) / 2, abs=1e-3)
    assert mean["depth_absrel"] == pytest.approx((2 / 8 + 2 / 4) / 2)  # a constant, scaled to the median of 6
    assert mean["roughness_rmse"] == pytest.approx(1 - 4.4 / 6)
    assert mean["metallic_rmse"] == pytest.approx(2 / 6)
    assert scores["mean per row"]["normal_mean"] == pytest.approx(0, abs=1e-6)
    factor = 6 / 5.5  # the rows say 8, 8, 3, 3: their median is 5.5
    assert scores["mean per row"]["depth_absrel"] == pytest.approx((factor - 1 + 1 - 3 * factor / 4) / 2)
    assert scores["metallic 0"] == {"metallic_rmse": 0.0}
    assert floors.scores(first)["metallic 0"] == {"metallic_rmse": pytest.approx(1)}

    result = evaluate_inverse.measure_inverse(Oracle(clips), tmp_path)
    assert result["baselines"]["metallic 0"] == {"metallic_rmse": pytest.approx(0.5)}
    assert result["set_settings"] == {"kind": "foreign"}
    assert [row["never_trained_on"] for _, row in sorted(result["families"].items())] == [
        family == HELD_OUT_FAMILIES[0] for family in sorted(("desert", HELD_OUT_FAMILIES[0]))
    ]
    assert not any(name.startswith("warping") for name in result["temporal"])


def test_the_gain_is_the_best_one_in_srgb_coding():
    rng = np.random.default_rng(0)
    linear = rng.uniform(0, 0.4, (3000, 3)).astype(np.float32)
    found = baselines.best_coded_gain(linear, np.clip(2.37 * linear, 0, 1))
    assert found == pytest.approx(2.37, rel=0.01)
    with_noise = np.clip(linear * rng.uniform(0.2, 4, linear.shape), 0, 1).astype(np.float32)
    errors = [
        np.mean((linear_to_srgb(np.clip(g * linear, 0, 1)) - linear_to_srgb(with_noise)) ** 2)
        for g in (*np.geomspace(0.2, 5, 200), baselines.best_coded_gain(linear, with_noise))
    ]
    assert errors[-1] <= min(errors) * 1.001


def test_perfect_editing_scores_perfect_and_misses_are_listed(own_set):
    clips = list(read_eval_clips(own_set))
    text, look = evaluate_editing.heldout_phrases()[5]
    result = evaluate_editing.measure_editing(Painter(clips, misread=text), Oracle(clips), own_set)
    metrics = result["metrics"]
    assert metrics["psnr"]["mean"] == metrics["psnr_from_predicted"]["mean"] == pytest.approx(120)
    assert metrics["styles_nearest_right"]["mean"] == 1
    count = len(evaluate_editing.heldout_phrases())
    assert count == result["phrases"]["count"] == 104
    assert metrics["phrases_read_right"]["right"] == metrics["phrases_nearest_right"]["right"] == count - 1
    (miss,) = result["phrases"]["misses"]
    assert miss == {
        "text": text,
        "look": look,
        "clip": clips[5 % 4].name,
        "read_as": "night",
        "probability": 0.88,
        "nearest": "night",
    }
    assert result["temporal"]["warping"] == result["temporal"]["warping_truth"]
    assert result["temporal"]["flicker"]["mean"] == 0
    assert list(result["looks"]) == list(LOOKS)


def test_editing_baselines_by_hand(own_set):
    clips = list(read_eval_clips(own_set))
    result = evaluate_editing.measure_editing(Painter(clips), None, own_set)
    assert "psnr_from_predicted" not in result["metrics"]
    assert result["inverse"] is None
    targets = {look: np.stack([clip.looks[look][1] / 255 for clip in clips]) for look in LOOKS}

    def mean_psnr(drawn):
        errors = [((drawn[look] - targets[look]) ** 2).mean((1, 2, 3)) for look in LOOKS]
        return float(np.mean(-10 * np.log10(errors)))

    floors = {name: row["psnr"] for name, row in result["baselines"].items()}
    colours = {look: targets[look].mean((0, 1, 2)) for look in LOOKS}
    pictures = {look: targets[look].mean(0) for look in LOOKS}
    albedo = np.stack([linear_to_srgb(clip.truth.albedo[1]) for clip in clips])
    assert floors == {
        "albedo copied": pytest.approx(mean_psnr(dict.fromkeys(LOOKS, albedo)), abs=1e-3),
        "mean colour of the look": pytest.approx(mean_psnr(colours), abs=1e-3),
        "mean picture of the look": pytest.approx(mean_psnr(pictures), abs=1e-3),
    }


def test_long_clips_go_through_in_windows(own_set):
    clip = next(read_eval_clips(own_set))
    rgb = clip.rgb[[0, 1, 2] * 7]  # 21 frames through windows of 9, the last one padded
    predicted = evaluate_inverse.predict_clip(Oracle([clip]), rgb)
    assert np.array_equal(predicted.albedo, clip.truth.albedo[[0, 1, 2] * 7])
    gbuffer = GBuffer(**{name: values[[0, 1, 2] * 7] for name, values in clip.truth.channels().items()})
    painter = Painter([clip])
    drawn = evaluate_editing.draw(painter, gbuffer, painter.encode_text(""))
    assert np.array_equal(np.rint(drawn * 255), clip.looks["neutral"][[0, 1, 2] * 7])


def test_still_clips_differ_by_their_noise_alone():
    picture = np.full((20, 30, 3), 0.5)
    noisy = steadiness.still_clip(picture, seed=3)
    assert noisy.std(0).mean() == pytest.approx(steadiness.NOISE, rel=0.1)
    assert np.array_equal(noisy, steadiness.still_clip(picture, seed=3))
    shape = (1, 20, 30)
    depth = np.full((*shape, 1), 5, np.float32)
    depth[:, :5] = np.inf
    flat = np.where(np.isfinite(depth), np.float32(0.5), np.float32(0))
    frame = GBuffer(
        flat.repeat(3, -1), flat * 2 * np.array([0, 0, 1], np.float32), depth, flat, np.zeros_like(flat)
    )
    still = steadiness.still_gbuffer(frame, seed=0)
    still.check()
    assert np.array_equal(still.mask, np.repeat(frame.mask, 9, axis=0))
    flicker = steadiness.flicker_of_gbuffer(still)
    expected = 2 / np.sqrt(np.pi) * steadiness.NOISE  # mean |difference| of two normal numbers
    assert flicker["flicker_roughness"] == pytest.approx(expected, rel=0.05)
    assert flicker["flicker_log_depth"] == pytest.approx(expected, rel=0.05)
    assert flicker["flicker_sky"] == 0


def test_figures_keep_nan_out(tmp_path):
    assert spread([1.0, float("nan"), 3.0, 8.0]) == {
        "mean": 4.0,
        "median": 3.0,
        "std": pytest.approx(np.sqrt(26 / 3)),
        "clips": 3,
    }
    rows = [{"a": 1.0}, {"a": 2.0, "b": float("nan")}]
    written = write_result(tmp_path / "deep" / "r.json", {"metrics": summary(rows), "x": np.float32(1 / 3)})
    assert written == json.loads((tmp_path / "deep" / "r.json").read_text())
    assert written["x"] == 0.333333
    assert written["metrics"]["b"] == {"mean": None, "median": None, "std": None, "clips": 0}


@pytest.fixture
def tiny_weights(tmp_path, monkeypatch):
    folder = tmp_path / "checkpoints"
    torch.manual_seed(0)
    nets = {"inverse": InverseNet(INVERSE["tiny"]), "editing": EditingNet(EDITING["tiny"], LOOKS)}
    networks = {
        "inverse": InverseNet.describe(INVERSE["tiny"]),
        "editing": EditingNet.describe(EDITING["tiny"], LOOKS),
    }
    for stage, net in nets.items():
        card = {
            "name": f"{stage}-tiny",
            "stage": stage,
            "network": networks[stage],
            "num_frames": 57,
            "num_steps": 1,
            "depth": {"kind": "relative", "near": 0.1, "far": 1000.0},
            "work_pixels": 32 * 32,
        }
        save_checkpoint(folder / "small" / stage, net.state_dict(), card)
    monkeypatch.setenv("ALAYA_CHECKPOINTS", str(folder))
    return folder


def test_the_door_writes_both_stages(own_set, tiny_weights, tmp_path):
    out = tmp_path / "results"
    inverse = evaluate("inverse", own_set, out=out)
    editing = evaluate("editing", own_set, out=out / "mine.json")
    assert sorted(path.name for path in out.iterdir()) == ["inverse-own.json", "mine.json"]
    for result in (inverse, editing):
        stored = json.loads(Path(result.pop("path")).read_text())
        assert stored == result
        assert stored["schema"] == "alaya-eval/1"
        assert (stored["set"], stored["clips"], len(stored["per_clip"])) == ("held", 4, 4)
        assert stored["set_settings"]["split"] == "heldout"
        assert len(stored["sha256"]) == 64
        assert {"cpu", "cores", "torch", "python", "device"} <= set(stored["machine"])
        for entry in stored["metrics"].values():
            assert {"mean", "median", "std"} <= set(entry)
        for row in stored["baselines"].values():
            assert set(row) <= set(stored["metrics"])
        assert str(own_set) not in json.dumps(stored)
    assert inverse["metrics"]["albedo_psnr_srgb"]["mean"] < 20  # random weights know nothing
    assert editing["inverse"]["model"] == "inverse-tiny"
    assert editing["metrics"]["psnr_from_predicted"]["clips"] == 4


def test_the_same_model_gives_the_same_bytes(own_set, tiny_weights, tmp_path):
    for name in ("a", "b"):
        evaluate("inverse", own_set, out=tmp_path / f"{name}.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_refusals(own_set, tmp_path):
    with pytest.raises(RequestError, match="unknown stage 'colour'; there are inverse, editing"):
        evaluate("colour", own_set)
    with pytest.raises(RequestError, match="data/heldout is not a folder"):
        evaluate("inverse")
    with pytest.raises(WeightsNotFoundError, match="no inverse checkpoint 'nowhere'"):
        evaluate("inverse", own_set, "nowhere")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    with pytest.raises(RequestError, match="neither"):
        evaluate("inverse", foreign)
    save_foreign(foreign / "a.npz", albedo=0.5, normal=[0, 0, 1.0], depth=np.ones((1, 2, 2)))
    with pytest.raises(RequestError, match="only worlds datasets hold"):
        evaluate("editing", foreign)
    save_foreign(foreign / "b.npz", albedo=0.5, normal=[0, 0, 1.0], depth=np.ones((1, 4, 2)))
    with pytest.raises(ClipError, match="b has 4 rows, clips before it 2"):
        evaluate_inverse.measure_inverse(Oracle([]), foreign)
    few = make_dataset(tmp_path / "few", 1, 1, (WIDTH, HEIGHT), workers=1, progress=None, stage=fake_stage)
    with pytest.raises(RequestError, match="with all 13 looks"):
        evaluate_editing.measure_editing(Painter([]), None, few)
