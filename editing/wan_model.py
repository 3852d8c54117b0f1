"""The published game-editing model behind the door of all editing models: five G-buffers and words to RGB."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from alaya.attention import attending, check_attention
from alaya.device import choose_dtype
from alaya.errors import RequestError
from alaya.gbuffer import GBuffer
from alaya.lora_files import Wish, with_loras
from alaya.model_info import ModelInfo
from alaya.offload import Placement, check_offload
from alaya.precise import in_float32
from alaya.tiles import Tiles
from editing import wan_outline, wan_sampler, wan_switches, wan_vae
from editing.enlarge import enlarge_picture
from editing.models import Words
from editing.switches import EXACT, Switches
from editing.text import TextReader, full_negative
from editing.wan import CONDITIONS
from editing.wan_attention import TextLayer
from editing.wan_files import NAME, WanFiles
from editing.wan_load import HEAD_WIDTH, load_transformer, load_vae
from editing.wan_outline import NUM_FRAMES, OPTIONS, SIDE
from editing.wan_planes import condition_video
from editing.wan_vae import SPACE, TIME

KEPT_BYTES = 2 * 2**30
"""How much encoded G-buffers are kept for the next style of a clip."""
FOLDING_BACKENDS = (None, "native")


@dataclass(frozen=True)
class WanWords(Words):
    """The words to follow, and those to keep away from: (1, n, 4096) rows of the encoder each."""

    negative: Tensor


class WanEditor:
    """See `editing.models.EditingModel` for the methods' contract.

    Attributes:
        tiles: the autoencoder works in them; whole when None.
        truncate: pictures are cut to 8 bits as the reference does, not left to be rounded.
        switches: ways to draw faster that are not exact.
        eased_into_tiles: the memory was full, and tiles have changed the pictures since.
    """

    eased_into_tiles: bool = False

    def __init__(
        self,
        transformer: Any,
        vae: Any,
        reader: TextReader,
        sha256: str,
        device: str,
        reference: bool = False,
        *,
        offload: str = "none",
        attention: str = "auto",
        switches: Switches = EXACT,
    ) -> None:
        self.transformer, self.vae, self.reader = transformer, vae, reader
        self.switches = switches
        self.device = torch.device(device)
        self.attention = check_attention(attention, self.device)
        self.info = ModelInfo(NAME, sha256, NUM_FRAMES, wan_sampler.NUM_STEPS, OPTIONS)
        self.tiles: Tiles | None = wan_vae.REFERENCE_TILES if reference else None
        self.truncate = reference
        networks = [transformer, vae]
        self.placement = Placement(self.device, networks, lambda: list(transformer.blocks), offload)
        self._kept: dict[str, Tensor] = {}
        self._texts: list[tuple[Tensor, bool, tuple[TextLayer, ...]]] = []

    @classmethod
    def load(
        cls,
        files: WanFiles,
        device: str = "cpu",
        *,
        dtype: str = "auto",
        reference: bool = False,
        offload: str = "none",
        attention: str = "auto",
        compile: bool = False,
        lora: Sequence[Wish] = (),
        switches: Switches = EXACT,
        head_width: int = HEAD_WIDTH,
    ) -> WanEditor:
        """Load the network and the autoencoder; the text encoder waits for a new text.

        Args:
            files: of `find_wan`.
            device: "cpu" or "cuda".
            dtype: of the network and the text encoder: "bf16", "fp16", "fp32", or "auto": bf16 on CUDA, fp32
                elsewhere. The autoencoder stays fp32: it is small, and bf16 costs it up to 8 levels of 255.
            reference: the reference's tiles and truncation, to compare with it.
            offload: of `alaya.offload.Placement`: what of it rests in the CPU's memory.
            attention: of `alaya.attention`.
            compile: let torch compile the blocks.
            lora: adapters to merge into the network, and how much of each.
            switches: ways to draw faster that are not exact.
            head_width: of attention, for published files; a diffusers folder knows its own.
        """
        check_offload(offload)
        check_attention(attention, torch.device(device))
        kind = choose_dtype(dtype, device)
        transformer = load_transformer(files.transformer, kind, "cpu", head_width, lora)
        wan_switches.apply_fp8(transformer, switches)
        vae = load_vae(files.vae, torch.float32, "cpu")
        if compile:
            transformer.compile_repeated_blocks()
        reader = TextReader(files, kind, device, offload)
        identity = with_loras(files.identity(), lora)
        placed = {"offload": offload, "attention": attention}
        return cls(transformer, vae, reader, identity, device, reference, **placed, switches=switches)

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """As `EditingModel.working_size`."""
        return wan_outline.working_size(height, width)

    def ease(self) -> str | None:
        """Take less memory from now on; says how, or None if nothing is left to do."""
        moved = self.placement.ease()
        if moved is not None:
            self.reader.offload = self.placement.offload
            self.reader.close()
            return moved
        if self.tiles is not None:
            return None
        self.use_tiles()
        return "from now on the autoencoder works in tiles, which changes the pictures a little"

    @contextmanager
    def full_precision(self) -> Iterator[None]:
        """Work in float32 inside the block; layers that are brought one at a time stay as they are."""
        if self.placement.offload == "group":
            yield
            return
        self._texts = []  # keys and values of the other dtype
        try:
            with in_float32(self.transformer, self.vae):
                yield
        finally:
            self._texts = []

    def use_tiles(self) -> None:
        """Have the autoencoder work in tiles from now on, which changes the pictures a little."""
        self.tiles, self.eased_into_tiles = wan_vae.REFERENCE_TILES, True

    def encode_text(self, prompt: str, negative: str = "") -> WanWords:
        """As `EditingModel.encode_text`; `negative` is added to what the model always keeps away from."""
        return WanWords(self.reader(prompt), {}, self.reader(full_negative(negative)))

    def predict(
        self,
        gbuffer: GBuffer,
        words: Words,
        *,
        num_steps: int | None = None,
        seed: int = 0,
        first_frame: int = 0,
        cfg_scale: float | None = None,
        clip_frames: int | None = None,
    ) -> np.ndarray:
        """As `EditingModel.predict`.

        Raises:
            RequestError: sides that are not multiples of 16, or a frame count that is not 4n + 1.
        """
        frames, height, width = gbuffer.num_frames, gbuffer.height, gbuffer.width
        if height % SIDE or width % SIDE or (frames - 1) % TIME:
            raise RequestError(
                f"{NAME} draws 4n+1 frames with sides that are multiples of {SIDE}, got {frames} frames of"
                f" {height}x{width}; leave --height and --width out, or round them"
            )
        self.reader.close()
        alone = first_frame == 0 if clip_frames is None else clip_frames <= frames
        shape = (16, (frames - 1) // TIME + 1, height // SPACE, width // SPACE)
        noise = wan_sampler.draw_noise(seed, shape, first_frame, alone)
        negative = getattr(words, "negative", None)
        latents = self.draw(
            self._conditions(gbuffer),
            words.embedding,
            negative,
            noise,
            num_steps=num_steps or self.info.num_steps,
            cfg_scale=wan_sampler.CFG_SCALE if cfg_scale is None else cfg_scale,
        )
        return self.show(latents)

    def restore(
        self,
        coarse: np.ndarray,
        gbuffer: GBuffer,
        words: Words,
        *,
        seed: int = 0,
        first_frame: int = 0,
        fps: Fraction = Fraction(24),
    ) -> np.ndarray:
        """As `EditingModel.restore`; this model draws the weather itself."""
        frames = [enlarge_picture(coarse[i], gbuffer.frames(i, i + 1)) for i in range(len(coarse))]
        return np.stack(frames)

    def encode_videos(self, videos: Iterable[Tensor]) -> Tensor:
        """The conditioning (1, 80, t, h, w) of videos (1, 3, T, H, W) in [-1, 1], in the order of CONDITIONS."""
        with self.placement.using(self.vae):
            parts = [wan_vae.encode(self.vae, video.to(self.device), self.tiles) for video in videos]
        return torch.cat(parts, dim=1)

    @torch.no_grad()
    def draw(
        self,
        conditions: Tensor,
        text: Tensor,
        negative: Tensor | None,
        noise: Tensor,
        *,
        num_steps: int,
        cfg_scale: float = wan_sampler.CFG_SCALE,
        shift: float = wan_sampler.SHIFT,
    ) -> Tensor:
        """Latents (1, 16, t, h, w) of noise of that shape, conditioning (1, 80, t, h, w) and rows of text."""
        with self.placement.using(self.transformer), attending(self.attention, self.device):
            return self._draw(conditions, text, negative, noise, num_steps, cfg_scale, shift)

    def _draw(
        self,
        conditions: Tensor,
        text: Tensor,
        negative: Tensor | None,
        noise: Tensor,
        num_steps: int,
        cfg_scale: float,
        shift: float,
    ) -> Tensor:
        net = self.transformer
        backend = getattr(net.blocks[0].attn2.processor, "_attention_backend", None)
        fold = getattr(backend, "value", backend) in FOLDING_BACKENDS
        clip = net.read_clip(conditions.to(self.device))
        rows = [text] if negative is None or cfg_scale == 1 else [text, negative]
        texts = [self._read(each, fold) for each in rows]
        settings: dict[str, Any] = {"num_steps": num_steps, "shift": shift, "cfg_scale": cfg_scale}
        return wan_switches.draw(net, clip, texts, noise.to(self.device), self.switches, **settings)

    def show(self, latents: Tensor) -> np.ndarray:
        """(T, H, W, 3) float32 sRGB in [0, 1] of latents (1, 16, t, h, w)."""
        with self.placement.using(self.vae):
            pictures = wan_vae.decode(self.vae, latents, self.tiles)[0]
        rgb = (pictures + 1) * 127.5
        rgb = (rgb.floor() if self.truncate else rgb) / 255
        return np.ascontiguousarray(rearrange(rgb.cpu(), "c t h w -> t h w c").numpy())

    def _read(self, rows: Tensor, fold: bool) -> tuple[TextLayer, ...]:
        """A text's keys and values; those of the last two are kept, for the clip's next window."""
        for known, folded, layers in self._texts:
            if known is rows and folded == fold:
                return layers
        layers = self.transformer.read_text(rows.to(self.device), fold)
        self._texts = [*self._texts[-1:], (rows, fold, layers)]
        return layers

    def _conditions(self, gbuffer: GBuffer) -> Tensor:
        """The encoded G-buffers of a window, from memory if another style of the clip needed them before."""
        digest = hashlib.blake2b(repr(self.tiles).encode())
        for array in gbuffer.channels().values():
            digest.update(np.ascontiguousarray(array).data)
        key = digest.hexdigest()
        if key in self._kept:
            return self._kept[key]
        encoded = self.encode_videos(condition_video(gbuffer, name) * 2 - 1 for name in CONDITIONS).cpu()
        # Styles go over a clip's windows in the same order: what came first is needed first, so nothing is dropped.
        if sum(kept.nbytes for kept in self._kept.values()) + encoded.nbytes <= KEPT_BYTES:
            self._kept[key] = encoded
        return encoded
