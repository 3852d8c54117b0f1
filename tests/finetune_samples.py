"""Tiny published models, a dataset of one frame a clip, and recipes that tune them."""

from cosmos_samples import GOLDEN
from wan_samples import save_tiny
from world_samples import make_dataset

from training.recipe import Phase, Recipe


class Bench:
    """Give recipes for tiny models in a folder of their own."""

    def __init__(self, folder):
        self.data = make_dataset(folder / "set", num_frames=1)
        self.models = {"wan": save_tiny(folder / "wan"), "cosmos": GOLDEN}

    def recipe(self, task, preset, steps=4, **others):
        """Return a recipe; keywords are of Recipe or of its one phase."""
        own = {key: others.pop(key) for key in list(others) if key in vars(Phase("x", 1, 16, 16))}
        size = {"width": 32, "height": 16, "batch": 2, "warmup": 1, "lr": 3e-3, "whole_share": 1.0}
        rank = {"rank": 2} if preset == "lora" else {}
        values = {"seed": 3, "data": (str(self.data),), "heldout": str(self.data), **rank, **others}
        phases = (Phase("only", steps, **{**size, **own}),)
        return Recipe(
            task=task, name="tiny", preset=preset, phases=phases, model=str(self.models[task]), **values
        )
