"""What a job falls back to when the memory is full: networks that rest elsewhere, then tiles; then shorter windows.

The last rung belongs to `pipelines.windows`, which cuts the rest of the clip anew when none of the others is left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from alaya.device import OFFLOADS
from pipelines.progress import Progress
from pipelines.soundness import free_memory, is_out_of_memory

if TYPE_CHECKING:
    from pipelines.settings import EditSettings, InverseSettings

Result = TypeVar("Result")


class Easing:
    """A published model that takes less memory from the moment it has run out of it, and says how.

    All it has besides is the model's own.

    Attributes:
        stage_plan: the `pipelines.memory_plan.StagePlan` it was loaded by, if there was one.
    """

    stage_plan: Any = None

    def __init__(self, model: Any, progress: Progress) -> None:
        self.model, self._progress = model, progress

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def predict(self, *args: Any, **options: Any) -> Any:
        """As the model's, again and again on lower rungs; the error of the lowest one is raised."""
        return self._climb(lambda: self.model.predict(*args, **options))

    def predict_extra(self, *args: Any, **options: Any) -> Any:
        """As the model's; see `predict`."""
        return self._climb(lambda: self.model.predict_extra(*args, **options))

    def encode_text(self, *args: Any, **options: Any) -> Any:
        """As the model's; see `predict`."""
        return self._climb(lambda: self.model.encode_text(*args, **options))

    def _climb(self, work: Callable[[], Result]) -> Result:
        while True:
            try:
                return work()
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                shortage = error.with_traceback(None)  # what its frames hold is what has to go
            free_memory()
            rung = self.model.ease()
            if rung is None:
                raise shortage
            self._progress.warn(f"out of memory; {rung}")


def load_easing(
    load: Callable[..., Any],
    settings: InverseSettings | EditSettings,
    options: dict[str, Any],
    progress: Progress,
) -> Easing:
    """Load a published model, its networks resting elsewhere if the device cannot hold them all.

    Args:
        load: of `pipelines.loading.Loader`.
        settings: of the job.
        options: for `load`.
        progress: is told of every rung.
    """
    rungs = OFFLOADS[OFFLOADS.index(settings.offload) :]
    for place, offload in enumerate(rungs):
        asked = options if place == 0 else {**options, "offload": offload}
        try:
            return Easing(load(settings.model, settings.device, **asked), progress)
        except Exception as error:
            if not is_out_of_memory(error) or offload == rungs[-1]:
                raise
        free_memory()
        progress.warn(f"out of memory while loading; trying again with --offload {rungs[place + 1]}")
    raise AssertionError("the last rung returns or raises")
