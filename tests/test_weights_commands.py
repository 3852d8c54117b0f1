"""`alaya weights verify`, `convert` and `check` on the published layouts, small."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from pipelines.commands.weights import command

GOLDEN = Path(__file__).parent / "data" / "golden" / "editing"


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path):
    """Return a golden folder of one network group."""
    folder = tmp_path / "golden"
    shutil.copytree(GOLDEN, folder, ignore=shutil.ignore_patterns("io.safetensors"))
    write_vectors(folder, 1.0)
    return folder


def write_vectors(folder, factor):
    vectors = load_file(GOLDEN / "io.safetensors")
    only = {key: value for key, value in vectors.items() if key.startswith("net2.")}
    only["net2.out"] = only["net2.out"] * factor
    save_file(only, folder / "io.safetensors")


def test_verify_prints_a_line_a_group_and_fails_on_a_wrong_one(folder):
    done = run("verify", "--golden", folder)
    assert done.exit_code == 0, done.output
    assert [line.split()[:2] for line in done.output.splitlines()] == [
        ["net2", "forward"],
        ["net2", "sampling"],
    ]
    write_vectors(folder, 1.001)
    done = run("verify", "--golden", folder)
    assert done.exit_code != 0
    assert "relative error 9.99e-04 (at most 1e-05)  WRONG" in done.output
    assert "2 of 2 groups are not the reference's" in str(done.exception) + done.output


def test_convert_writes_a_folder_that_is_checked_file_by_file(folder, tmp_path):
    target = tmp_path / "converted"
    done = run("convert", folder, target, "--dtype", "fp32")
    assert done.exit_code == 0, done.output
    assert done.output.strip() == str(target)
    assert sorted(path.parent.name for path in target.glob("*/*.safetensors")) == [
        "text_encoder",
        "transformer",
        "vae",
    ]
    for place, count, code in ((target, 4, 0), (folder, 5, 1)):  # as downloaded, but of a smaller network
        done = run("check", place)
        assert done.exit_code == code, done.output
        assert len(done.output.splitlines()) == count
    assert "no tokenizer google/umt5-xxl, so that only the 0 texts that were read before" in done.output
    tokenizer = folder / "google" / "umt5-xxl"
    tokenizer.mkdir(parents=True)
    assert "no tokenizer.json or spiece.model" in str(run("check", folder).exception)
    (tokenizer / "tokenizer.json").write_text('{"model": {}}')
    assert f"{tokenizer}: the text encoder's tokenizer (tokenizer.json)" in run("check", folder).output
    (tokenizer / "tokenizer.json").write_text('{"model": ')
    assert "tokenizer.json: not a tokenizer" in str(run("check", folder).exception)
    assert "Wan2.1_VAE.pth: looks like the Wan 2.1 video autoencoder, but differs" in done.output
