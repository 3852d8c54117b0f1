"""The published checkpoints: fetched whole, listed, and one clear line where there is no network or no room."""

import shutil
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest
from click.testing import CliRunner

from alaya.errors import AlayaError, RequestError
from pipelines.commands.weights import command
from pipelines.published import fetch, published

GOLDEN = Path(__file__).parent / "data" / "golden" / "editing"
SMALL = replace(published("wan-1.3b"), bytes=1)


@pytest.fixture
def hub(monkeypatch):
    """Answer for the hub: `answers` maps a repository to what its download does to a folder."""
    answers, asked = {}, []

    def download(repository, *, local_dir, allow_patterns):
        asked.append((repository, tuple(allow_patterns)))
        Path(local_dir).mkdir(parents=True, exist_ok=True)
        answers[repository](Path(local_dir))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return answers, asked


def brings(*names):
    return lambda folder: [shutil.copy(GOLDEN / name, folder) for name in names]


def test_a_checkpoint_is_fetched_from_all_its_places(hub, tmp_path):
    answers, asked = hub
    answers["Brian9999/stylerenderer"] = brings("model.safetensors")
    answers["Wan-AI/Wan2.1-T2V-1.3B"] = brings("Wan2.1_VAE.pth", "models_t5.pth")
    told = []
    folder = fetch(SMALL, tmp_path / "wan", told.append)
    assert SMALL.find(str(folder)).text.name == "models_t5.pth"
    assert [repository for repository, _ in asked] == [source.repository for source in SMALL.sources]
    assert "google/umt5-xxl/*" in asked[1][1]
    assert told[0] == f"Brian9999/stylerenderer -> {folder}"


def test_a_folder_that_stayed_empty_is_no_success(hub, tmp_path):
    answers, _ = hub
    answers["Brian9999/stylerenderer"] = answers["Wan-AI/Wan2.1-T2V-1.3B"] = brings()
    with pytest.raises(AlayaError, match="did not arrive"):
        fetch(SMALL, tmp_path / "wan", print)


def test_no_network_and_no_room_are_one_line(hub, tmp_path):
    answers, _ = hub

    def offline(folder):
        raise ConnectionError("cannot\nreach")

    answers["Brian9999/stylerenderer"] = offline
    with pytest.raises(AlayaError, match=r"ConnectionError: cannot reach.*HF_HUB_OFFLINE.*copy its files"):
        fetch(SMALL, tmp_path / "wan", print)
    with pytest.raises(AlayaError, match=r"needs about \d{6,} GB"):
        fetch(replace(SMALL, bytes=10**18), tmp_path / "wan", print)
    with pytest.raises(RequestError, match=r"choose from cosmos-7b, wan-1\.3b"):
        published("other")


def test_the_list_says_what_is_here(monkeypatch, tmp_path):
    monkeypatch.setenv("ALAYA_CHECKPOINTS", str(tmp_path))
    lines = CliRunner().invoke(command, ["list"]).output.splitlines()
    (line,) = [line for line in lines if line.startswith("wan-1.3b")]
    assert line.endswith("not here; alaya weights fetch wan-1.3b")
    assert "18 GB" in line
    assert "Brian9999/stylerenderer + Wan-AI/Wan2.1-T2V-1.3B" in line
    gone = CliRunner().invoke(command, ["check", "wan-1.3b"]).exception
    assert "`alaya weights fetch wan-1.3b` brings it" in str(gone)
    shutil.copytree(GOLDEN, tmp_path / "wan-1.3b")
    lines = CliRunner().invoke(command, ["list"]).output.splitlines()
    (line,) = [line for line in lines if line.startswith("wan-1.3b")]
    assert line.endswith("here")
    assert "fetch" not in line
    checked = CliRunner().invoke(command, ["check", "wan-1.3b"]).output.splitlines()
    assert checked[0].startswith(f"{tmp_path / 'wan-1.3b'}")
    assert checked[-1].startswith(f"{tmp_path / 'wan-1.3b'}: no tokenizer")
