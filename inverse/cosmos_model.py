"""The published inverse renderer: all pictures of a window in one call, RGB encoded once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from alaya.attention import attending, check_attention
from alaya.codes import RELATIVE_RANGE
from alaya.device import choose_dtype
from alaya.errors import RequestError
from alaya.flow import frame_noise
from alaya.gbuffer import GBuffer
from alaya.lora_files import Wish, with_loras
from alaya.model_info import ModelInfo
from alaya.offload import Placement, check_offload
from alaya.precise import in_float32
from inverse import cosmos_outline
from inverse.cosmos import NUM_PASSES, CosmosInverseTransformer
from inverse.cosmos_codec import RATIO, TILES, CosmosCodec
from inverse.cosmos_files import NAME, ConvertedFolder, PublishedFiles
from inverse.cosmos_load import load_parts
from inverse.cosmos_outline import MAX_SIDE, NUM_FRAMES, NUM_STEPS, OPTIONS, ROPE_DTYPES
from inverse.cosmos_pictures import EXTRA_PASSES, PASSES, blended_normals, to_extras, to_gbuffer
from inverse.cosmos_sampler import sample
from inverse.cosmos_switches import apply_fp8, make_fast_scheduler
from inverse.restore import restore, restore_extras


class CosmosInverse:
    """See `inverse.models.InverseModel` for the methods' contract.

    Attributes:
        eased_into_tiles: the memory was full, and tiles have changed the pictures since.
    """

    eased_into_tiles: bool = False

    def __init__(
        self,
        net: CosmosInverseTransformer,
        codec: CosmosCodec,
        sha256: str,
        device: str = "cpu",
        *,
        offload: str = "none",
        attention: str = "auto",
        fast_scheduler: bool = False,
    ) -> None:
        self.fast_scheduler = fast_scheduler
        self.net, self.codec, self.device = net, codec, torch.device(device)
        self.attention = check_attention(attention, self.device)
        limits = RELATIVE_RANGE
        frames = min(NUM_FRAMES, codec.statistics.max_frames)
        self.info = ModelInfo(NAME, sha256, frames, NUM_STEPS, OPTIONS, "relative", limits.near, limits.far)
        self.placement = Placement(self.device, [net, codec.vae], lambda: net.blocks, offload)

    @classmethod
    def load(
        cls,
        files: PublishedFiles | ConvertedFolder,
        device: str = "cpu",
        *,
        dtype: str = "auto",
        rope_dtype: str = "fp32",
        offload: str = "none",
        attention: str = "auto",
        compile: bool = False,
        lora: Sequence[Wish] = (),
        fp8: bool = False,
        fast_scheduler: bool = False,
    ) -> CosmosInverse:
        """Load the published files or a converted folder.

        Args:
            files: of `inverse.cosmos_files.find_cosmos`.
            device: as torch names it.
            dtype: of the network: "bf16", "fp16", "fp32", or "auto": bf16 on CUDA, fp32 elsewhere.
            rope_dtype: "bf16" rounds the rotary angles as the reference does in bfloat16; else "fp32".
            offload: of `alaya.offload.Placement`: what of it rests in the CPU's memory.
            attention: of `alaya.attention`.
            compile: let torch compile the blocks.
            lora: adapters to merge into the network, and how much of each.
            fp8: keep the blocks' linear layers in 8 bits; inexact.
            fast_scheduler: steps of second order (`inverse.cosmos_switches`); inexact.
        """
        if rope_dtype not in ROPE_DTYPES:
            raise RequestError(f"rope_dtype must be one of {', '.join(ROPE_DTYPES)}, got {rope_dtype!r}")
        check_offload(offload)
        check_attention(attention, torch.device(device))
        kind, cuda = choose_dtype(dtype, device), device.startswith("cuda")
        # a CPU cannot average bf16 volumes, which the tokenizer's encoder does
        net, codec = load_parts(files, kind, torch.bfloat16 if cuda else torch.float32, lora)
        net.fold_contexts()
        if fp8:
            apply_fp8(net)
        if rope_dtype == "bf16":
            net.round_rotary()
        if compile:
            net.compile_repeated_blocks()
        placed = {"offload": offload, "attention": attention}
        identity = with_loras(files.identity(), lora)
        return cls(net, codec, identity, device, **placed, fast_scheduler=fast_scheduler)

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """As `InverseModel.working_size`."""
        return cosmos_outline.working_size(height, width)

    def ease(self) -> str | None:
        """Take less memory from now on; says how, or None if nothing is left to do."""
        moved = self.placement.ease()
        if moved is not None:
            return moved
        if self.codec.tiles is not None:
            return None
        self.use_tiles()
        return "from now on the autoencoder works in tiles, which changes the pictures a little"

    def full_precision(self) -> AbstractContextManager[None]:
        """Work in float32 inside the block; layers that are brought one at a time stay as they are."""
        return nullcontext() if self.placement.offload == "group" else in_float32(self.net, self.codec.vae)

    def use_tiles(self) -> None:
        """Have the autoencoder work in tiles from now on, which changes the pictures a little."""
        self.codec.tiles, self.eased_into_tiles = TILES, True

    def predict(
        self, rgb: np.ndarray, *, num_steps: int | None = None, seed: int = 0, first_frame: int = 0
    ) -> GBuffer:
        """As `InverseModel.predict`."""
        return to_gbuffer(self.pictures(rgb, num_steps=num_steps, seed=seed, first_frame=first_frame))

    def predict_extra(
        self,
        rgb: np.ndarray,
        extra: Sequence[str],
        *,
        num_steps: int | None = None,
        seed: int = 0,
        first_frame: int = 0,
    ) -> tuple[GBuffer, dict[str, np.ndarray]]:
        """As `predict`, and of the same call the pictures of `alaya.extra_channels` called `extra`.

        Returns:
            The G-buffers, and name -> (T, h, w, 3) float32 in [0, 1], coded as they are stored.
        """
        names = (*PASSES, *(name for name in extra if name in EXTRA_PASSES))
        drawn = self.pictures(rgb, names, num_steps=num_steps, seed=seed, first_frame=first_frame)
        return to_gbuffer(drawn), to_extras(drawn, extra)

    def estimate(
        self, rgb: np.ndarray, *, num_steps: int | None = None, seed: int = 0, first_frame: int = 0
    ) -> tuple[GBuffer, np.ndarray]:
        """As `InverseModel.estimate`; this model cuts no background away."""
        gbuffer = self.predict(rgb, num_steps=num_steps, seed=seed, first_frame=first_frame)
        return gbuffer, gbuffer.depth

    @torch.inference_mode()
    def pictures(
        self,
        rgb: np.ndarray,
        names: Iterable[str] = tuple(PASSES),
        *,
        num_steps: int | None = None,
        seed: int = 0,
        first_frame: int = 0,
        blend_normals: bool = False,
    ) -> dict[str, np.ndarray]:
        """The pictures of some passes as the decoder gives them, all from one encoding of the clip.

        Args:
            rgb: (T, h, w, 3) float32 sRGB in [0, 1], T = 8n+1 and sides multiples of 16.
            names: of `PASSES` and `EXTRA_PASSES`.
            num_steps: sampling steps, 15 when None.
            seed: decides all noise.
            first_frame: number of the window's first frame in the clip.
            blend_normals: bring normals to unit length as the reference does.

        Returns:
            name -> (T, h, w, 3) float32, about [-1, 1].
        """
        rows = [_row(name) for name in names]
        _check_size(*rgb.shape[1:3])
        clip = self._encode(rearrange(torch.from_numpy(rgb), "t h w c -> 1 c t h w") * 2 - 1)
        noise = window_noise(rows, clip, seed, first_frame)
        steps = self.info.num_steps if num_steps is None else num_steps
        with self.placement.using(self.net), attending(self.attention, self.device):
            scheduler = make_fast_scheduler() if self.fast_scheduler else None
            latents = sample(self.net, clip, noise.to(self.device), rows, steps, scheduler)
        drawn = dict(zip(names, self._decode(latents), strict=True))
        if blend_normals and "normal" in drawn:
            drawn["normal"] = blended_normals(drawn["normal"])
        return drawn

    def restore(self, coarse: GBuffer, rgb: np.ndarray) -> GBuffer:
        """As `InverseModel.restore`."""
        return restore(coarse, rgb, self.info.far)

    def restore_extra(self, coarse: Mapping[str, np.ndarray], rgb: np.ndarray) -> dict[str, np.ndarray]:
        """As `restore`, for what `predict_extra` gave besides."""
        return restore_extras(coarse, rgb)

    def _encode(self, video: Tensor) -> Tensor:
        with self.placement.using(self.codec.vae):
            return self.codec.encode(video).to(self.device)

    def _decode(self, latents: Tensor) -> Iterator[np.ndarray]:
        """One pass at a time: the decoder needs more memory than the network."""
        with self.placement.using(self.codec.vae):
            for single in latents.split(1):
                yield rearrange(self.codec.decode(single)[0].cpu(), "c t h w -> t h w c").numpy()


def window_noise(rows: Iterable[int], clip: Tensor, seed: int, first_frame: int) -> Tensor:
    """Noise (passes, 16, t, h, w) that a pass and a latent frame's number in its clip decide, with the seed."""
    _, channels, frames, height, width = clip.shape
    first = first_frame if frames == 1 else first_frame // RATIO
    shape = (channels, height, width)
    drawn = [frame_noise(seed * NUM_PASSES + row, first, frames, shape) for row in rows]
    return rearrange(torch.stack(drawn), "p t c h w -> p c t h w")


def _row(name: str) -> int:
    passes = {**PASSES, **EXTRA_PASSES}
    if name not in passes:
        raise RequestError(f"no picture is called {name!r}; there are {', '.join(passes)}")
    return passes[name]


def _check_size(height: int, width: int) -> None:
    if height % 16 or width % 16 or not 0 < max(height, width) <= MAX_SIDE:
        raise RequestError(
            f"the model works at sides that are multiples of 16 up to {MAX_SIDE}, not {width}x{height}"
        )
