"""How a job gets its model: which weights a name means (without torch), and the loading itself (with it)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Loader:
    """`identify(name)` gives the sha256 of the weights that are meant, `load(name, device)` the model."""

    identify: Callable[[str], str]
    load: Callable[[str, str], Any]

    def once(self) -> "Loader":
        """The same, but keeping the model that was loaded last."""
        kept: dict[tuple[str, str], Any] = {}

        def load(name: str, device: str) -> Any:
            if (name, device) not in kept:
                kept.clear()
                kept[name, device] = self.load(name, device)
            return kept[name, device]

        return Loader(self.identify, load)


def _sha256(name: str, stage: str) -> str:
    from alaya.weights import find_weights, read_card

    return str(read_card(find_weights(name, stage))["sha256"])


def _load_inverse(name: str, device: str) -> Any:
    from inverse.models import load_inverse

    return load_inverse(name, device=device)


def _load_editor(name: str, device: str) -> Any:
    from editing.models import load_editor

    return load_editor(name, device=device)


def _inverse_sha256(name: str) -> str:
    from inverse.cosmos_files import find_cosmos

    published = find_cosmos(name)
    return published.identity() if published else _sha256(name, "inverse")


def _editing_sha256(name: str) -> str:
    from editing.wan_files import find_wan

    published = find_wan(name)
    return published.identity() if published else _sha256(name, "editing")


INVERSE = Loader(_inverse_sha256, _load_inverse)
EDITING = Loader(_editing_sha256, _load_editor)
