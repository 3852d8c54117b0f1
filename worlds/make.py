"""Makes a worlds dataset: seeded clips rendered by one or more processes, resumable clip by clip."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from alaya.errors import AlayaError, RequestError
from worlds.codes import (
    encode_albedo,
    encode_depth,
    encode_emission,
    encode_motion,
    encode_normal,
    encode_unit,
)
from worlds.dataset import DatasetInfo, DatasetWriter, read_info
from worlds.variety import USUAL, Variety, variety_of
from worlds.viewpoint import Viewpoint

SPLITS = ("train", "heldout")
SEEDS_PER_SPLIT = 2**30
"""Scene seeds of "train" lie below this, those of "heldout" at or above it: they can never meet."""
ATTEMPTS = 4
"""Scenes drawn for a clip until its camera sees something; the last one is taken as it is."""

COUNTS = ("clips", "num_frames", "height", "width", "stride", "lightings", "supersample", "shard_clips")

Progress = Callable[[int, int], None]
"""Called with (clips done, clips in all)."""


@dataclass(frozen=True)
class Stage:
    """What draws the clips: the scenes, the renderer and the looks."""

    families: tuple[str, ...]
    heldout_families: tuple[str, ...]
    looks: dict[str, Any]
    build_scene: Callable[[int, str, int, Variety], Any]
    """(seed, family, num_frames, variety) -> Scene"""
    renderer: Callable[[int, int, int], Any]
    """(width, height, supersample) -> Renderer"""
    random_lighting: Callable[[np.random.Generator, bool, Variety], tuple[Any, dict[str, Any]]]
    """(rng, indoor, variety) -> (Look, the options of Renderer.light)"""


def worlds_stage() -> Stage:
    """Give the scenes, renderer and looks of this package; loads moderngl."""
    from worlds.looks import LOOKS
    from worlds.random_light import random_lighting
    from worlds.renderer import Renderer
    from worlds.scene import FAMILIES, HELD_OUT_FAMILIES, build_scene

    families, heldout = tuple(FAMILIES), tuple(HELD_OUT_FAMILIES)
    return Stage(families, heldout, dict(LOOKS), build_scene, Renderer, random_lighting)


def print_progress(done: int, total: int) -> None:
    """Say on stderr how many clips are done; on a terminal the line is rewritten."""
    terminal = sys.stderr.isatty()
    if terminal or done in (0, total) or done % max(1, total // 20) == 0:
        end = "\n" if done == total or not terminal else ""
        sys.stderr.write(("\r" if terminal else "") + f"clips {done}/{total}" + end)
        sys.stderr.flush()


def make_dataset(
    out: Path | str,
    clips: int,
    num_frames: int = 9,
    size: tuple[int, int] = (256, 144),
    seed: int = 0,
    workers: int = 2,
    *,
    split: str = "train",
    stride: int = 1,
    lightings: int = 2,
    targets: int = 2,
    supersample: int = 2,
    shard_clips: int = 64,
    variety: str = USUAL.name,
    families: Sequence[str] | None = None,
    progress: Progress | None = print_progress,
    stage: Callable[[], Stage] = worlds_stage,
) -> Path:
    """Make a dataset folder of paired clips, or go on with one that was interrupted.

    Args:
        out: the folder; an unfinished dataset of the same settings is continued, anything else refused.
        clips: how many clips.
        num_frames: frames of each clip, any number >= 1.
        size: (width, height) in pixels.
        seed: with equal settings the bytes are equal, whatever `workers` and interruptions were.
        workers: processes; 1 or less draws in this process.
        split: "train" or "heldout": other scene seeds, and the held-out families are in "heldout" only.
        stride: source frames (of 24 a second) from one frame of a clip to the next.
        lightings: random lightings of each clip, the inputs of the inverse model.
        targets: looks of each clip without particles, the targets of the editing model.
        supersample: samples per pixel along each axis.
        shard_clips: clips in one shard.
        variety: "usual", or "wide" for rarer scenes, cameras, light and relief (worlds/variety.py).
        families: only these families.
        progress: called with (clips done, clips in all).
        stage: what draws; importable, so that worker processes find it.

    Returns:
        The folder.
    """
    host = stage()
    info = DatasetInfo(
        split=split,
        seed=seed,
        clips=clips,
        num_frames=num_frames,
        height=size[1],
        width=size[0],
        stride=stride,
        lightings=lightings,
        targets=targets,
        supersample=supersample,
        shard_clips=shard_clips,
        variety=variety,
        fps=24 / max(stride, 1),
        looks=tuple(host.looks),
        families=tuple(families) if families else offered_families(host, split),
        versions=_versions(),
    )
    check_request(host, info)
    writer = DatasetWriter(out, info)
    writer.prepare()
    if read_info(out).complete:
        return Path(out)
    missing = writer.missing()
    done = clips - len(missing)
    for _ in _drawn(writer, missing, workers, stage):
        done += 1
        if progress:
            progress(done, clips)
    writer.finish()
    return Path(out)


def offered_families(host: Stage, split: str) -> tuple[str, ...]:
    """Families that a split draws from, in turn."""
    if split not in SPLITS:
        raise RequestError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    return host.families + (host.heldout_families if split == "heldout" else ())


def check_request(host: Stage, info: DatasetInfo) -> None:
    """Refuse a dataset that cannot be made."""
    for name in COUNTS:
        if getattr(info, name) < 1:
            raise RequestError(f"{name} must be at least 1, got {getattr(info, name)}")
    if not 0 <= info.targets <= len(host.looks):
        raise RequestError(
            f"targets must be 0 to {len(host.looks)} (the looks there are), got {info.targets}"
        )
    variety_of(info.variety)
    offered = offered_families(host, info.split)
    if unknown := sorted(set(info.families) - set(offered)):
        named = ", ".join(unknown)
        raise RequestError(f"no family {named} in split {info.split!r}; there are {', '.join(offered)}")


def scene_seed(split: str, seed: int, index: int, attempt: int = 0) -> int:
    """Seed of a clip's scene: below 2**30 for "train", from 2**30 to 2**31 for "heldout"."""
    within = (seed * 1_000_003 + index * ATTEMPTS + attempt) % SEEDS_PER_SPLIT
    return SPLITS.index(split) * SEEDS_PER_SPLIT + within


def draw_clip(host: Stage, renderer: Any, info: DatasetInfo, index: int) -> dict[str, np.ndarray | int]:
    """Render one clip; everything in it follows from the settings and `index`. All of FIELDS, coded."""
    family = (index + info.seed) % len(info.families)
    rng = np.random.default_rng(scene_seed(info.split, info.seed, index))
    targets = np.sort(rng.choice(len(info.looks), info.targets, replace=False))
    scene, seed = _seen_scene(host, renderer, info, index, info.families[family])
    variety = variety_of(info.variety)
    renderer.gbuffer(0)  # lightings are tried on the first frame
    lit = [_useful_lighting(host, renderer, rng, scene.indoor, variety) for _ in range(info.lightings)]
    shots = [(look, options) for look, options, _ in lit]
    shots += [(host.looks[info.looks[look]], dict(particles=False)) for look in targets]
    known = [picture for _, _, picture in lit]
    frames = [_draw_frame(renderer, frame, shots, () if frame else known) for frame in range(info.num_frames)]
    clip: dict[str, np.ndarray | int] = {
        key: np.stack([coded[key] for coded, _ in frames]) for key in frames[0][0]
    }
    pictures = np.stack([drawn for _, drawn in frames], axis=1)  # (lightings + targets, T, H, W, 3)
    clip |= {"inverse_rgb": pictures[: info.lightings], "look_rgb": pictures[info.lightings :]}
    clip |= {"look": targets.astype(np.uint8), "family": family, "seed": seed}
    clip["intrinsics"] = intrinsics(scene.fov, info.width, info.height)
    clip["cam_to_world"] = np.stack([camera_to_world(scene, frame) for frame in range(info.num_frames)])
    return clip


def intrinsics(fov: float, width: int, height: int) -> np.ndarray:
    """K (3, 3) of a horizontal field of view in degrees; y points down, pixel centres lie at i + 0.5."""
    focal = width / 2 / np.tan(np.radians(fov) / 2)
    return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]], np.float32)


def camera_to_world(scene: Any, frame: int) -> np.ndarray:
    """Pose (4, 4) of a frame's camera, whose axes are +x right, +y up, -z the way it looks."""
    view = Viewpoint.of(scene, frame, aspect=1.0)
    pose = np.eye(4, dtype=np.float32)
    pose[:3, :3], pose[:3, 3] = view.world_to_camera.T, view.eye
    return pose


def strided(scene: Any, stride: int) -> Any:
    """Keep every stride-th frame of a scene, so that motion vectors span the frames that are kept."""
    tracks = {name: getattr(scene, name)[::stride] for name in ("objects", "eyes", "targets", "rolls")}
    return replace(scene, fps=scene.fps / stride, **tracks)


def _seen_scene(host: Stage, renderer: Any, info: DatasetInfo, index: int, family: str) -> tuple[Any, int]:
    """Build and load the first scene whose camera sees enough at both ends of the clip, with its seed."""
    scene, seed, variety = None, 0, variety_of(info.variety)
    num_frames = (info.num_frames - 1) * info.stride + 1
    for attempt in range(ATTEMPTS):
        seed = scene_seed(info.split, info.seed, index, attempt)
        scene = strided(host.build_scene(seed, family, num_frames, variety), info.stride)
        renderer.load(scene)
        ends = (renderer.distances(frame) for frame in {0, info.num_frames - 1})
        if all(_sees_enough(seen, renderer.num_samples, variety.sliver) for seen in ends):
            break
    return scene, seed


def _sees_enough(seen: np.ndarray, samples: int, sliver: float) -> bool:
    """Is there ground for learning: a quarter of surface, no sliver of sky, no wall in the face, some depth.

    seen: (n,) metres of the samples that show a surface, out of `samples`.
    """
    if seen.size < samples / 4 or 0 < samples - seen.size < sliver * samples:
        return False
    near, middle, far = np.quantile(seen, [0.05, 0.5, 0.95])
    return bool(middle > 0.6 and far > 1.3 * near)


def _useful_lighting(
    host: Stage, renderer: Any, rng: np.random.Generator, indoor: bool, variety: Variety
) -> tuple[Any, dict, np.ndarray]:
    """Draw a random lighting that shows the scene: neither near black nor burnt out in the frame drawn last.

    Returns:
        Its look, the options of `Renderer.light`, and that frame's picture.
    """
    dimmest, brightest = variety.level
    for attempt in range(ATTEMPTS):
        look, options = host.random_lighting(rng, indoor, variety)
        options = dict(particles=True) | options
        picture = renderer.light(look, **options)
        if attempt == ATTEMPTS - 1 or dimmest <= picture.mean() / 255 <= brightest:
            break
    return look, options, picture


def _draw_frame(
    renderer: Any, frame: int, shots: Sequence[tuple[Any, dict]], known: Sequence[np.ndarray]
) -> tuple[dict, np.ndarray]:
    """Coded G-buffer of one frame and its pictures (shots, H, W, 3), the first of which may be known already."""
    drawn = renderer.gbuffer(frame)
    coded = {
        "albedo": encode_albedo(drawn["albedo"]),
        "normal": encode_normal(drawn["normal"]),
        "depth": encode_depth(drawn["depth"]),
        "roughness": encode_unit(drawn["roughness"]),
        "metallic": encode_unit(drawn["metallic"]),
        "emission": encode_emission(drawn["emission"]),
        "motion": encode_motion(drawn["motion"]),
    }
    sky = coded["depth"] == 0
    for name in ("albedo", "normal", "roughness", "metallic"):
        coded[name][sky] = 0
    drawn = [renderer.light(look, **options) for look, options in shots[len(known) :]]
    return coded, np.stack([*known, *drawn])


def _drawn(
    writer: DatasetWriter, missing: list[int], workers: int, stage: Callable[[], Stage]
) -> Iterator[int]:
    """Draw and write the missing clips; gives each index as soon as it is on disk.

    Only this process waits for the disk; the workers draw on.
    """
    job = partial(_draw_and_put, writer.folder, writer.info, stage)
    if workers <= 1 or len(missing) < 2:
        os.environ.setdefault("LP_NUM_THREADS", "1")
        try:
            for index in missing:
                writer.seal(job(index))
                yield index
        finally:
            _HANDS.clear()
        return
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(missing)), mp_context=spawn, initializer=_start_worker)
    try:
        for future in as_completed([pool.submit(job, index) for index in missing]):
            writer.seal(index := future.result())
            yield index
    except BrokenProcessPool as error:
        raise AlayaError(
            f"{writer.folder}: a worker process died; run the same command again to go on"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_HANDS: dict[Path, tuple[Stage, Any, DatasetWriter]] = {}
"""The stage, renderer and writer of this process; a renderer is dear to start."""


def _start_worker() -> None:
    os.environ["LP_NUM_THREADS"] = "1"  # one core a worker; read when the GL context is created


def _draw_and_put(folder: Path, info: DatasetInfo, stage: Callable[[], Stage], index: int) -> int:
    try:
        host, renderer, writer = _hands(folder, info, stage)
        writer.put(index, draw_clip(host, renderer, info, index))
    except Exception as error:  # whatever a driver or a scene raises: say where, the cause is chained
        seed = scene_seed(info.split, info.seed, index)
        raise AlayaError(f"{folder}: clip {index} (scene seed {seed}) failed: {error}") from error
    return index


def _hands(folder: Path, info: DatasetInfo, stage: Callable[[], Stage]) -> tuple[Stage, Any, DatasetWriter]:
    if folder not in _HANDS:
        host = stage()
        renderer = host.renderer(info.width, info.height, info.supersample)
        _HANDS[folder] = (host, renderer, DatasetWriter(folder, info))
    return _HANDS[folder]


def _versions() -> dict[str, str]:
    found = {"numpy": np.__version__}
    for name in ("alaya-renderer", "moderngl"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "none"
    return found
