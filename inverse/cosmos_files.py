"""Find the published inverse renderer's files, as published or as a diffusers folder, without loading anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from alaya.errors import WeightsError, WeightsNotFoundError
from alaya.files import joint_sha256
from alaya.places import find_published
from alaya.torch_files import open_tensors
from alaya.weights import CARD_NAME, read_card
from inverse.cosmos_keys import MARK

NAME = "cosmos-7b"
NETWORK_FOLDER = "Diffusion_Renderer_Inverse_Cosmos_7B"
TOKENIZER_FOLDER = "Cosmos-Tokenize1-CV8x8x8-720p"
NETWORK_FILE = "model.pt"
TOKENIZER_FILES = ("encoder.jit", "decoder.jit", "mean_std.pt", "image_mean_std.pt")
STATISTICS_NAME = "latents.safetensors"
"""In a converted folder: the statistics of the latents, of clips and of single pictures."""


@dataclass(frozen=True)
class PublishedFiles:
    """The files as NVIDIA and AlayaRenderer publish them."""

    network: Path
    encoder: Path
    decoder: Path
    mean_std: Path
    image_mean_std: Path

    def identity(self) -> str:
        """One sha256 for all of them."""
        paths = (self.network, self.encoder, self.decoder, self.mean_std, self.image_mean_std)
        return joint_sha256(paths)


@dataclass(frozen=True)
class ConvertedFolder:
    """A diffusers folder that `inverse.cosmos_convert` wrote."""

    folder: Path

    def identity(self) -> str:
        """The sha256 its card states, of all its weights."""
        return str(read_card(self.folder, "inverse")["sha256"])


def find_cosmos(name: str) -> PublishedFiles | ConvertedFolder | None:
    """The files of the published inverse renderer, or None if `name` means another model.

    Args:
        name: "cosmos-7b", looked for in the checkpoints folders; or the path of a folder: a converted one, one
            with all published files, the network's own beside the tokenizer's, or the one above both.

    Raises:
        WeightsNotFoundError: the name is the published model's and nothing is there, or a part is missing.
    """
    if name != NAME:
        return _files_in(Path(name))
    needs = f"{NETWORK_FOLDER} and {TOKENIZER_FOLDER}"
    return find_published(NAME, (NAME, "."), _files_in, needs)


def _files_in(folder: Path) -> PublishedFiles | ConvertedFolder | None:
    if (folder / "model_index.json").is_file() and (folder / STATISTICS_NAME).is_file():
        return ConvertedFolder(folder)
    network = _network_in(folder)
    if network is None:
        return None
    places = (folder, folder / TOKENIZER_FOLDER, folder.parent / TOKENIZER_FOLDER)
    home = next((place for place in places if (place / TOKENIZER_FILES[0]).is_file()), None)
    missing = TOKENIZER_FILES if home is None else [f for f in TOKENIZER_FILES if not (home / f).is_file()]
    if home is None or missing:
        looked = ", ".join(str(place) for place in places) if home is None else str(home)
        raise WeightsNotFoundError(f"{network} has no {', '.join(missing)} beside it; looked in {looked}")
    return PublishedFiles(network, *(home / name for name in TOKENIZER_FILES))


def _network_in(folder: Path) -> Path | None:
    """The network's file: model.pt, or any file whose header shows the network; none beside a card."""
    for place in (folder, folder / NETWORK_FOLDER):
        if (place / CARD_NAME).is_file():
            continue
        if (place / NETWORK_FILE).is_file():
            return place / NETWORK_FILE
        for path in sorted([*place.glob("*.safetensors"), *place.glob("*.pt")]):
            if _is_network(path):
                return path
    return None


def _is_network(path: Path) -> bool:
    try:
        return any(name.endswith(MARK) for name in open_tensors(path).header)
    except (WeightsError, WeightsNotFoundError):
        return False
