"""What is known of a model: its outline before anything is loaded, and what it says of itself afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from alaya.cost import Phase, Task
from alaya.errors import RequestError


def missing_package(error: BaseException) -> str:
    """What an import failed for, however deep a library wrapped the error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(getattr(error, "name", None) or " ".join(str(error).split())[:200])


@contextmanager
def needing_extra(name: object, extra: str) -> Iterator[None]:
    """Turn a failed import for the model `name` into one line with the extra that brings the package."""
    try:
        yield
    except (ImportError, RuntimeError) as error:  # diffusers wraps the one in the other
        raise RequestError(
            f"{name} needs {missing_package(error)}, which is not installed;"
            f" pip install 'alaya-renderer[{extra}]'"
        ) from error


def refuse_options(name: object, options: Iterable[str]) -> None:
    """Refuse, by name, loading options of a model that has none."""
    if given := ", ".join(options):
        raise RequestError(f"the model {str(name)!r} has no option {given}; leave it out")


@dataclass(frozen=True)
class ModelInfo:
    """What a caller needs to know of a loaded model.

    Attributes:
        name: as asked for.
        sha256: of the weights.
        num_frames: window length when nothing is asked.
        num_steps: sampling steps when nothing is asked.
        options: names of the settings it understands besides those every model takes.
        depth_kind: "relative" or "metric_m"; empty for a model that draws no depth.
        near, far: the limits of its depth, in the unit of `depth_kind`.
    """

    name: str
    sha256: str
    num_frames: int
    num_steps: int
    options: frozenset[str] = field(default_factory=frozenset)
    depth_kind: str = ""
    near: float = 0.0
    far: float = math.inf


@dataclass(frozen=True)
class Published:
    """What can be said of a published model from its files' headers.

    Attributes:
        num_frames: window length when nothing is asked.
        num_steps: sampling steps when nothing is asked.
        working_size: (height, width) of a clip to the one it works at.
        phases: what a task costs.
        knows_words: (full text, negative text), dtype -> whether both were read before.
        check_lora: refuses an adapter (a file or a folder) that was made for another network.
    """

    num_frames: int
    num_steps: int
    working_size: Callable[[int, int], tuple[int, int]]
    phases: Callable[[Task], tuple[Phase, ...]]
    knows_words: Callable[[tuple[str, str], str], bool] = lambda texts, dtype: True
    check_lora: Callable[[Path], None] = lambda path: None


@dataclass(frozen=True)
class Outline:
    """What is known of a model before it is loaded.

    Attributes:
        options: as in `ModelInfo`.
        published: more, if it is a published model; the embedded ones are too small to plan for.
    """

    options: frozenset[str]
    published: Published | None = None
