"""Names and shapes of the published editing files: every key renamed, the layouts' hashes, the full-size networks."""

import ast
import hashlib
import math
from pathlib import Path

import pytest
import torch
from accelerate import init_empty_weights

from editing import wan_keys

KEYS = Path(__file__).parent / "data" / "golden" / "keys"
RENAMES = {
    "transformer": wan_keys.rename_transformer,
    "vae": wan_keys.rename_vae,
    "text": wan_keys.rename_text,
}
FILES = {"transformer": "keys_dit96.txt", "vae": "keys_vae.txt", "text": "keys_t5.txt"}
HASHES = {
    "transformer": "a87823c16fa5119ca6ef32cefc0be86d",
    "vae": "ccc42284ea13e1ad04693284c7a09be6",
    "text": "9c8818c2cbea55eca56c7b447df170da",
}


def read_shapes(part):
    lines = (KEYS / FILES[part]).read_text().splitlines()
    return {key: ast.literal_eval(shape) for key, shape in (line.split("\t") for line in lines if line)}


def layout_hash(shapes):
    """Return the md5 by which the field tells layouts apart."""
    parts = [*shapes, *(f"{key}:{'_'.join(map(str, shape))}" for key, shape in shapes.items())]
    return hashlib.md5(",".join(sorted(parts)).encode()).hexdigest()


@pytest.mark.parametrize("part", FILES)
def test_key_lists_are_the_published_ones(part):
    assert layout_hash(read_shapes(part)) == HASHES[part]


@pytest.mark.parametrize(("part", "name"), [("transformer", "rename_dit.txt"), ("vae", "rename_vae.txt")])
def test_every_key_gets_its_library_name(part, name):
    pairs = [line.split("\t") for line in (KEYS / name).read_text().splitlines() if line]
    assert {old for old, _ in pairs} == set(read_shapes(part))
    wrong = [(old, RENAMES[part](old), new) for old, new in pairs if RENAMES[part](old) != new]
    assert wrong == []


@pytest.fixture(params=FILES)
def meta_network(request):
    """Return a published layout's name, its shapes, and the full-size network built of them without memory."""
    shapes = read_shapes(request.param)
    with torch.device("meta"), init_empty_weights():
        if request.param == "transformer":
            from editing.wan import WanEditingTransformer

            net = WanEditingTransformer(**wan_keys.transformer_config(shapes))
        elif request.param == "vae":
            from diffusers import AutoencoderKLWan

            net = AutoencoderKLWan(**wan_keys.vae_config(shapes))
        else:
            from transformers import UMT5Config, UMT5EncoderModel

            net = UMT5EncoderModel(UMT5Config(**wan_keys.text_config(shapes)))
    return request.param, shapes, net


def test_full_size_networks_have_exactly_the_published_tensors(meta_network):
    part, shapes, net = meta_network
    tied = {"encoder.embed_tokens.weight"} if part == "text" else set()
    wanted = {key: tuple(value.shape) for key, value in net.state_dict().items() if key not in tied}
    assert {RENAMES[part](key): shape for key, shape in shapes.items()} == wanted
    counts = {"transformer": 1_419_488_320, "vae": 126_892_531, "text": 5_680_910_336}
    assert sum(math.prod(shape) for shape in wanted.values()) == counts[part]


def test_config_of_the_published_network():
    config = wan_keys.transformer_config(read_shapes("transformer"))
    expected = {
        "patch_size": (1, 2, 2),
        "num_attention_heads": 12,
        "attention_head_dim": 128,
        "in_channels": 96,
        "out_channels": 16,
        "text_dim": 4096,
        "freq_dim": 256,
        "ffn_dim": 8960,
        "num_layers": 30,
    }
    assert {key: config[key] for key in expected} == expected
