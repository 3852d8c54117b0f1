"""Training samples from worlds datasets: memory-mapped clips, cropped, mirrored and degraded, as tensors."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from alaya.errors import AlayaError, RequestError
from training.degrade import degrade
from training.hard_light import harden
from training.paint import repaint
from training.recipe import Phase
from training.skies import swap_sky
from worlds.codes import decode_albedo, decode_depth, decode_normal, decode_unit
from worlds.dataset import DatasetReader

Task = Literal["inverse", "editing"]
Batch = dict[str, Tensor]
Asked = tuple[int, Phase]
"""A batch's number, which decides its samples, and the phase that decides their size."""
Loaded = tuple[int, Phase, Batch]
Draw = Callable[[int, Phase], Batch]
PREPARED = 2
"""Batches that each worker process has ready ahead."""


@dataclass(frozen=True)
class Augment:
    """How samples are varied; `Augment.none()` is for looking at the clips as they are."""

    flip: float = 0.5
    zoom: float = 0.7
    smallest_crop: float = 0.6
    degrade: float = 1.0
    look_inputs: float = 0.12
    new_sky: float = 0.35
    new_paint: float = 0.12
    hard_light: float = 0.3

    @classmethod
    def of(cls, task: Task) -> "Augment":
        """Give what training uses.

        Editing is not flipped: its sun stands at a fixed side of the first camera, and a mirrored one would
        make shadows a coin toss. Its targets are never degraded.
        """
        return (
            cls()
            if task == "inverse"
            else cls(
                flip=0.0, zoom=0.5, degrade=0.0, look_inputs=0.0, new_sky=0.0, new_paint=0.0, hard_light=0.0
            )
        )

    @classmethod
    def none(cls) -> "Augment":
        """Give the clips as they were rendered, resized only."""
        return cls(
            flip=0.0, zoom=0.0, degrade=0.0, look_inputs=0.0, new_sky=0.0, new_paint=0.0, hard_light=0.0
        )


@dataclass(frozen=True)
class View:
    """What a sample shows of a clip: frames [start, stop), a box of pixels, mirrored or not."""

    start: int
    stop: int
    top: int
    left: int
    height: int
    width: int
    flip: bool

    def cut(self, array: np.ndarray) -> np.ndarray:
        """Cut (T, H, W, ...) to the view; mirrored in x where asked (vectors are not touched)."""
        rows, columns = slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)
        part = array[self.start : self.stop, rows, columns]
        return part[:, :, ::-1] if self.flip else part


class WorldsDataset:
    """Seeded random samples: each step always gives the same ones, so a resumed run sees the same data."""

    def __init__(
        self,
        folders: Sequence[Path | str],
        task: Task,
        size: tuple[int, int] = (144, 256),
        seed: int = 0,
        augment: Augment | None = None,
    ) -> None:
        """Open the datasets; of an unfinished one the clips that are done now take part.

        Args:
            folders: dataset folders with the same looks; every clip is equally likely.
            task: "inverse" gives lit inputs, "editing" gives pictures in a look.
            size: (height, width) of the samples.
            seed: another seed gives other samples.
            augment: `Augment.of(task)` when left out.
        """
        self.readers = [DatasetReader(folder) for folder in folders]
        self.task, self.size, self.seed = task, size, seed
        self.augment = augment or Augment.of(task)
        self.clips = [(reader, index) for reader in self.readers for index in reader.clips]
        self._by_length: dict[int, list[tuple[DatasetReader, int]]] = {}
        if not self.clips:
            raise RequestError(f"no finished clip in {', '.join(map(str, folders))}; run `alaya worlds make`")
        self.looks = self.readers[0].info.looks
        if any(reader.info.looks != self.looks for reader in self.readers):
            raise RequestError("the datasets have different lists of looks; make them with one version")

    def __len__(self) -> int:
        """Clips that samples are drawn from."""
        return len(self.clips)

    def sample(self, step: int, slot: int, num_frames: int) -> Batch:
        """Draw the sample in one slot of a step's batch: a random clip, frames, box, lighting.

        Returns:
            rgb (T, 3, H, W) float32 sRGB in [0, 1]: the input of "inverse", the target of "editing";
            albedo (T, 3, H, W) linear, normal (T, 3, H, W) unit, depth (T, 1, H, W) metres (+inf sky),
            roughness, metallic (T, 1, H, W), sky (T, 1, H, W) bool, motion (T, 2, H, W) pixels of the sample
            to the frame before (of the first frame: to a frame outside), look () int64 (-1: free lighting).
        """
        rng = np.random.default_rng([self.seed, step, slot])
        if num_frames not in self._by_length:
            self._by_length[num_frames] = self._long_enough(num_frames)
        clips = self._by_length[num_frames]
        reader, clip = clips[rng.integers(len(clips))]
        view = draw_view(rng, reader.info.num_frames, num_frames, _sized(reader), self.size, self.augment)
        field = partial(reader.shards.clip, clip)
        stored, look = self._picture(rng, field)
        rgb, albedo = np.ascontiguousarray(view.cut(stored)), decode_albedo(view.cut(field("albedo")))
        if self.augment.new_paint > 0 and rng.random() < self.augment.new_paint:
            rgb, albedo = repaint(rgb, albedo, decode_unit(view.cut(field("metallic"))), rng)
        if self.augment.hard_light > 0 and rng.random() < self.augment.hard_light:
            rgb = harden(rgb, albedo, view.cut(field("depth")) > 0, rng)
        if self.augment.new_sky > 0 and rng.random() < self.augment.new_sky:
            rgb = swap_sky(rgb, view.cut(field("depth")) == 0, rng)
        if self.augment.degrade > 0:
            rgb = degrade(rgb, rng, self.augment.degrade)
        tensors = cut_gbuffer(field, view, self.size, albedo)
        tensors["rgb"] = resized(_channels_first(decode_unit(rgb)), self.size).clamp_(0, 1)
        return tensors | {"look": torch.tensor(look)}

    def batch(self, step: int, batch_size: int, num_frames: int) -> Batch:
        """Stack the samples of a training step: as `sample`, with a first axis B."""
        samples = [self.sample(step, slot, num_frames) for slot in range(batch_size)]
        return {key: torch.stack([sample[key] for sample in samples]) for key in samples[0]}

    def _long_enough(self, num_frames: int) -> list[tuple[DatasetReader, int]]:
        """The clips that have so many frames: sets of single frames and of clips train together."""
        found = [(reader, clip) for reader, clip in self.clips if reader.info.num_frames >= num_frames]
        if not found:
            longest = max(reader.info.num_frames for reader in self.readers)
            raise RequestError(
                f"{num_frames} frames were asked for, the clips have {longest}; ask for fewer or make longer clips"
            )
        return found

    def _picture(
        self, rng: np.random.Generator, field: Callable[[str], np.ndarray]
    ) -> tuple[np.ndarray, int]:
        """Choose the stored clip (T, H, W, 3) uint8 to show, and its look (-1: free lighting)."""
        looks = field("look")
        if self.task == "editing" or (len(looks) and rng.random() < self.augment.look_inputs):
            slot = int(rng.integers(len(looks)))
            return field("look_rgb")[slot], int(looks[slot])
        lightings = field("inverse_rgb")
        return lightings[rng.integers(len(lightings))], -1


def draw_view(
    rng: np.random.Generator,
    clip_frames: int,
    num_frames: int,
    source: tuple[int, int],
    size: tuple[int, int],
    augment: Augment,
) -> View:
    """Draw frames and a box with the samples' proportions, so that normals stay true. Sizes are (H, W)."""
    start = int(rng.integers(clip_frames - num_frames + 1))
    widest = min(1.0, source[0] * size[1] / (source[1] * size[0]))  # of the source's width
    share = rng.uniform(augment.smallest_crop, 1) if rng.random() < augment.zoom else 1.0
    width = max(1, round(source[1] * widest * share))
    height = min(source[0], max(1, round(width * size[0] / size[1])))
    top, left = int(rng.integers(source[0] - height + 1)), int(rng.integers(source[1] - width + 1))
    return View(start, start + num_frames, top, left, height, width, bool(rng.random() < augment.flip))


def cut_gbuffer(
    field: Callable[[str], np.ndarray], view: View, size: tuple[int, int], albedo: np.ndarray | None = None
) -> Batch:
    """Decode a view of a clip's G-buffer at (H, W) `size`; keys and units as `WorldsDataset.sample`.

    ``albedo``: (T, h, w, 3) linear, in place of what the clip has there.
    """
    depth_codes = view.cut(field("depth"))
    depth = resized(_channels_first(decode_depth(depth_codes)[..., None]), size, nearest=True)
    sky = torch.isinf(depth)
    surface = _channels_first((depth_codes > 0).astype(np.float32)[..., None])
    flat = [decode_albedo(view.cut(field("albedo"))) if albedo is None else albedo]
    flat += [decode_unit(view.cut(field(name)))[..., None] for name in ("roughness", "metallic")]
    # Sky holds zeros: dividing by the part that is surface keeps them from bleeding in at silhouettes.
    mixed = resized(torch.cat([*map(_channels_first, flat), surface], 1), size)
    mixed = mixed[:, :5] / mixed[:, 5:].clamp(min=1e-3)
    mixed = mixed.clamp_(0, 1).masked_fill_(sky, 0)
    normal = resized(_channels_first(decode_normal(view.cut(field("normal")))), size)
    normal = F.normalize(normal, dim=1).masked_fill_(sky, 0)
    scale = torch.tensor([size[1] / view.width, size[0] / view.height], dtype=torch.float32)
    motion = (
        resized(_channels_first(view.cut(field("motion")).astype(np.float32)), size) * scale[:, None, None]
    )
    if view.flip:  # a mirrored world: what pointed right points left
        normal[:, 0].neg_()
        motion[:, 0].neg_()
    base, roughness, metallic = mixed.split([3, 1, 1], dim=1)
    channels = {"albedo": base, "normal": normal, "depth": depth}
    return channels | {"roughness": roughness, "metallic": metallic, "sky": sky, "motion": motion}


def resized(frames: Tensor, size: tuple[int, int], nearest: bool = False) -> Tensor:
    """Bring (T, C, h, w) to (T, C, H, W): area-weighted when smaller, bilinear when larger."""
    if frames.shape[-2:] == size:
        return frames
    if nearest:
        return F.interpolate(frames, size, mode="nearest-exact")
    smaller = frames.shape[-2] > size[0]
    return F.interpolate(frames, size, mode="bilinear", antialias=smaller, align_corners=False)


class Steps(Dataset):
    """The batches of a training run; DataLoader may draw them in worker processes."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw

    def __getitem__(self, asked: Asked) -> Batch | AlayaError:
        """Give the batch asked for; what a person can mend goes back as a value, DataLoader would wrap it."""
        try:
            return self.draw(*asked)
        except AlayaError as error:
            return error


def load_steps(draw: Draw, asked: Iterable[Asked], num_workers: int = 0) -> Generator[Loaded, None, None]:
    """Give the batches asked for in order, the same ones whatever the number of worker processes.

    With workers, `asked` is read ahead by a few batches a worker; without, batch by batch.

    Args:
        draw: draws a batch; picklable where there are workers.
        asked: what to draw, (number, phase) each.
        num_workers: processes; 0 draws in this one.

    Yields:
        (number, phase, batch); closing the iterator ends the workers.
    """
    if not num_workers:
        for number, phase in asked:
            yield number, phase, draw(number, phase)
        return
    under_way: deque[Asked] = deque()

    def noted() -> Iterator[Asked]:
        for one in asked:
            under_way.append(one)
            yield one

    loader = DataLoader(
        Steps(draw),
        batch_size=None,
        sampler=noted(),
        num_workers=num_workers,
        multiprocessing_context="spawn",
        prefetch_factor=PREPARED,
        pin_memory=torch.cuda.is_available(),
        generator=torch.Generator(),  # the run's own numbers stay as they are without workers
    )
    for batch in loader:
        if isinstance(batch, AlayaError):
            raise batch
        yield (*under_way.popleft(), batch)


def _sized(reader: DatasetReader) -> tuple[int, int]:
    return reader.info.height, reader.info.width


def _channels_first(frames: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(rearrange(frames, "t h w c -> t c h w")))
