"""The only door to the inverse models: RGB clips to G-buffers, whatever network does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from alaya.gbuffer import GBuffer
from alaya.model_info import ModelInfo, Outline, needing_extra, refuse_options

OPTIONS = frozenset({"num_steps", "height", "width"})
"""What the embedded model understands besides the settings every model takes."""


class InverseModel(Protocol):
    """What every inverse model does."""

    @property
    def info(self) -> ModelInfo:
        """Its name, defaults and limits."""
        ...

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """The (height, width) it works at for clips of a size."""
        ...

    def predict(
        self, rgb: np.ndarray, *, num_steps: int | None = None, seed: int = 0, first_frame: int = 0
    ) -> GBuffer:
        """Predict a window.

        Args:
            rgb: (T, h, w, 3) float32 sRGB in [0, 1] at the working size.
            num_steps: sampling steps, as trained when None.
            seed: decides all noise.
            first_frame: number of the window's first frame in the clip.

        Returns:
            T frames at the working size.
        """
        ...

    def estimate(
        self, rgb: np.ndarray, *, num_steps: int | None = None, seed: int = 0, first_frame: int = 0
    ) -> tuple[GBuffer, np.ndarray]:
        """As `predict`, and the depth (T, h, w, 1) before background was cut away, finite everywhere."""
        ...

    def restore(self, coarse: GBuffer, rgb: np.ndarray) -> GBuffer:
        """Bring a few coarse frames to the size of their pictures.

        Args:
            coarse: T frames at the working size.
            rgb: (T, H, W, 3) float32 sRGB in [0, 1], whose edges the result follows.
        """
        ...


def outline_inverse(name_or_path: str | Path) -> Outline:
    """What is known of a model before it is loaded; raises as `load_inverse` where its files are not there."""
    from inverse.cosmos_files import find_cosmos

    published = find_cosmos(str(name_or_path))
    if published is None:
        return Outline(OPTIONS)
    from inverse import cosmos_outline

    return Outline(cosmos_outline.OPTIONS, cosmos_outline.outline(published))


def load_inverse(name_or_path: str | Path = "small", device: str = "auto", **options: Any) -> InverseModel:
    """Load an inverse model.

    Args:
        name_or_path: "small" (the embedded model), "cosmos-7b" (the published one) or the folder of a checkpoint.
        device: "auto", "cpu" or "cuda".
        options: of `inverse.cosmos_model.CosmosInverse.load`; the embedded model has none.

    Raises:
        RequestError: CUDA was asked for where there is none, or the model has no such option.
        WeightsNotFoundError: no such checkpoint; the message names the places looked at.
        WeightsError: the files are not what they should be.
    """
    from alaya.device import choose_device
    from inverse.cosmos_files import find_cosmos

    place = choose_device(device).name
    published = find_cosmos(str(name_or_path))
    if published is not None:
        with needing_extra(name_or_path, "inverse"):
            from inverse.cosmos_model import CosmosInverse
        return CosmosInverse.load(published, place, **options)
    refuse_options(name_or_path, options)
    from inverse.small import SmallInverse

    return SmallInverse.load(str(name_or_path), place)
