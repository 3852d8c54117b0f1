"""The published inverse renderer's files in every shape they come in, and their conversion."""

import json
import math
import shutil
import sys
import weakref

import pytest
import torch
from cosmos_samples import GOLDEN, KEYS, golden_state, published_copy
from safetensors.torch import load_file, save_file

pytest.importorskip("diffusers")

from alaya.errors import RequestError, WeightsError, WeightsNotFoundError
from inverse import cosmos_convert
from inverse.cosmos_convert import convert
from inverse.cosmos_files import (
    NETWORK_FOLDER,
    TOKENIZER_FOLDER,
    ConvertedFolder,
    PublishedFiles,
    find_cosmos,
)
from inverse.cosmos_load import load_parts, network_part, tokenizer_part


@pytest.fixture(scope="module")
def expected():
    return network_part(GOLDEN / "model.pt").load(torch.float32).state_dict()


def loaded(path, dtype=torch.float32):
    return network_part(path).load(dtype).state_dict()


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_wrapped_bare_and_prefixed_files_are_one(tmp_path, expected):
    state = golden_state()
    extra = {
        "logvar.0.freqs": torch.zeros(3),
        "blocks.block0.blocks.0.block.attn._extra_state": torch.zeros(1),
    }
    variants = {
        "bare": state,
        "prefixed": {f"module.net.{name}": value for name, value in {**state, **extra}.items()},
        "averaged": {
            "ema": {f"net.{name}": value + 1 for name, value in state.items()},
            "model": {f"net.{name}": value for name, value in state.items()},
            "iteration": 3,
        },
    }
    for name, value in variants.items():
        torch.save(value, tmp_path / "model.pt")
        assert same(loaded(tmp_path / "model.pt"), expected), name
    save_file({f"net.{name}": value for name, value in state.items()}, tmp_path / "model.safetensors")
    assert same(loaded(tmp_path / "model.safetensors"), expected)


def test_bf16_files_and_bf16_networks(tmp_path, expected):
    halves = {name: value.bfloat16() for name, value in golden_state().items()}
    torch.save(halves, tmp_path / "model.pt")
    rounded = {name: value.bfloat16() for name, value in expected.items()}
    assert same(loaded(tmp_path / "model.pt", torch.bfloat16), rounded)
    assert same(loaded(GOLDEN / "model.pt", torch.bfloat16), rounded)


def test_wrong_tensors_are_named(tmp_path):
    state = golden_state()
    lost = "blocks.block1.blocks.1.block.attn.to_out.0.weight"
    wrong = "blocks.block0.blocks.2.block.layer2.weight"
    changed = {**state, wrong: state[wrong][:, :-1], "surprise.weight": torch.zeros(1)}
    del changed[lost]
    torch.save(changed, tmp_path / "model.pt")
    with pytest.raises(WeightsError) as caught:
        network_part(tmp_path / "model.pt")
    message = str(caught.value)
    assert "missing: transformer_blocks.1.attn2.to_out.0.weight" in message
    assert "unexpected: surprise.weight" in message
    assert "misshapen: transformer_blocks.0.ff.net.2.weight (32, 127) for (32, 128)" in message
    bad = {**state, lost: state[lost] * float("nan")}
    torch.save(bad, tmp_path / "model.pt")
    with pytest.raises(WeightsError, match="not finite"):
        loaded(tmp_path / "model.pt")
    with pytest.raises(WeightsError, match=r"mean_std\.pt: no tensor ends in x_embedder"):
        network_part(GOLDEN / "mean_std.pt")
    with pytest.raises(WeightsError, match="tokenizer"):
        tokenizer_part(GOLDEN / "encoder.jit", GOLDEN / "encoder.jit")


def test_places_of_the_published_files(tmp_path, monkeypatch):
    monkeypatch.setenv("ALAYA_CHECKPOINTS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert isinstance(find_cosmos(str(GOLDEN)), PublishedFiles)
    assert find_cosmos("small") is None
    with pytest.raises(WeightsNotFoundError, match=NETWORK_FOLDER):
        find_cosmos("cosmos-7b")
    whole = published_copy(tmp_path / TOKENIZER_FOLDER)
    network = tmp_path / NETWORK_FOLDER
    network.mkdir()
    (whole / "model.pt").rename(network / "model.pt")
    for name in ("cosmos-7b", str(tmp_path), str(network)):
        found = find_cosmos(name)
        assert isinstance(found, PublishedFiles)
        assert found.network == network / "model.pt"
        assert found.mean_std == whole / "mean_std.pt"
    fetched = tmp_path / "cosmos-7b"
    shutil.copytree(whole, fetched / TOKENIZER_FOLDER)
    save_file({f"net.{name}": value for name, value in golden_state().items()}, fetched / "any.safetensors")
    assert find_cosmos("cosmos-7b").network == fetched / "any.safetensors"
    shutil.rmtree(fetched)
    fetched.mkdir()
    save_file({"patch_embedding.weight": torch.zeros(1)}, fetched / "model.safetensors")
    assert find_cosmos(str(fetched)) is None
    (whole / "image_mean_std.pt").unlink()
    with pytest.raises(WeightsNotFoundError, match=r"no image_mean_std\.pt beside it"):
        find_cosmos(str(network))
    shutil.rmtree(whole)
    with pytest.raises(WeightsNotFoundError, match=r"no encoder\.jit, decoder\.jit, mean_std\.pt"):
        find_cosmos("cosmos-7b")


def test_conversion_gives_the_same_networks(tmp_path, expected):
    folder = convert(str(GOLDEN), tmp_path / "exact", dtype="F32", limit=40_000)
    found = find_cosmos(str(folder))
    assert isinstance(found, ConvertedFolder)
    net, codec = load_parts(found, torch.float32, torch.float32)
    assert same(net.state_dict(), expected)
    published, published_codec = load_parts(find_cosmos(str(GOLDEN)), torch.float32, torch.float32)
    assert same(net.state_dict(), published.state_dict())
    assert same(codec.vae.state_dict(), published_codec.vae.state_dict())
    for name in ("mean", "std", "image_mean", "image_std"):
        assert torch.equal(getattr(codec.statistics, name), getattr(published_codec.statistics, name))
    assert len(list((folder / "transformer").glob("*.safetensors"))) > 2
    card = json.loads((folder / "card.json").read_text())
    assert found.identity() == card["sha256"]
    again = convert(str(GOLDEN), tmp_path / "again", dtype="F32", limit=40_000)
    assert json.loads((again / "card.json").read_text()) == card
    latents = torch.arange(32.0).reshape(1, 16, 2, 1, 1)
    assert torch.equal(
        codec.statistics.of(2, latents.device)[0], published_codec.statistics.of(2, latents.device)[0]
    )


def test_conversion_rounds_to_bf16_and_refuses_used_folders(tmp_path, expected):
    folder = convert(str(GOLDEN), tmp_path / "c")
    net, _ = load_parts(ConvertedFolder(folder), torch.bfloat16, torch.float32)
    assert same(net.state_dict(), {name: value.bfloat16() for name, value in expected.items()})
    with pytest.raises(RequestError, match="not an empty folder"):
        convert(str(GOLDEN), folder)
    with pytest.raises(RequestError, match="nothing to convert"):
        convert(str(folder), tmp_path / "d")
    with pytest.raises(RequestError, match="dtype"):
        convert(str(GOLDEN), tmp_path / "d", dtype="I4")
    path = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    state = load_file(path)
    state.pop("proj_out.weight")
    save_file(state, path, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"proj_out\.weight"):
        load_parts(ConvertedFolder(folder), torch.bfloat16, torch.float32)


def test_conversion_holds_one_tensor_at_a_time(tmp_path, monkeypatch):
    alive = []

    def watched(path):
        part = network_part(path)

        def read(name):
            assert [ref for ref in alive if ref() is not None] == []
            tensor = part.read(name)
            alive.append(weakref.ref(tensor))
            return tensor

        return type(part)(part.net, part.shapes, read)

    monkeypatch.setattr(cosmos_convert, "network_part", watched)
    convert(str(GOLDEN), tmp_path / "c")
    assert len(alive) == len(network_part(GOLDEN / "model.pt").shapes)


@pytest.mark.skipif(sys.platform == "win32", reason="needs sparse files")
def test_a_full_size_file_is_opened_by_its_header(tmp_path):
    shapes = json.loads(KEYS.read_text())
    path = tmp_path / "model.pt"
    blank = str(tmp_path / "blank")
    tensors = {
        name: torch.from_file(blank, True, math.prod(shape)).view(shape) for name, shape in shapes.items()
    }
    with torch.serialization.skip_data():
        torch.save({"model": tensors}, path)
    assert path.stat().st_size > 28 * 10**9
    part = network_part(path)
    assert part.net.config["num_layers"] == 28
    assert part.read_finite("transformer_blocks.27.norm1.linear_2.weight").shape == (12288, 256)
    assert part.read("patch_embed.proj.weight").shape == (4096, 128)
