"""The embedded models behind their doors, with tiny random weights: contracts, sizes, seeds, words."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from gbuffer_samples import make_gbuffer, make_smooth_gbuffer

from alaya.errors import WeightsError
from alaya.gbuffer import CHANNELS, GBuffer
from alaya.weights import save_checkpoint
from editing.models import Words, load_editor
from editing.network import CONFIGS as EDITING
from editing.network import EditingNet
from inverse.models import load_inverse
from inverse.network import CONFIGS as INVERSE
from inverse.network import InverseNet

LOOKS = ("sunny", "night", "snow")
CARD = {
    "name": "tiny",
    "num_frames": 9,
    "num_steps": 1,
    "depth": {"kind": "relative", "near": 0.3, "far": 1000.0},
    "work_pixels": 48 * 32,
}


def scatter(net):
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return net.state_dict()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("tiny")
    card = {**CARD, "stage": "inverse", "network": InverseNet.describe(INVERSE["tiny"])}
    save_checkpoint(root / "inverse", scatter(InverseNet(INVERSE["tiny"])), card)
    card = {**CARD, "stage": "editing", "network": EditingNet.describe(EDITING["tiny"], LOOKS)}
    save_checkpoint(root / "editing", scatter(EditingNet(EDITING["tiny"], LOOKS)), card)
    return root


@pytest.fixture(scope="module")
def inverse(folders):
    return load_inverse(folders)


@pytest.fixture(scope="module")
def editor(folders):
    return load_editor(folders / "editing")


def picture(frames, height, width, seed=0):
    return np.random.default_rng(seed).random((frames, height, width, 3), np.float32)


def same(first, second):
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in CHANNELS)


@pytest.mark.parametrize("size", [(32, 48), (40, 32), (32, 32)])
@pytest.mark.parametrize(("frames", "num_steps"), [(1, 1), (1, 3), (4, None), (9, 3)])
def test_inverse_predicts_valid_clips(inverse, size, frames, num_steps):
    found = inverse.predict(picture(frames, *size), num_steps=num_steps)
    found.check()
    assert found.depth.shape == (frames, *size, 1)


def test_the_seed_decides(inverse, editor):
    rgb, gbuffer = picture(3, 32, 48), make_gbuffer(3, 32, 48, seed=1)
    words = editor.encode_text("a snowy night")
    for draw, equal in (
        (lambda **how: inverse.predict(rgb, **how), same),
        (lambda **how: editor.predict(gbuffer, words, **how), np.array_equal),
    ):
        assert equal(draw(num_steps=3, seed=5), draw(num_steps=3, seed=5))
        assert not equal(draw(num_steps=3, seed=5), draw(num_steps=3, seed=6))
        assert not equal(draw(num_steps=3, seed=5), draw(num_steps=3, seed=5, first_frame=8))
        assert equal(draw(num_steps=1, seed=5), draw(num_steps=1, seed=6))  # one step starts from nothing


@pytest.mark.parametrize("size", [(480, 832), (33, 47), (32, 48), (96, 31), (9, 7), (1, 1)])
def test_inverse_restores_any_size(inverse, size):
    rgb = picture(2, *size)
    for coarse in (make_gbuffer(2, 32, 48, seed=1), make_smooth_gbuffer(2, 32, 48)):
        fine = inverse.restore(coarse, rgb)
        fine.check()
        assert fine.depth.shape == (2, *size, 1)
        assert float(fine.depth[fine.mask].max(initial=1)) <= float(coarse.depth[coarse.mask].max()) * 1.001


@pytest.mark.parametrize("sky", [False, True])
def test_what_is_constant_stays_constant(inverse, sky):
    coarse = make_smooth_gbuffer(1, 32, 48)
    values = {"albedo": 0.3, "normal": (0, 0.6, 0.8), "depth": 7, "roughness": 0.5, "metallic": 1}
    if sky:
        values = dict.fromkeys(values, 0) | {"depth": np.inf}
    constant = {name: np.zeros_like(getattr(coarse, name)) + np.float32(values[name]) for name in CHANNELS}
    fine = inverse.restore(GBuffer(**constant), picture(1, 77, 101))
    fine.check()
    for name in CHANNELS:
        expected = np.broadcast_to(np.asarray(values[name], np.float32), getattr(fine, name).shape)
        np.testing.assert_allclose(getattr(fine, name), expected, rtol=1e-4, atol=1e-5)


def test_edges_of_the_picture_are_followed(inverse):
    """A coarse step that lies where the picture's does comes back as sharp as the picture."""
    rgb = np.full((1, 128, 192, 3), 0.2, np.float32)
    rgb[:, :, 98:] = 0.8
    coarse = make_smooth_gbuffer(1, 32, 48)
    step = np.interp(np.arange(48), [24, 24.5, 25], [0.2, 0.35, 0.5]).astype(np.float32)
    step[24] = 0.35  # the pixel that the step cuts in half
    flat = {name: np.zeros_like(getattr(coarse, name)) for name in CHANNELS}
    flat["depth"] += 5
    flat["normal"][..., 2] = 1
    flat["roughness"] += step[:, None]
    fine = inverse.restore(GBuffer(**flat), rgb).roughness[0, 64, :, 0]
    assert fine[96] < 0.26
    assert fine[99] > 0.44


@pytest.mark.parametrize(("frames", "num_steps"), [(1, 1), (3, 3)])
def test_editor_draws_pictures(editor, frames, num_steps):
    drawn = editor.predict(
        make_gbuffer(frames, 32, 48, seed=1), editor.encode_text("snow"), num_steps=num_steps
    )
    assert drawn.shape == (frames, 32, 48, 3)
    assert drawn.dtype == np.float32
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert drawn.std() > 0.01


def test_words_become_looks(editor):
    for text in ("", "the", "snow at night", "Überschwemmung 雪 🎉"):
        words = editor.encode_text(text)
        assert tuple(words.looks) == LOOKS
        assert sum(words.looks.values()) == pytest.approx(1, abs=1e-5)
    plain, again = editor.encode_text("snow"), editor.encode_text("snow")
    assert torch.equal(plain.embedding, again.embedding)
    assert not torch.equal(plain.embedding, editor.encode_text("night").embedding)


def test_a_negative_text_lowers_its_look(editor):
    for text in ("snow", "night", "sun and fog", "rain"):
        logits = editor.net.text.logits([text])[0].detach()
        wanted = LOOKS[int(logits.argmax())]
        if float(logits.max()) <= 0:
            continue
        with_it, without = editor.encode_text("a street"), editor.encode_text("a street", text)
        assert without.looks[wanted] < with_it.looks[wanted]
        assert sum(without.looks.values()) == pytest.approx(1, abs=1e-5)
        return
    pytest.fail("no text asks for a look: the weights of this test must change")


@pytest.mark.parametrize("size", [(480, 832), (33, 47), (32, 48), (9, 7), (1, 1)])
@pytest.mark.parametrize("look", ["sunny", "snow"])
def test_editor_restores_any_size(editor, size, look):
    words = Words(torch.zeros(1, 64), {look: 1.0})
    coarse, full = picture(2, 32, 48), make_gbuffer(2, *size, seed=2)
    how = {"seed": 3, "first_frame": 8, "fps": Fraction(24)}
    fine = editor.restore(coarse, full, words, **how)
    assert fine.shape == (2, *size, 3)
    assert fine.dtype == np.float32
    assert fine.min() >= 0
    assert fine.max() <= 1
    assert np.array_equal(fine, editor.restore(coarse, full, words, **how))


def test_editor_keeps_a_constant_picture(editor):
    coarse = np.full((1, 32, 48, 3), 0.4, np.float32)
    fine = editor.restore(coarse, make_gbuffer(1, 70, 90, seed=4), Words(torch.zeros(1, 64), {"sunny": 1.0}))
    np.testing.assert_allclose(fine, 0.4, atol=1e-5)


def test_info_and_sizes(inverse, editor):
    assert (inverse.info.name, inverse.info.num_frames, inverse.info.depth_kind) == ("tiny", 9, "relative")
    assert (editor.info.num_frames, editor.info.num_steps) == (9, 1)
    for model in (inverse, editor):
        assert model.working_size(480, 832) == (32, 48)


def test_cards_that_lie_are_refused(folders, tmp_path):
    with pytest.raises(WeightsError, match="'inverse' weights, 'editing' ones were asked for"):
        load_editor(folders / "inverse")
    state = InverseNet(INVERSE["tiny"]).state_dict()
    good = {**CARD, "stage": "inverse", "network": InverseNet.describe(INVERSE["tiny"])}
    bad_sizes = InverseNet.describe(INVERSE["tiny"]) | {"widths": [10**8] * 3}
    other = InverseNet.describe(replace(INVERSE["tiny"], widths=(16, 16, 16)))
    for change, said in (
        ({"depth": {"kind": "relative"}}, "near"),
        ({"work_pixels": None}, "card.json"),
        ({"network": {}}, "widths"),
        ({"network": bad_sizes}, "sizes of a U-Net"),
        ({"network": other}, "misshapen"),
    ):
        save_checkpoint(tmp_path / "bad", state, {**good, **change})
        with pytest.raises(WeightsError, match=said):
            load_inverse(tmp_path / "bad")
