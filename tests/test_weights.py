"""Checkpoints: found in order, read strictly, and refused with one line that names what is wrong."""

import json
import struct

import pytest
import torch
from torch import nn

from alaya.errors import WeightsError, WeightsNotFoundError
from alaya.layout_check import check_weights
from alaya.weights import (
    CARD_NAME,
    WEIGHTS_NAME,
    find_weights,
    list_weights,
    load_into,
    read_card,
    read_header,
    save_checkpoint,
    search_folders,
)

CARD = {"name": "thing", "stage": "inverse", "network": {}, "licence": "Apache-2.0"}


def make_net():
    torch.manual_seed(0)
    return nn.Linear(3, 2)


@pytest.fixture
def folder(tmp_path):
    save_checkpoint(tmp_path / "thing", make_net().state_dict(), CARD)
    return tmp_path / "thing"


def rewrite(folder, state):
    """Other weights with a card that agrees with them."""
    save_checkpoint(folder, state, {key: value for key, value in read_card(folder).items() if key in CARD})


def refusal(net, folder):
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load_into(net, folder)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_round_trip_in_half_precision(folder):
    net = nn.Linear(3, 2)
    card = load_into(net, folder)
    assert card["bytes"] == (folder / WEIGHTS_NAME).stat().st_size
    assert torch.equal(net.weight, make_net().weight.bfloat16().float())
    assert net.weight.dtype == torch.float32
    assert "2 tensors, sha256 as the card says" in check_weights(folder)[0].line
    (checked,) = check_weights(folder / WEIGHTS_NAME)
    assert "safetensors with 2 tensors, BF16, 0.00 GB; no card beside it" in checked.line


def test_find_looks_in_order(tmp_path, monkeypatch):
    asked, here = tmp_path / "asked", tmp_path / "checkpoints"
    monkeypatch.setenv("ALAYA_CHECKPOINTS", str(asked))
    assert [str(path) for path in search_folders()[:2]] == [str(asked), "checkpoints"]
    save_checkpoint(here / "small" / "inverse", make_net().state_dict(), CARD)
    assert find_weights("small", "inverse").resolve() == here / "small" / "inverse"
    save_checkpoint(asked / "small" / "inverse", make_net().state_dict(), CARD)
    assert find_weights("small", "inverse") == asked / "small" / "inverse"
    assert find_weights(str(asked / "small"), "inverse") == asked / "small" / "inverse"
    assert find_weights(str(asked / "small" / "inverse"), "inverse") == asked / "small" / "inverse"
    entry = next(entry for entry in list_weights() if entry.stage == "inverse")
    assert (entry.name, entry.present, entry.licence) == ("small", True, "Apache-2.0")


def test_missing_weights_name_every_place(tmp_path, monkeypatch):
    monkeypatch.setattr("alaya.weights.search_folders", lambda: [tmp_path / "a", tmp_path / "b"])
    with pytest.raises(WeightsNotFoundError) as caught:
        find_weights("small", "editing")
    for place in ("a/small/editing", "b/small/editing"):
        assert str(tmp_path / place) in str(caught.value)
    assert [entry.present for entry in list_weights()] == [False, False]
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / CARD_NAME).write_text("{}")  # a card alone is no checkpoint
    with pytest.raises(WeightsNotFoundError, match="ALAYA_CHECKPOINTS"):
        find_weights(str(tmp_path / "half"), "editing")
    with pytest.raises(WeightsNotFoundError, match="no file or folder"):
        check_weights(tmp_path / "none")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("bias"), "missing: bias"),
        (lambda state: state.update(extra=torch.zeros(1)), "unexpected: extra"),
        (lambda state: state.update(weight=torch.zeros(3, 2)), "misshapen: weight (3, 2) for (2, 3)"),
        (
            lambda state: state["weight"].__setitem__((0, 0), float("nan")),
            "weight holds values that are not finite",
        ),
        (lambda state: state["bias"].__setitem__(0, float("inf")), "bias holds values that are not finite"),
    ],
)
def test_keys_and_values_are_strict(folder, change, said):
    state = {key: value.clone() for key, value in make_net().state_dict().items()}
    change(state)
    rewrite(folder, state)
    assert said in refusal(make_net(), folder)


def test_long_lists_are_cut(folder):
    rewrite(folder, {f"w{index:02}": torch.zeros(1) for index in range(30)})
    said = refusal(make_net(), folder)
    assert "missing: bias, weight; unexpected: w00, w01" in said
    assert "w09 and 20 more" in said


def test_a_changed_byte_is_noticed(folder):
    data = bytearray((folder / WEIGHTS_NAME).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS_NAME).write_bytes(data)
    assert "sha256" in refusal(make_net(), folder)
    with pytest.raises(WeightsError, match="changed or damaged"):
        check_weights(folder)


def header(content, length=None):
    content = content if isinstance(content, bytes) else json.dumps(content).encode()
    return struct.pack("<Q", len(content) if length is None else length) + content


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"abc",
        b"PK\x03\x04 a pickle or a zip",
        header(b"{}", length=2**63),
        header(b"{}", length=0),
        header(b"{}", length=100),
        header(b"[" * 200_000),
        header(b"\xff\xfe{}"),
        header([1, 2]),
        header({"a": 3}),
        header({"a": {"dtype": "F32", "shape": [-1]}}),
        header({"a": {"dtype": "F32", "shape": ["x"]}}),
        header({"a/../b": {"dtype": "F32", "shape": [1]}}),
        header({"a" * 300: {"dtype": "F32", "shape": [1]}}),
        header({f"t{index}": {"dtype": "F32", "shape": [1]} for index in range(20_001)}),
    ],
    ids=range(15),
)
def test_garbage_is_refused(folder, data):
    (folder / WEIGHTS_NAME).write_bytes(data)
    with pytest.raises(WeightsError, match=r"model\.safetensors"):
        read_header(folder / WEIGHTS_NAME)
    refusal(make_net(), folder)


def test_a_cut_file_is_refused(folder):
    data = (folder / WEIGHTS_NAME).read_bytes()
    (folder / WEIGHTS_NAME).write_bytes(data[:-3])
    assert "its header asks for" in refusal(make_net(), folder)
    (folder / WEIGHTS_NAME).write_bytes(data + b"x")
    assert "its header asks for" in refusal(make_net(), folder)
    (folder / WEIGHTS_NAME).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert "changed or damaged" in refusal(make_net(), folder)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"name": "x"}', "[" * 100_000, "\udcff"])
def test_cards_that_are_none(folder, text):
    (folder / CARD_NAME).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(WeightsError, match="card"):
        read_card(folder)


def test_a_card_of_another_stage(folder):
    assert read_card(folder, "inverse")["name"] == "thing"
    with pytest.raises(WeightsError, match="'inverse' weights, 'editing' ones were asked for"):
        read_card(folder, "editing")
