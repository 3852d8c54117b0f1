"""A G-buffer clip as five 8-bit videos, `{channel}.mp4`: easy to look at and to share, labelled lossy."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from alaya.clip_info import ClipInfo
from alaya.codes import VIDEO_DEPTH, encode_channel
from alaya.gbuffer import CHANNEL_WIDTH
from alaya.video import VideoWriter

CRF = 8  # data, not a picture to please the eye: much finer than a result video


class Mp4Files:
    """The open video files, one a channel, of a clip that is being written."""

    def __init__(self, folder: Path, info: ClipInfo) -> None:
        self._limits = info.depth.limits
        self._stack = ExitStack()
        self._writers = {
            name: self._stack.enter_context(
                VideoWriter(
                    folder / f"{name}.mp4",
                    info.height,
                    info.width,
                    info.fps,
                    timestamps=info.timestamps,
                    crf=CRF,
                    overwrite=True,
                )
            )
            for name in info.channels
        }

    def write(self, frame: Mapping[str, np.ndarray]) -> None:
        """Append one frame, channel name to (H, W, C) float32."""
        for name, writer in self._writers.items():
            writer.write(self.picture(name, frame[name]))

    def picture(self, name: str, values: np.ndarray) -> np.ndarray:
        """Code one channel of one frame as an 8-bit RGB picture, (H, W, 3) uint8."""
        codes = encode_channel(name, values, self._limits, VIDEO_DEPTH)
        return np.repeat(codes.astype(np.uint8), 3 // CHANNEL_WIDTH[name], axis=-1)

    def close(self, error: BaseException | None = None) -> None:
        """Finish the files, or with an error drop them."""
        if error is None:
            self._stack.close()
        else:
            self._stack.__exit__(type(error), error, error.__traceback__)
