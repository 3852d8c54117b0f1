"""How the tensors of a file differ from those that are wanted: missing, unexpected, misshapen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

Shapes = Mapping[str, tuple[int, ...]]


@dataclass
class KeyReport:
    """How the tensors of a file differ from those of a network."""

    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing differs."""
        return not (self.missing or self.unexpected or self.misshapen)

    def summary(self) -> str:
        """One line that names up to ten of each kind."""
        parts = []
        for kind in ("missing", "unexpected", "misshapen"):
            names: list[str] = getattr(self, kind)
            if names:
                more = f" and {len(names) - 10} more" if len(names) > 10 else ""
                parts.append(f"{kind}: {', '.join(names[:10])}{more}")
        return "; ".join(parts) or "all keys and shapes match"


def compare_keys(found: dict[str, tuple[str, tuple[int, ...]]], net: nn.Module) -> KeyReport:
    """Hold a file's tensors against a network's."""
    wanted = {key: tuple(value.shape) for key, value in net.state_dict().items()}
    return compare_shapes({key: shape for key, (_, shape) in found.items()}, wanted)


def compare_shapes(found: Shapes, wanted: Shapes) -> KeyReport:
    """Hold names and shapes against those that are wanted."""
    shared = sorted(set(wanted) & set(found))
    return KeyReport(
        missing=sorted(set(wanted) - set(found)),
        unexpected=sorted(set(found) - set(wanted)),
        misshapen=[f"{key} {found[key]} for {wanted[key]}" for key in shared if found[key] != wanted[key]],
    )
