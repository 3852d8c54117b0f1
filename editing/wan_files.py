"""Find the published editing model's files, as published or as a diffusers folder, without loading anything."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from alaya.errors import WeightsError, WeightsNotFoundError
from alaya.files import joint_sha256
from alaya.places import find_published
from alaya.weights import CARD_NAME, read_card, read_header

NAME = "wan-1.3b"
FOLDERS = (NAME, "editing-1.3b")
VAE_PATTERNS = ("Wan2.1_VAE.pth", "Wan2.1_VAE.safetensors")
TEXT_PATTERNS = ("models_t5*.pth", "models_t5*.safetensors")
TOKENIZER_PLACES = ("google/umt5-xxl", "tokenizer")
TOKENIZER_FILES = ("tokenizer.json", "spiece.model")
"""Either is enough."""
MARK = "patch_embedding.weight"
"""A tensor that every published editing network has."""


@dataclass(frozen=True)
class WanFiles:
    """Where the parts are. Files are as published, folders are diffusers' and transformers'.

    Attributes:
        folder: that was named.
        transformer: the 96-channel network.
        vae: the autoencoder.
        text: the text encoder, or None where only texts read before can be used.
        tokenizer: its tokenizer's folder, or None.
    """

    folder: Path
    transformer: Path
    vae: Path
    text: Path | None
    tokenizer: Path | None

    @property
    def words(self) -> Path:
        """The folder of texts read before."""
        return self.folder / "words"

    @property
    def converted(self) -> bool:
        """Whether this is a diffusers folder."""
        return self.transformer.is_dir()

    def identity(self) -> str:
        """sha256 of the network's weights: the card's where there is one, else of the files."""
        if (self.folder / CARD_NAME).is_file():
            return str(read_card(self.folder, "editing")["sha256"])
        shards = sorted(self.transformer.glob("*.safetensors")) if self.converted else [self.transformer]
        return joint_sha256(shards)


def find_wan(name: str) -> WanFiles | None:
    """The files of the published editing model, or None if `name` means another model.

    Args:
        name: "wan-1.3b", looked for in the checkpoints folders, or the path of a folder.

    Raises:
        WeightsNotFoundError: the name is the published model's, or the folder holds a part of it, and what
            cannot be done without is missing.
    """
    if name != NAME:
        return _files_in(Path(name))
    needs = "model.safetensors, Wan2.1_VAE.pth, models_t5_umt5-xxl-enc-bf16.pth and google/umt5-xxl"
    return find_published(NAME, FOLDERS, _files_in, needs)


def describe_tokenizer(files: WanFiles) -> str:
    """One line on the text encoder's tokenizer: whether it is there, and what works without it.

    Raises:
        WeightsError: its folder holds no tokenizer, or a damaged one.
    """
    if files.tokenizer is None:
        known = len(list(files.words.glob("*.safetensors")))
        return (
            f"{files.folder}: no tokenizer {TOKENIZER_PLACES[0]}, so that only the {known} texts that were read before"
            f" can be used; `alaya weights fetch {NAME}` brings it"
        )
    found = [name for name in TOKENIZER_FILES if (files.tokenizer / name).is_file()]
    if not found:
        raise WeightsError(f"{files.tokenizer}: no {' or '.join(TOKENIZER_FILES)}; fetch it again")
    for name in found:
        _check_tokenizer(files.tokenizer / name)
    return f"{files.tokenizer}: the text encoder's tokenizer ({', '.join(found)})"


def _check_tokenizer(path: Path) -> None:
    """Raise WeightsError if a tokenizer's file was cut off."""
    try:
        data = path.read_bytes()
        if not data or (path.suffix == ".json" and "model" not in json.loads(data)):
            raise ValueError("it is empty or holds no vocabulary")
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: not a tokenizer ({error}); fetch it again") from error


def _files_in(folder: Path) -> WanFiles | None:
    if not folder.is_dir():
        return None
    tokenizer = next((folder / place for place in TOKENIZER_PLACES if (folder / place).is_dir()), None)
    if (folder / "transformer" / "config.json").is_file() and (folder / "vae" / "config.json").is_file():
        text = folder / "text_encoder"
        parts = folder / "transformer", folder / "vae", text if text.is_dir() else None
        return WanFiles(folder, *parts, tokenizer)
    transformer = _published_transformer(folder)
    vae = _first(folder, VAE_PATTERNS)
    if transformer is None:
        return None
    if vae is None:
        raise WeightsNotFoundError(
            f"{folder} holds the editing network {transformer.name} but no {VAE_PATTERNS[0]}; put it there"
        )
    return WanFiles(folder, transformer, vae, _first(folder, TEXT_PATTERNS), tokenizer)


def _first(folder: Path, patterns: Iterable[str]) -> Path | None:
    return next((path for pattern in patterns for path in sorted(folder.glob(pattern))), None)


def _published_transformer(folder: Path) -> Path | None:
    """The safetensors file that holds a Wan network, model.safetensors first."""
    paths = sorted(
        folder.glob("*.safetensors"), key=lambda path: (path.name != "model.safetensors", path.name)
    )
    for path in paths:
        try:
            if MARK in read_header(path):
                return path
        except WeightsError:
            continue
    return None
