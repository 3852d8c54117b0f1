"""The plan of a stage, said before the work: frames, windows, memory, disk and time.

Costs were measured with the embedded models, processor seconds of one core (2.4 GHz, AVX2) divided by 1.8 for
two; they set the first estimate only, the remaining time shown during the work comes from the pace so far.
"""

from dataclasses import asdict, dataclass
from typing import Any

from alaya.frames import Window
from pipelines.progress import clock

PREDICT_SECONDS = {"inverse": 1.3, "edit": 1.5}  # a million working pixels through the network
FINISH_SECONDS = {"inverse": 0.4, "edit": 0.35}  # a million output pixels restored and encoded
BASE_BYTES = 300e6  # Python, torch and the embedded weights
BYTES_PER_WORKING_PIXEL = 250  # a window's frames, its prediction and the sums waiting for the next window
BYTES_PER_OUTPUT_PIXEL = 400  # a frame while it is restored and encoded, and those that wait for it
DISK_BYTES_PER_PIXEL = {
    "png": 18.0,
    "exr": 20.0,
    "mp4": 1.0,
    "video": 1.0,
}  # of a video its lossless parts too
CHUNK_PIXELS, CHUNK_FRAMES = 500_000, 8


@dataclass(frozen=True)
class Plan:
    """What one stage is going to do. Sizes are pixels, memory and disk bytes, times estimated seconds."""

    stage: str
    name: str
    frames: int
    height: int
    width: int
    working_height: int
    working_width: int
    windows: int
    window_frames: int
    overlap: int
    num_steps: int
    memory: int
    disk: int
    predict_seconds: float
    finish_seconds: float
    where: str = "on 2 cores"

    @property
    def seconds(self) -> float:
        """Estimated seconds of the whole stage."""
        return self.predict_seconds + self.finish_seconds

    def predict_work(self, window: Window, windows: tuple[Window, ...]) -> float:
        """The share of `predict_seconds` that one window costs."""
        return self.predict_seconds * window.num_frames / sum(each.num_frames for each in windows)

    def finish_work(self, frames: int) -> float:
        """The share of `finish_seconds` that `frames` frames cost."""
        return self.finish_seconds * frames / self.frames

    def lines(self) -> list[str]:
        """The plan as a person reads it."""
        windows = f"{self.windows} window{'s' * (self.windows > 1)} of {self.window_frames}"
        if self.windows > 1:
            windows += f" (overlap {self.overlap})"
        return [
            f"{self.stage}: {self.name}, {self.frames} frames of {self.width}x{self.height}",
            f"  worked at {self.working_width}x{self.working_height} in {windows},"
            f" {self.num_steps} step{'s' * (self.num_steps > 1)}",
            f"  about {self.memory / 1e9:.1f} GB of memory, {size_text(self.disk)} on disk,"
            f" {clock(self.seconds)} {self.where}",
        ]

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return asdict(self) | {"seconds": round(self.seconds, 1)}


def size_text(count: float) -> str:
    """Bytes as MB or GB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(count, 0.1e6) / 1e6:.1f} MB"


def make_plan(
    stage: str,
    name: str,
    windows: tuple[Window, ...],
    size: tuple[int, int],
    working: tuple[int, int],
    num_steps: int,
    kind: str,
) -> Plan:
    """Plan a stage ("inverse" or "edit"); sizes are (height, width), `kind` is the format written."""
    frames, pixels, working_pixels = windows[-1].stop, size[0] * size[1], working[0] * working[1]
    longest = max(window.num_frames for window in windows)
    predicted = sum(window.num_frames for window in windows) * working_pixels * num_steps
    memory = BASE_BYTES + longest * working_pixels * BYTES_PER_WORKING_PIXEL
    memory += max(pixels, min(CHUNK_PIXELS, frames * pixels)) * BYTES_PER_OUTPUT_PIXEL
    return Plan(
        stage=stage,
        name=name,
        frames=frames,
        height=size[0],
        width=size[1],
        working_height=working[0],
        working_width=working[1],
        windows=len(windows),
        window_frames=longest,
        overlap=windows[0].stop - windows[1].start if len(windows) > 1 else 0,
        num_steps=num_steps,
        memory=round(memory),
        disk=round(frames * pixels * DISK_BYTES_PER_PIXEL[kind]),
        predict_seconds=predicted / 1e6 * PREDICT_SECONDS[stage],
        finish_seconds=frames * pixels / 1e6 * FINISH_SECONDS[stage],
    )


def chunk_frames(height: int, width: int) -> int:
    """Frames that are restored and written at a time: about half a million pixels, one to eight frames.

    Every file is flushed to the disk, so that many small frames take as long as few large ones.
    """
    return min(CHUNK_FRAMES, max(1, CHUNK_PIXELS // (height * width)))
