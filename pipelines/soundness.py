"""Is what a model gave fit to be written? If not it runs once more in full precision, and then is refused.

A window must be numbers, and must not be one colour where its input is not. Metallic and roughness may be constant.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from alaya.errors import AlayaError
from alaya.frames import Window

FLAT = 1.5 / 255  # an input that varies less within every frame is one colour, up to the noise of a codec
PACKED_PLANES = {"albedo": slice(0, 3), "normal": slice(3, 6), "depth": slice(6, 7)}  # of `stitch.pack`
MASK_PLANE = 9


@dataclass(frozen=True)
class Checked:
    """What is checked: its name in messages, the planes that must not be constant, the plane of the mask."""

    name: str
    planes: dict[str, slice]
    mask: int | None = None

    def fault(self, values: np.ndarray, flat_input: bool) -> str | None:
        """What is wrong with a window (T, h, w, C); None if nothing is."""
        rows = values.reshape(-1, values.shape[-2] * values.shape[-1])  # numpy is slow over rows of one pixel
        low, high = (
            extreme(extreme(rows, 0).reshape(-1, values.shape[-1]), 0) for extreme in (np.min, np.max)
        )  # NaN goes through both
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            return "as NaN or infinity"
        if flat_input or (self.mask is not None and high[self.mask] == 0):  # nothing but sky is possible
            return None
        constant = [name for name, planes in self.planes.items() if (low[planes] == high[planes]).all()]
        return f"with one value everywhere in {constant[0]}" if constant else None


GBUFFERS = Checked("the G-buffers", PACKED_PLANES, MASK_PLANE)
PICTURES = Checked("the pictures", {"colour": slice(0, 3)})


def is_flat(*channels: np.ndarray) -> bool:
    """True if no frame of any of the (T, h, w, C) channels varies within itself."""
    for frame in (frame for channel in channels for frame in channel):  # the first one that varies decides
        finite = np.where(np.isfinite(frame), frame, 0)
        if (finite.max(axis=(0, 1)) - finite.min(axis=(0, 1)) > FLAT).any():
            return False
    return True


def predict_soundly(
    predict: Callable[[], np.ndarray],
    checked: Checked,
    window: Window,
    flat_input: Callable[[], bool],
    model: Any,
    warn: Callable[[str], None],
) -> np.ndarray:
    """The window's values; AlayaError if they are unsound in full precision too."""
    values = predict()
    fault = checked.fault(values, flat_input())
    if fault is None:
        return values
    said = f"{checked.name} of frames {window.start} to {window.stop - 1} came out {fault}"
    warn(f"{said}; running them once more in full precision")
    with full_precision(model):
        values = predict()
    if checked.fault(values, flat_input()) is None:
        return values
    raise AlayaError(f"{said}, in full precision too; try another --seed or --device cpu")


@contextmanager
def full_precision(model: Any) -> Iterator[None]:
    """Run in float32: no TF32, no autocast, and whatever the model's own `full_precision()` changes."""
    own = getattr(model, "full_precision", nullcontext)
    torch: Any = sys.modules.get("torch")
    if torch is None:
        with own():
            yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast("cuda", enabled=False), torch.autocast("cpu", enabled=False), own():
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def is_out_of_memory(error: BaseException) -> bool:
    """True for Python's, NumPy's and torch's ways to say that there is no memory."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    words = ("can't allocate memory", "not enough memory", "out of memory")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def free_memory() -> None:
    """Give back what nothing refers to any more, on the GPU too."""
    import gc

    gc.collect()
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def in_single_frames(
    restore: Callable[[int, int], np.ndarray | Any], count: int, join: Callable[[Sequence[Any]], Any]
) -> Any:
    """`restore(0, count)`; if that needs too much memory, frame by frame, joined."""
    try:
        return restore(0, count)
    except Exception as error:
        if count == 1 or not is_out_of_memory(error):
            raise
    free_memory()
    return join([restore(i, i + 1) for i in range(count)])
