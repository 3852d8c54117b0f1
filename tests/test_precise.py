"""A window of a published model that 16 bits cannot hold is drawn again in float32, and nothing of that stays."""

import numpy as np
import pytest
import torch
from cosmos_samples import GOLDEN
from gbuffer_samples import make_gbuffer
from torch import nn
from wan_samples import save_tiny

pytest.importorskip("diffusers")

from alaya.fp8 import KIND, use_fp8
from alaya.frames import Window
from alaya.precise import in_float32
from editing.models import load_editor
from inverse.cosmos_files import find_cosmos
from inverse.cosmos_model import CosmosInverse
from pipelines.soundness import PICTURES, full_precision, predict_soundly

SIZE = (32, 48)


class Stopped(BaseException):
    """Stands for a signal."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("wan"))


def kinds(*networks):
    return [tensor.dtype for network in networks for tensor in network.state_dict().values()]


def test_tensors_come_back_as_they_were():
    network = nn.Sequential(nn.Sequential(nn.Linear(8, 8)), nn.Linear(8, 8), nn.Linear(8, 8)).to(
        torch.bfloat16
    )
    network[1].float()
    use_fp8([network[0]])
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    def fail_inside():
        with in_float32(network, network):
            inside.extend(kinds(network))
            raise Stopped

    inside = []
    with pytest.raises(Stopped):
        fail_inside()
    assert KIND in inside
    assert torch.bfloat16 not in inside
    assert torch.bfloat16 in kinds(network)
    after = network.state_dict()
    assert {name: tensor.dtype for name, tensor in after.items()} == {n: t.dtype for n, t in before.items()}
    assert all(torch.equal(after[name].float(), before[name].float()) for name in before)


def test_the_inverse_renderer_in_full_precision_is_that_of_float32_with_the_same_weights():
    files, rgb = find_cosmos(str(GOLDEN)), np.random.default_rng(0).random((9, *SIZE, 3), dtype=np.float32)
    narrow, wide = (CosmosInverse.load(files, dtype=dtype) for dtype in ("bf16", "fp32"))
    wide.net.load_state_dict({name: tensor.float() for name, tensor in narrow.net.state_dict().items()})
    wide.net.folded = narrow.net.folded.float()
    before = narrow.predict(rgb, num_steps=1)
    with full_precision(narrow):
        precise = narrow.predict(rgb, num_steps=1)
    np.testing.assert_allclose(precise.albedo, wide.predict(rgb, num_steps=1).albedo, atol=1e-5)
    assert not np.array_equal(precise.albedo, before.albedo)
    assert np.array_equal(narrow.predict(rgb, num_steps=1).albedo, before.albedo)


def test_the_editor_in_full_precision_holds_what_fp16_cannot(folder):
    editor, gbuffer = load_editor(folder, device="cpu", dtype="fp16"), make_gbuffer(9, *SIZE, seed=4)
    with torch.no_grad():
        editor.transformer.blocks[1].ffn.net[0].proj.bias.fill_(6e4)  # a sum of forty of them is beyond fp16
        editor.transformer.blocks[1].ffn.net[2].weight.fill_(1.0)
    words, warned = editor.encode_text("snow"), []

    def draw():
        return editor.predict(gbuffer, words, num_steps=1)

    assert not np.isfinite(draw()).all()
    window = Window(0, 0, 9, 0)
    found = predict_soundly(draw, PICTURES, window, lambda: False, editor, warned.append)
    assert np.isfinite(found).all()
    assert "once more in full precision" in warned[0]
    assert not np.isfinite(draw()).all()
    assert editor.transformer.dtype == torch.float16


def test_layers_that_are_brought_one_by_one_stay_as_they_are(folder):
    editor = load_editor(folder, device="cpu", dtype="bf16")
    editor.placement.offload = "group"
    with full_precision(editor):
        assert editor.transformer.dtype == torch.bfloat16
