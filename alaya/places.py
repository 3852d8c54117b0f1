"""Where a published checkpoint is looked for, and the one line that says it is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from alaya.errors import WeightsNotFoundError
from alaya.weights import search_folders

Files = TypeVar("Files")


def find_published(
    name: str, subfolders: Iterable[str], files_in: Callable[[Path], Files | None], needs: str
) -> Files:
    """The first place below the checkpoints folders that holds a published checkpoint.

    Args:
        name: of the checkpoint.
        subfolders: of a checkpoints folder to look at, in order; "." is the folder itself.
        files_in: the checkpoint's files in a folder, or None.
        needs: the files by name, for somebody who has to put them there by hand.

    Raises:
        WeightsNotFoundError: naming every place that was looked at, and what fetches the files.
    """
    places = [folder / place for folder in search_folders() for place in subfolders]
    for place in places:
        files = files_in(place)
        if files is not None:
            return files
    looked = ", ".join(str(place) for place in places)
    raise WeightsNotFoundError(
        f"no checkpoint {name!r}: none of {looked} holds it; `alaya weights fetch {name}` brings it, or put"
        f" {needs} there"
    )
