"""The only door to the editing models: G-buffers and words to RGB, whatever network does it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from alaya.gbuffer import GBuffer
from alaya.model_info import ModelInfo, Outline, needing_extra, refuse_options

if TYPE_CHECKING:
    from torch import Tensor


OPTIONS = frozenset({"num_steps", "height", "width", "negative_prompt"})
"""What the embedded model understands besides the settings every model takes."""


@dataclass(frozen=True)
class Words:
    """A text as a model reads it.

    Attributes:
        embedding: what the network is conditioned on.
        looks: probability of each look the model knows; empty for a model that knows none.
    """

    embedding: Tensor
    looks: dict[str, float]


class EditingModel(Protocol):
    """What every editing model does."""

    @property
    def info(self) -> ModelInfo:
        """Its name, defaults and limits."""
        ...

    def encode_text(self, prompt: str, negative: str = "") -> Words:
        """Read a text once for a whole clip."""
        ...

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """The (height, width) it works at for clips of a size."""
        ...

    def predict(
        self,
        gbuffer: GBuffer,
        words: Words,
        *,
        num_steps: int | None = None,
        seed: int = 0,
        first_frame: int = 0,
        cfg_scale: float | None = None,
        clip_frames: int | None = None,
    ) -> np.ndarray:
        """Draw a window.

        Args:
            gbuffer: T frames at the working size.
            words: of `encode_text`.
            num_steps: sampling steps, as trained when None.
            seed: decides all noise.
            first_frame: number of the window's first frame in the clip.
            cfg_scale: guidance, for models whose `info.options` name it.
            clip_frames: length of the whole clip, if known: some models draw the noise of a clip that is one
                window in another way.

        Returns:
            (T, h, w, 3) float32 sRGB in [0, 1].
        """
        ...

    def restore(
        self,
        coarse: np.ndarray,
        gbuffer: GBuffer,
        words: Words,
        *,
        seed: int = 0,
        first_frame: int = 0,
        fps: Fraction = Fraction(24),
    ) -> np.ndarray:
        """Bring a few coarse frames to the size of their G-buffers and let the weather fall.

        Args:
            coarse: (T, h, w, 3) float32 sRGB in [0, 1].
            gbuffer: T frames at full size, whose edges the result follows.
            words: of `encode_text`.
            seed: decides where particles are.
            first_frame: number of the first of these frames in the clip.
            fps: frames a second.

        Returns:
            (T, H, W, 3) float32 sRGB in [0, 1].
        """
        ...


def outline_editor(name_or_path: str | Path) -> Outline:
    """What is known of a model before it is loaded; raises as `load_editor` where its files are not there."""
    from editing.wan_files import find_wan

    published = find_wan(str(name_or_path))
    if published is None:
        return Outline(OPTIONS)
    from editing import wan_outline

    return Outline(wan_outline.OPTIONS, wan_outline.outline(published))


def load_editor(name_or_path: str | Path = "small", device: str = "auto", **options: Any) -> EditingModel:
    """Load an editing model.

    Args:
        name_or_path: "small" (the embedded model), "wan-1.3b" (the published one) or the folder of a checkpoint
            of either.
        device: "auto", "cpu" or "cuda".
        options: of `editing.wan_model.WanEditor.load`; the embedded model has none.

    Raises:
        RequestError: CUDA was asked for where there is none, the model has no such option, or a package it needs
            is not installed.
        WeightsNotFoundError: no such checkpoint; the message names the places looked at.
        WeightsError: the files are not what they should be.
    """
    from alaya.device import choose_device
    from editing.wan_files import find_wan

    chosen = choose_device(device).name
    published = find_wan(str(name_or_path))
    if published is not None:
        with needing_extra(name_or_path, "editing"):
            from editing.wan_model import WanEditor
        return WanEditor.load(published, chosen, **options)
    refuse_options(name_or_path, options)
    from editing.small import SmallEditor

    return SmallEditor.load(str(name_or_path), chosen)
