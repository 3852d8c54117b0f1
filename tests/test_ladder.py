"""A full memory leads down a ladder that says each rung; networks that rest elsewhere draw the same pictures."""

import numpy as np
import pytest
import torch
from cosmos_samples import GOLDEN
from gbuffer_samples import make_gbuffer

pytest.importorskip("diffusers")
from wan_samples import save_tiny

from alaya.errors import RequestError
from alaya.offload import Placement
from editing.models import load_editor
from inverse.cosmos_files import find_cosmos
from inverse.cosmos_model import CosmosInverse
from pipelines.ladder import Easing, load_easing
from pipelines.progress import Progress
from pipelines.settings import EditSettings


class Told(Progress):
    def __init__(self):
        self.texts = []

    def warn(self, text):
        self.texts.append(text)


class Hungry:
    """Needs three rungs; then it works."""

    def __init__(self, rungs=3, error=None):
        self.rungs, self.error = rungs, error or torch.OutOfMemoryError("CUDA out of memory")
        self.taken, self.info = 0, "info"

    def predict(self, value, *, seed):
        if self.taken < self.rungs:
            raise self.error
        return value + seed

    def ease(self):
        if self.taken == 3:
            return None
        self.taken += 1
        return f"rung {self.taken}"


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("full"), MemoryError(), RuntimeError("CUDA out of memory")]
)
def test_rungs_are_taken_one_by_one_and_said(error):
    told = Told()
    model = Easing(Hungry(error=error), told)
    assert model.predict(1, seed=2) == 3
    assert told.texts == [f"out of memory; rung {number}" for number in (1, 2, 3)]
    assert model.predict(1, seed=3) == 4
    assert len(told.texts) == 3
    assert model.info == "info"


def test_below_the_last_rung_the_error_is_raised_for_shorter_windows():
    told = Told()
    with pytest.raises(torch.OutOfMemoryError):
        Easing(Hungry(rungs=4), told).predict(1, seed=2)
    assert len(told.texts) == 3
    with pytest.raises(ValueError, match="other"):
        Easing(Hungry(error=ValueError("other")), told).predict(1, seed=2)


def test_loading_goes_down_too():
    told, asked = Told(), []

    def load(name, device, **options):
        asked.append(options)
        if options.get("offload") != "group":
            raise torch.OutOfMemoryError("full")
        return Hungry()

    settings = EditSettings(style="night", model="wan-1.3b")
    load_easing(load, settings, {"dtype": "bf16"}, told)
    assert [each.get("offload") for each in asked] == [None, "model", "group"]
    assert all(each["dtype"] == "bf16" for each in asked)
    assert [text.split()[-1] for text in told.texts] == ["model", "group"]
    asked.clear()
    with pytest.raises(torch.OutOfMemoryError):
        load_easing(lambda *_, **__: load("", ""), settings, {}, told)


def test_a_placement_goes_down_by_network_and_by_layer():
    big = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
    small = torch.nn.Linear(4, 4)
    on_cpu = Placement(torch.device("cpu"), [big, small], lambda: [big[1]])
    assert on_cpu.ease() is None
    elsewhere = Placement(torch.device("meta"), [big.to("meta"), small.to("meta")], lambda: [])
    elsewhere.change = lambda offload: setattr(elsewhere, "offload", offload)  # nothing comes back from meta
    assert "only the network at work is on meta (--offload model)" in elsewhere.ease()
    assert "only the layer at work is on meta (--offload group)" in elsewhere.ease()
    assert elsewhere.ease() is None
    with pytest.raises(RequestError, match="offload must be one of none, model, group"):
        Placement(torch.device("cpu"), [big], lambda: [], "disk")


def test_the_inverse_model_is_the_same_wherever_it_rests_and_tiles_are_its_last_rung():
    rgb = np.random.default_rng(0).random((9, 32, 48, 3), dtype=np.float32)
    files = find_cosmos(str(GOLDEN))
    drawn = {
        offload: CosmosInverse.load(files, offload=offload).pictures(rgb, ("normal",), num_steps=2)["normal"]
        for offload in ("none", "model", "group")
    }
    assert np.array_equal(drawn["none"], drawn["model"])
    assert np.array_equal(drawn["none"], drawn["group"])
    model = CosmosInverse.load(files)
    assert "in tiles" in model.ease()
    assert model.ease() is None
    assert np.array_equal(model.pictures(rgb, ("normal",), num_steps=2)["normal"], drawn["none"])  # one tile
    with pytest.raises(RequestError, match="--attention cudnn needs CUDA, the device is cpu"):
        CosmosInverse.load(files, attention="cudnn")


def test_the_editing_model_is_the_same_wherever_it_rests(tmp_path):
    folder, gbuffer = save_tiny(tmp_path), make_gbuffer(9, 32, 48, seed=4)
    drawn = {}
    for offload in ("none", "model", "group"):
        editor = load_editor(folder, "cpu", offload=offload, attention="native")
        for path in (folder / "words").glob("*"):
            path.unlink()  # so that the text encoder is used
        drawn[offload] = editor.predict(gbuffer, editor.encode_text("snow"), num_steps=2)
    assert np.array_equal(drawn["none"], drawn["model"])
    assert np.array_equal(drawn["none"], drawn["group"])
    assert "in tiles" in editor.ease()
    assert editor.ease() is None
    half = load_editor(folder, "cpu", dtype="bf16")
    other = half.predict(gbuffer, half.encode_text("snow"), num_steps=2)
    assert 0 < np.abs(other - drawn["none"]).max() < 0.2
