"""How a job gets its model: which weights a name means (without torch), and the loading itself (with it)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from alaya.lora_files import with_loras
from alaya.model_info import Outline
from editing.switches import Switches
from pipelines.settings import LOADING, SWITCHES, check_options, given_options

if TYPE_CHECKING:
    from pipelines.progress import Progress
    from pipelines.settings import EditSettings, InverseSettings


@dataclass(frozen=True)
class Loader:
    """Finds and loads the models of a stage.

    Attributes:
        identify: name -> sha256 of the weights that are meant.
        load: (name, device, **options) -> the model.
        outline: name -> what is known of the model before it is loaded; None if nothing is.
        kept: the models loaded so far by name, device and options, if one is to be kept.
    """

    identify: Callable[[str], str]
    load: Callable[..., Any]
    outline: Callable[[str], Outline | None] = lambda name: None
    kept: dict[tuple[Any, ...], Any] | None = None

    def once(self) -> Loader:
        """The same, but keeping the model that was opened last; itself if it does so already."""
        return self if self.kept is not None else replace(self, kept={})

    def check(self, settings: InverseSettings | EditSettings) -> None:
        """Refuse options the model cannot use and adapters of other models, before any weight is read."""
        outline = self.outline(settings.model)
        if outline is None:
            return
        check_options(settings, outline.options)
        for path, _ in settings.lora:
            if outline.published is not None:
                outline.published.check_lora(path)

    def weights(self, settings: InverseSettings | EditSettings) -> str:
        """sha256 of the weights a job runs with: of the model's own, and of the adapters merged into them."""
        return with_loras(self.identify(settings.model), settings.lora)

    def open(
        self, settings: InverseSettings | EditSettings, size: tuple[int, int], frames: int, progress: Progress
    ) -> Any:
        """The model, loaded as the settings ask, after saying and checking what it will take.

        Args:
            settings: of the job.
            size: (height, width) of the clip.
            frames: that are to be worked on.
            progress: is told the plan, and what a full memory leads to.

        Raises:
            RequestError: an option the model cannot use, or no room for it.
        """
        self.check(settings)
        given = given_options(settings)
        options = {name: given[name] for name in LOADING if name in given}
        key = (settings.model, settings.device, *options.items())
        if self.kept is not None and key in self.kept:
            return self.kept[key]
        model = self._open(settings, options, size, frames, progress)
        check_options(settings, model.info.options)
        if self.kept is not None:
            self.kept.clear()
            self.kept[key] = model
        return model

    def _open(
        self,
        settings: InverseSettings | EditSettings,
        options: dict[str, Any],
        size: tuple[int, int],
        frames: int,
        progress: Progress,
    ) -> Any:
        outline = self.outline(settings.model)
        if outline is None or outline.published is None:
            return self.load(settings.model, settings.device, **options)
        from pipelines.ladder import load_easing
        from pipelines.memory_plan import check_fits, free_memory, plan_stage

        plan = plan_stage(settings, outline.published, size, frames)
        progress.plan(plan)
        check_fits(plan, free_memory(plan.device))
        model = load_easing(self.load, settings, options, progress)
        model.stage_plan = plan
        return model


def _sha256(name: str, stage: str) -> str:
    from alaya.weights import WEIGHTS_NAME, find_weights, read_card, read_header

    folder = find_weights(name, stage)
    read_header(folder / WEIGHTS_NAME)  # what is damaged is refused before torch is loaded
    return str(read_card(folder)["sha256"])


def _load_inverse(name: str, device: str, **options: Any) -> Any:
    from inverse.models import load_inverse

    return load_inverse(name, device=device, **options)


def _load_editor(name: str, device: str, **options: Any) -> Any:
    from editing.models import load_editor

    on = {SWITCHES[key]: options.pop(key) for key in list(options) if key in SWITCHES}
    if on:
        options["switches"] = Switches(**on)
    return load_editor(name, device=device, **options)


def _outline_inverse(name: str) -> Outline:
    from inverse.models import outline_inverse

    return outline_inverse(name)


def _outline_editor(name: str) -> Outline:
    from editing.models import outline_editor

    return outline_editor(name)


def _inverse_sha256(name: str) -> str:
    from inverse.cosmos_files import find_cosmos

    published = find_cosmos(name)
    return published.identity() if published else _sha256(name, "inverse")


def _editing_sha256(name: str) -> str:
    from editing.wan_files import find_wan

    published = find_wan(name)
    return published.identity() if published else _sha256(name, "editing")


INVERSE = Loader(_inverse_sha256, _load_inverse, _outline_inverse)
EDITING = Loader(_editing_sha256, _load_editor, _outline_editor)
