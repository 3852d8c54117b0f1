"""What a weights file is, from its header: the five published layouts, full size, and what differs."""

import json
import struct

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from alaya.layout_check import check_weights, layout_md5, most_like, published_layouts
from pipelines.cli import cli

LAYOUTS = {layout.name: layout for layout in published_layouts()}
SIZES = {"F32": 4, "BF16": 2}


def write_sparse(path, shapes, dtype="BF16"):
    """Write a safetensors file of the real size that takes no room: a header, then a hole."""
    header, place = {}, 0
    for key, shape in shapes.items():
        size = SIZES[dtype] * torch.Size(shape).numel()
        header[key] = {"dtype": dtype, "shape": list(shape), "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + place)
    return path


@pytest.mark.parametrize(
    ("name", "count", "md5"),
    [
        ("inverse-7b", 569, None),
        ("editing-96", 825, "a87823c16fa5119ca6ef32cefc0be86d"),
        ("wan-1.3b-base", 825, "9269f8db9040a9d860eaca435be61814"),
        ("umt5-xxl", 242, "9c8818c2cbea55eca56c7b447df170da"),
        ("wan-vae", 194, "ccc42284ea13e1ad04693284c7a09be6"),
    ],
)
def test_layouts_are_the_published_ones(name, count, md5):
    layout = LAYOUTS[name]
    assert len(layout.shapes) == count
    assert layout.mark in layout.shapes
    assert layout_md5(layout.shapes) == layout.md5
    assert md5 in (None, layout.md5)


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_told_from_the_others(name, tmp_path):
    layout = LAYOUTS[name]
    (checked,) = check_weights(write_sparse(tmp_path / "some.safetensors", layout.shapes))
    line = checked.line
    assert not checked.differs
    assert f"{layout.title}, every name and shape as published" in line
    assert f"{len(layout.shapes)} tensors, BF16" in line


@pytest.mark.parametrize("prefix", ["net.", "model.net.", "module."])
def test_a_prefix_is_seen_through(prefix):
    shapes = {prefix + key: shape for key, shape in LAYOUTS["inverse-7b"].shapes.items()}
    found = most_like(shapes)
    assert (found.layout.name, found.prefix, found.report.good) == ("inverse-7b", prefix, True)


def test_what_differs_is_named_ten_at_most(tmp_path):
    shapes = dict(LAYOUTS["editing-96"].shapes)
    for number in range(12):
        del shapes[f"blocks.{number}.norm3.bias"]
    shapes["extra.weight"] = (3,)
    shapes["head.head.bias"] = (65,)
    (checked,) = check_weights(write_sparse(tmp_path / "some.safetensors", shapes))
    line = checked.line
    assert checked.differs
    assert "differs from model.safetensors of the game-editing model" in line
    assert "and 2 more" in line
    assert "unexpected: extra.weight" in line
    assert "misshapen: head.head.bias (65,) for (64,)" in line
    assert "\n" not in line


def test_the_command_fails_where_a_file_differs(tmp_path):
    shapes = dict(LAYOUTS["wan-vae"].shapes)
    write_sparse(tmp_path / "whole.safetensors", shapes)
    asked = ["weights", "check"]
    done = CliRunner().invoke(cli, [*asked, str(tmp_path / "whole.safetensors")])
    assert done.exit_code == 0, done.stderr
    shapes.popitem()
    write_sparse(tmp_path / "short.safetensors", shapes)
    done = CliRunner().invoke(cli, [*asked, str(tmp_path)])
    assert done.exit_code == 1
    assert "but differs from" in done.stdout
    assert "as published" in done.stdout
    assert "1 of 2 files differ" in done.stderr


def test_torch_files_are_read_too(tmp_path):
    tensors = {"decoder.conv1.weight": torch.zeros(2, 3), "something": torch.zeros(1)}
    torch.save(tensors, tmp_path / "some.pth")
    assert "torch archive with 2 tensors, F32" in check_weights(tmp_path / "some.pth")[0].line
    save_file(tensors, tmp_path / "some.safetensors")
    assert "like none of the published files" in check_weights(tmp_path / "some.safetensors")[0].line
