"""Safetensors written tensor by tensor: read back by the library, split, cast, and one at a time in memory."""

import json

import pytest
import torch
from safetensors.torch import load_file

from alaya.shards import write_shards


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(0)
    shapes = {"a.weight": (3, 5), "a.bias": (5,), "scale": (), "b.weight": (1, 2, 4)}
    return {key: torch.randn(shape, generator=generator) for key, shape in shapes.items()}


def header_of(tensors, dtype="F32"):
    return {key: (dtype, tuple(value.shape)) for key, value in tensors.items()}


def test_one_file_comes_back_bit_for_bit(tmp_path, tensors):
    (path,) = write_shards(tmp_path, "model", header_of(tensors), tensors.__getitem__)
    read = load_file(path)
    assert path.name == "model.safetensors"
    assert read.keys() == tensors.keys()
    assert all(torch.equal(read[key], tensors[key]) for key in tensors)


def test_tensors_are_cast_as_torch_casts(tmp_path, tensors):
    (path,) = write_shards(tmp_path, "model", header_of(tensors, "BF16"), tensors.__getitem__)
    read = load_file(path)
    assert all(torch.equal(read[key], tensors[key].bfloat16()) for key in tensors)


def test_shards_stay_below_the_limit_and_the_index_finds_all(tmp_path, tensors):
    paths = write_shards(tmp_path, "model", header_of(tensors), tensors.__getitem__, limit=64)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert [path.name for path in paths] == [
        f"model-{i:05d}-of-{len(paths):05d}.safetensors" for i in range(1, len(paths) + 1)
    ]
    assert len(paths) > 1
    assert index["metadata"]["total_size"] == 4 * sum(value.numel() for value in tensors.values())
    for key, name in index["weight_map"].items():
        assert torch.equal(load_file(tmp_path / name)[key], tensors[key])
    assert index["weight_map"].keys() == tensors.keys()


def test_a_tensor_of_another_shape_is_refused_and_leaves_no_file(tmp_path, tensors):
    header = header_of(tensors) | {"a.bias": ("F32", (6,))}
    with pytest.raises(ValueError, match=r"\(5,\) came for \(6,\)"):
        write_shards(tmp_path, "model", header, tensors.__getitem__)
    assert list(tmp_path.glob("*.safetensors")) == []
