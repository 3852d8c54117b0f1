"""Hold the published editing model, as a user runs it, against what the reference computed with the same files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from alaya.errors import WeightsError, WeightsNotFoundError
from alaya.golden import Comparison, compare, compare_levels
from alaya.torch_files import open_tensors
from editing.text import encode_tokens
from editing.wan import CONDITIONS
from editing.wan_files import find_wan
from editing.wan_load import load_text_encoder
from editing.wan_model import WanEditor
from editing.wan_sampler import CFG_SCALE, SHIFT, schedule
from editing.wan_vae import REFERENCE_TILES, Tiles

NET, CONDITIONING, TEXT, SCHEDULE, LATENTS = 1e-5, 1e-6, 3e-6, 1e-6, 1e-5
"""Largest relative errors."""


def verify_golden(directory: Path) -> list[Comparison]:
    """Load the published-layout files of a folder and compare with its `io.safetensors`.

    Args:
        directory: the three weights files, `io.safetensors` and `meta.json` (sizes, steps, tiles).

    Raises:
        WeightsNotFoundError: a file is missing.
        WeightsError: a file is not what it should be.
    """
    meta = _read_meta(directory / "meta.json")
    golden = dict(open_tensors(directory / "io.safetensors"))
    files = find_wan(str(directory))
    if files is None or files.text is None:
        raise WeightsNotFoundError(
            f"{directory} lacks one of model.safetensors, Wan2.1_VAE.pth, models_t5*.pth; put them there"
        )
    try:
        width = meta["cfg"]["dim"] // meta["cfg"]["num_heads"]
        editor = WanEditor.load(files, "cpu", dtype="fp32", head_width=width)
        encoder = load_text_encoder(files.text, torch.float32, "cpu")
        groups = [*_networks(editor, golden)]
        if "chain.noise" in golden:
            groups += _chain(editor, encoder, golden, meta)
    except (KeyError, TypeError, IndexError) as error:
        raise WeightsError(
            f"{directory}: its vectors lack or misstate something ({type(error).__name__}: {error})"
        ) from error
    return groups


def _read_meta(path: Path) -> dict[str, Any]:
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsNotFoundError(f"no readable {path} ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: not JSON ({error})") from error
    if not isinstance(meta, dict):
        raise WeightsError(f"{path}: not a table")
    return meta


@torch.no_grad()
def _networks(editor: WanEditor, golden: dict[str, Tensor]) -> Iterator[Comparison]:
    """Each single forward, both as diffusers calls it and as the sampler does."""
    net = editor.transformer
    for name in sorted(key[:-2] for key in golden if re.fullmatch(r"net\d+\.x", key)):
        x, y, context, t, out = (golden[f"{name}.{part}"] for part in ("x", "y", "context", "t", "out"))
        whole = net(torch.cat([x, y], dim=1), t, context, return_dict=False)[0]
        yield compare(f"{name} forward", whole, out, NET)
        (fast,) = net.velocities(x, t, net.read_clip(y), [net.read_text(context)])
        yield compare(f"{name} sampling", fast, out, NET)


def _chain(
    editor: WanEditor, encoder: Any, golden: dict[str, Tensor], meta: dict[str, Any]
) -> Iterator[Comparison]:
    """From G-buffers and token ids to frames, each stage on the outcome of ours before it."""
    part = {key.removeprefix("chain."): value for key, value in golden.items() if key.startswith("chain.")}
    channels = meta.get("channels", list(CONDITIONS))
    videos = [
        rearrange(part["gbuffers"][channels.index(name)].float() * (2 / 255) - 1, "t h w c -> 1 c t h w")
        for name in CONDITIONS
    ]
    tiles = REFERENCE_TILES
    if "tile_size" in meta:
        tiles = Tiles(tuple(meta["tile_size"]), tuple(meta["tile_stride"]))
    yield compare("y untiled", editor.encode_videos(videos), part["y_untiled"], CONDITIONING)
    editor.tiles, editor.truncate = tiles, True
    conditions = editor.encode_videos(videos)
    yield compare("y tiled", conditions, part["y"], CONDITIONING)
    rows = {}
    for kind in ("positive", "negative"):
        rows[kind] = encode_tokens(encoder, part[f"{kind}_ids"].reshape(-1))
        yield compare(f"text {kind}", rows[kind], part[f"{kind}_context"], TEXT)
    steps, shift = int(meta["steps"]), float(meta.get("shift", SHIFT))
    sigmas, timesteps = schedule(steps, shift)
    yield compare("sigmas", sigmas[:-1], part["sigmas"].reshape(-1), SCHEDULE)
    yield compare("timesteps", timesteps, part["timesteps_bf16"].reshape(-1), SCHEDULE)
    latents = editor.draw(
        conditions,
        rows["positive"],
        rows["negative"],
        part["noise"],
        num_steps=steps,
        cfg_scale=float(meta.get("cfg_scale", CFG_SCALE)),
        shift=shift,
    )
    yield compare("latents", latents, part["latents"], LATENTS)
    for name, kind in (("frames_tiled", tiles), ("frames_untiled", None)):
        editor.tiles = kind
        frames = torch.from_numpy(editor.show(latents)).mul(255).round().to(torch.uint8)
        yield compare_levels(name.replace("_", " "), frames, part[name])
