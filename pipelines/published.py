"""The published checkpoints: where they come from, how large they are, and fetching them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alaya.errors import AlayaError, RequestError, WeightsNotFoundError
from alaya.files import free_bytes

GB = 10**9


@dataclass(frozen=True)
class Source:
    """One repository of the Hugging Face hub: which of its files, and into which folder of the checkpoint's."""

    repository: str
    patterns: tuple[str, ...]
    folder: str = ""


@dataclass(frozen=True)
class Published:
    """A checkpoint others publish.

    Attributes:
        name: as `--model` takes it.
        stage: "inverse" or "editing".
        bytes: about, of all its files.
        licence: as its pages state it; nothing here grants more.
        sources: of its files.
    """

    name: str
    stage: str
    bytes: int
    licence: str
    sources: tuple[Source, ...]

    def find(self, place: str) -> Any:
        """The files at a place or behind a name, None if there are none, an error if a part is missing."""
        if self.stage == "editing":
            from editing.wan_files import find_wan

            return find_wan(place)
        from inverse.cosmos_files import find_cosmos

        return find_cosmos(place)

    @property
    def origin(self) -> str:
        """The repositories it comes from."""
        return " + ".join(source.repository for source in self.sources)

    @property
    def present(self) -> bool:
        """Whether all of it is where checkpoints are looked for."""
        try:
            return self.find(self.name) is not None
        except WeightsNotFoundError:
            return False


PUBLISHED = (
    Published(
        "cosmos-7b",
        "inverse",
        15 * GB,
        "NVIDIA Open Model",
        (
            Source("Brian9999/world_inverse_renderer", ("*.pt", "*.safetensors", "LICENSE*")),
            Source(
                "nvidia/Cosmos-Tokenize1-CV8x8x8-720p",
                ("encoder.jit", "decoder.jit", "mean_std.pt", "image_mean_std.pt", "LICENSE*"),
                "Cosmos-Tokenize1-CV8x8x8-720p",
            ),
        ),
    ),
    Published(
        "wan-1.3b",
        "editing",
        18 * GB,
        "see its page",
        (
            Source("Brian9999/stylerenderer", ("*.safetensors", "LICENSE*")),
            Source(
                "Wan-AI/Wan2.1-T2V-1.3B",
                ("Wan2.1_VAE.pth", "models_t5_umt5-xxl-enc-bf16.pth", "google/umt5-xxl/*", "LICENSE*"),
            ),
        ),
    ),
)


def published(name: str) -> Published:
    """The published checkpoint of a name."""
    for entry in PUBLISHED:
        if entry.name == name:
            return entry
    known = ", ".join(entry.name for entry in PUBLISHED)
    raise RequestError(f"no published checkpoint is called {name!r}; choose from {known}")


def fetch(entry: Published, folder: Path, note: Callable[[str], None]) -> Path:
    """Download a checkpoint's files; what is there already is kept, what was cut off goes on.

    Args:
        entry: what to fetch.
        folder: where to; the checkpoint's own.
        note: is told what is being fetched.

    Raises:
        RequestError: huggingface_hub is not installed.
        AlayaError: no room, no network (or HF_HUB_OFFLINE), no such repository, or files are still missing.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise RequestError(
            "weights fetch needs huggingface_hub, which is not installed; pip install -e '.[inverse]' brings it"
        ) from error

    folder.mkdir(parents=True, exist_ok=True)
    held = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if free_bytes(folder) < entry.bytes - held:
        raise AlayaError(
            f"{folder}: {entry.name} needs about {entry.bytes / GB:.0f} GB, {free_bytes(folder) / GB:.1f} GB are"
            " free there; free some, or choose another --to"
        )
    for source in entry.sources:
        note(f"{source.repository} -> {folder / source.folder}")
        try:
            patterns = list(source.patterns)
            snapshot_download(source.repository, local_dir=folder / source.folder, allow_patterns=patterns)
        except Exception as error:  # the hub's client raises many kinds, all of which mean this
            reason = " ".join(str(error).split()).partition(". ")[0][:200]  # the client's advice is longer
            raise AlayaError(
                f"{source.repository} cannot be fetched ({type(error).__name__}: {reason}); is there a network,"
                f" and is HF_HUB_OFFLINE unset? Else copy its files to {folder / source.folder}"
            ) from error
    # Without a network the client is content with a folder that exists: only the files themselves tell.
    if entry.find(str(folder)) is None:
        raise AlayaError(f"{folder}: the files of {entry.name} did not arrive; is there a network?")
    return folder
