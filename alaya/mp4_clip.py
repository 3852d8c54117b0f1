"""A G-buffer clip as five 8-bit videos, `{channel}.mp4`: easy to look at and to share, labelled lossy."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from alaya.clip_info import ClipInfo
from alaya.codes import VIDEO_DEPTH, encode_channel
from alaya.gbuffer import CHANNEL_WIDTH
from alaya.video import VideoWriter
from alaya.video_parts import PartWriter, join_parts

CRF = 8  # data, not a picture to please the eye: much finer than a result video


class Mp4Files:
    """The video files, one a channel, of a clip that is being written.

    With a `room` they grow there in parts, from frame `start` on, and appear in the folder when they are joined.
    """

    def __init__(self, folder: Path, info: ClipInfo, room: Path | None = None, start: int = 0) -> None:
        self._limits = info.depth.limits
        self._info, self._folder = info, folder
        self._stack = ExitStack()
        self._writers: dict[str, VideoWriter | PartWriter] = {}
        for name in info.channels:
            path, size = folder / f"{name}.mp4", (info.height, info.width)
            if room is None:
                writer = VideoWriter(
                    path, *size, info.fps, timestamps=info.timestamps, crf=CRF, overwrite=True
                )
            else:
                writer = PartWriter(room, name, *size, info.fps, start=start)
            self._writers[name] = self._stack.enter_context(writer)

    def write(self, frame: Mapping[str, np.ndarray]) -> None:
        """Append one frame, channel name to (H, W, C) float32."""
        for name, writer in self._writers.items():
            writer.write(self.picture(name, frame[name]))

    def picture(self, name: str, values: np.ndarray) -> np.ndarray:
        """Code one channel of one frame as an 8-bit RGB picture, (H, W, 3) uint8."""
        codes = encode_channel(name, values, self._limits, VIDEO_DEPTH)
        return np.repeat(codes.astype(np.uint8), 3 // CHANNEL_WIDTH[name], axis=-1)

    def seal(self) -> list[Path]:
        """Close the parts under way and return them."""
        writers = (writer for writer in self._writers.values() if isinstance(writer, PartWriter))
        return [part for writer in writers for part in writer.seal()]

    def close(self, error: BaseException | None = None) -> None:
        """Finish the files, or with an error drop them."""
        if error is not None:
            self._stack.__exit__(type(error), error, error.__traceback__)
            return
        self._stack.close()
        info = self._info
        for name, writer in self._writers.items():
            if isinstance(writer, PartWriter):
                target = self._folder / f"{name}.mp4"
                times = info.timestamps
                join_parts(target, writer.parts, info.frames, info.fps, timestamps=times, crf=CRF)
