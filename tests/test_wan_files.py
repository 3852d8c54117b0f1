"""The published editing files: found, converted, refused when wrong; texts read once and kept."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from wan_samples import WORDS, save_tiny_text

from alaya.errors import RequestError, WeightsError, WeightsNotFoundError
from editing.text import NEGATIVE, TextReader, clean_text
from editing.wan_convert import convert
from editing.wan_files import find_wan
from editing.wan_load import load_text_encoder, load_transformer, load_vae

GOLDEN = Path(__file__).parent / "data" / "golden" / "editing"
PUBLISHED = ("model.safetensors", "Wan2.1_VAE.pth", "models_t5.pth")
HEAD_WIDTH = 32


@pytest.fixture
def published(tmp_path):
    folder = tmp_path / "published"
    folder.mkdir()
    for name in PUBLISHED:
        shutil.copy(GOLDEN / name, folder)
    return folder


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    target = tmp_path_factory.mktemp("converted") / "wan"
    return convert(str(GOLDEN), target, "F32", limit=500_000, head_width=HEAD_WIDTH)


def test_published_files_are_found(published):
    files = find_wan(str(published))
    assert [files.transformer.name, files.vae.name, files.text.name] == list(PUBLISHED)
    assert files.tokenizer is None
    assert not files.converted
    (published / "google" / "umt5-xxl").mkdir(parents=True)
    assert find_wan(str(published)).tokenizer == published / "google" / "umt5-xxl"
    assert find_wan(str(published)).identity() == files.identity()


def test_another_model_s_folder_is_not_taken(tmp_path, published):
    assert find_wan("small") is None
    assert find_wan(str(tmp_path)) is None
    (published / "model.safetensors").unlink()
    assert find_wan(str(published)) is None


def test_what_is_missing_is_named(published, tmp_path, monkeypatch):
    (published / "Wan2.1_VAE.pth").unlink()
    with pytest.raises(WeightsNotFoundError, match=r"no Wan2\.1_VAE\.pth; put it there"):
        find_wan(str(published))
    monkeypatch.setenv("ALAYA_CHECKPOINTS", str(tmp_path / "nowhere"))
    with pytest.raises(WeightsNotFoundError, match=r"nowhere/wan-1\.3b.*models_t5_umt5"):
        find_wan("wan-1.3b")
    shutil.copytree(GOLDEN, tmp_path / "nowhere" / "wan-1.3b")
    assert find_wan("wan-1.3b").folder == tmp_path / "nowhere" / "wan-1.3b"


@pytest.mark.parametrize("part", ["transformer", "vae", "text"])
def test_a_converted_folder_is_the_same_model(converted, part):
    load = {"transformer": load_transformer, "vae": load_vae, "text": load_text_encoder}[part]
    width = (HEAD_WIDTH,) if part == "transformer" else ()
    models = [
        load(getattr(find_wan(str(folder)), part), torch.float32, "cpu", *width)
        for folder in (GOLDEN, converted)
    ]
    states = [model.state_dict() for model in models]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert len(list((converted / "transformer").glob("*.safetensors"))) > 1
    assert models[0].config["num_attention_heads"] == 4 if part == "transformer" else True


def test_a_converted_folder_tells_who_it_is(converted):
    files = find_wan(str(converted))
    card = json.loads((converted / "card.json").read_text())
    assert files.converted
    assert files.identity() == card["sha256"]
    assert (card["name"], card["stage"]) == ("wan-1.3b", "editing")
    with pytest.raises(RequestError, match="already"):
        convert(str(converted), converted)
    with pytest.raises(RequestError, match="holds something"):
        convert(str(GOLDEN), converted)
    with pytest.raises(RequestError, match="name their folder"):
        convert("small", converted)


def test_bfloat16_keeps_what_must_be_exact(tmp_path):
    files = find_wan(str(GOLDEN))
    target = convert(str(GOLDEN), tmp_path / "half", head_width=HEAD_WIDTH)
    stored = load_file(target / "transformer" / "diffusion_pytorch_model.safetensors")
    direct = load_transformer(files.transformer, torch.bfloat16, "cpu", HEAD_WIDTH).state_dict()
    again = load_transformer(target / "transformer", torch.bfloat16, "cpu").state_dict()
    for key in direct:
        assert stored[key].dtype == direct[key].dtype == again[key].dtype
        assert torch.equal(stored[key], direct[key])
        assert torch.equal(stored[key], again[key])
    kinds = {key: value.dtype for key, value in stored.items()}
    assert kinds["blocks.0.attn1.to_q.weight"] == torch.bfloat16
    assert kinds["blocks.0.norm2.weight"] == kinds["scale_shift_table"] == torch.float32


def test_a_file_with_other_tensors_is_refused_by_name(published):
    tensors = load_file(published / "model.safetensors")
    tensors["blocks.0.ffn.2.bias"] = tensors.pop("blocks.0.ffn.2.bias")[:-1].clone()
    tensors["blocks.1.norm4.bias"] = tensors.pop("blocks.1.norm3.bias")
    save_file(tensors, published / "model.safetensors")
    with pytest.raises(WeightsError) as caught:
        load_transformer(published / "model.safetensors", torch.float32, "cpu", HEAD_WIDTH)
    for part in (
        "missing: blocks.1.norm2.bias",
        "unexpected: blocks.1.norm4.bias",
        "misshapen: blocks.0.ffn",
    ):
        assert part in str(caught.value)
    with pytest.raises(WeightsError, match="not the Wan autoencoder"):
        load_vae(published / "models_t5.pth", torch.float32, "cpu")


@pytest.fixture
def text_files(published):
    save_tiny_text(published)
    return find_wan(str(published))


def test_texts_are_read_once_and_kept(text_files, monkeypatch):
    reader = TextReader(text_files, torch.float32, "cpu")
    rows = reader(" snow in  the city ")
    assert rows.shape == (1, 5, 64)  # four words and the end
    assert len(list(text_files.words.iterdir())) == 1
    reader.close()
    again = TextReader(text_files, torch.float32, "cpu")
    monkeypatch.setattr("editing.text.load_text_encoder", None)
    assert torch.equal(again("snow in the city"), rows)
    assert not torch.equal(rows[:, 0], rows[:, 1])


def test_long_texts_are_cut_at_512_tokens(text_files):
    reader = TextReader(text_files, torch.float32, "cpu")
    assert reader(" ".join(WORDS * 100)).shape == (1, 512, 64)


def test_a_new_text_without_its_tools_is_refused(published, text_files):
    TextReader(text_files, torch.float32, "cpu")("snow")
    shutil.rmtree(published / "tokenizer")
    reader = TextReader(find_wan(str(published)), torch.float32, "cpu")
    assert reader("snow").shape == (1, 2, 64)
    with pytest.raises(WeightsNotFoundError, match=r"tokenizer google/umt5-xxl.*1 texts"):
        reader("night")
    (published / "models_t5.pth").unlink()
    with pytest.raises(WeightsNotFoundError, match="text encoder models_t5"):
        TextReader(find_wan(str(published)), torch.float32, "cpu")("night")


def test_a_damaged_text_is_refused(text_files):
    reader = TextReader(text_files, torch.float32, "cpu")
    path = reader.path_of("snow")
    path.parent.mkdir()
    save_file({"rows": torch.full((1, 2, 64), torch.nan)}, path)
    with pytest.raises(WeightsError, match="no text; delete it"):
        reader("snow")
    path.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="delete it"):
        TextReader(text_files, torch.float32, "cpu")("snow")


def test_texts_are_cleaned_as_the_reference_cleans_them():
    assert clean_text("  a\n  city &amp;amp; rain ") == "a city & rain"
    assert clean_text("“it’s” ﬁne") == '"it\'s" fine'
    assert clean_text("雪，夜！　ＡＢ") == "雪,夜! AB"
    assert clean_text(NEGATIVE).startswith("色调艳丽,过曝,静态")
    assert "，" not in clean_text(NEGATIVE)
