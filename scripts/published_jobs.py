"""The published models' autoencoders both ways, and whole jobs end to end, on random weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKLCosmos  # pyright: ignore[reportPrivateImportUsage]
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan

from alaya.cost import Task
from editing import wan_outline, wan_vae
from editing.wan import CONDITIONS, WanEditingTransformer
from editing.wan_model import WanEditor
from inverse import cosmos_outline
from inverse.cosmos_codec import CosmosCodec, LatentStatistics
from inverse.cosmos_model import CosmosInverse
from scripts.published_sizes import Size, Window
from scripts.published_ways import NEGATIVE, OURS, WORDS, State, Way, build, folded_cosmos, random_state

NOT_USED: Any = None


@dataclass(frozen=True)
class Codec:
    """An autoencoder and what is measured of it.

    Attributes:
        net: diffusers' class.
        dtype: of it.
        video: (frames, height, width).
        encoding, decoding: of one video; the first way is diffusers', the last ours.
        encode_tflop, decode_tflop: what they take.
    """

    net: Any
    dtype: torch.dtype
    video: Window
    encoding: list[Way]
    decoding: list[Way]
    encode_tflop: float
    decode_tflop: float


def _random(make: Callable[[], Any], dtype: torch.dtype, device: torch.device) -> tuple[Any, State]:
    state = random_state(build(make, None, device), dtype, device)
    return build(make, state, device), state


def editing_codec(size: Size, device: torch.device) -> Codec:
    """The editing model's, float32 everywhere."""
    vae, state = _random(lambda: AutoencoderKLWan(**size.autoencoder), torch.float32, device)
    frames, height, width = size.editing_video
    video = torch.rand(1, 3, frames, height, width, device=device) * 2 - 1
    mean, deviation = (
        torch.tensor(vae.config[name], device=device).view(1, -1, 1, 1, 1)
        for name in ("latents_mean", "latents_std")
    )
    with torch.inference_mode():
        latents = wan_vae.encode(vae, video)
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    return Codec(
        vae,
        torch.float32,
        size.editing_video,
        [
            Way("diffusers", lambda: [(vae.encode(video).latent_dist.mode() - mean) / deviation]),
            Way(OURS, lambda: [wan_vae.encode(vae, video)]),
        ],
        [
            Way("diffusers", lambda: [vae.decode(latents * deviation + mean).sample]),
            Way(OURS, lambda: [wan_vae.decode(vae, latents)]),
        ],
        wan_outline.encode_flops(shapes, frames, height, width) / 1e12,
        wan_outline.decode_flops(shapes, frames, height, width) / 1e12,
    )


def inverse_codec(size: Size, device: torch.device) -> Codec:
    """The inverse model's: bfloat16 on CUDA, as it is published; a CPU only encodes in float32."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    vae, state = _random(lambda: AutoencoderKLCosmos(**size.tokenizer), dtype, device)
    codec = CosmosCodec(vae, statistics(16))
    frames, height, width = size.inverse_video
    video = (torch.rand(1, 3, frames, height, width, device=device) * 2 - 1).to(dtype)
    with torch.inference_mode():
        latents = codec.raw_latents(video)
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    task = Task(frames, height, width, 1, dtype.itemsize, dtype.itemsize)
    return Codec(
        vae,
        dtype,
        size.inverse_video,
        [
            Way("diffusers", lambda: [vae.encode(video).latent_dist.mode()]),
            Way(OURS, lambda: [codec.raw_latents(video)]),
        ],
        [
            Way("diffusers", lambda: [vae.decode(latents.to(dtype)).sample]),
            Way(OURS, lambda: [codec.raw_video(latents)]),
        ],
        cosmos_outline.codec_flops(shapes, "encoder", task) / 1e12,
        cosmos_outline.codec_flops(shapes, "decoder", task) / 1e12,
    )


def statistics(frames: int) -> LatentStatistics:
    """Made-up ones for clips of that many latent frames."""
    mean, std = torch.zeros(16, frames), torch.ones(16, frames)
    return LatentStatistics(mean, std, mean[:, :1], std[:, :1])


def editing_job(size: Size, state: State, codec: Codec, num_steps: int) -> Callable[[], object]:
    """Five G-buffers and two texts to pictures, guided, as the model's own class does it."""
    device = state["proj_out.weight"].device
    net = build(lambda: WanEditingTransformer(**size.editing), state, device)
    editor = WanEditor(net, codec.net, NOT_USED, "random", str(device))
    generator = torch.Generator().manual_seed(2)
    frames, height, width = size.editing_video
    videos = [
        torch.rand(1, 3, frames, height, width, generator=generator) * 2 - 1 for _ in range(len(CONDITIONS))
    ]
    noise = torch.randn(1, 16, *size.editing_windows[0], generator=generator)
    words, negative = (
        torch.randn(1, count, size.editing["text_dim"], generator=generator) for count in (WORDS, NEGATIVE)
    )

    def run() -> object:
        given = editor.encode_videos(videos)
        return editor.show(editor.draw(given, words, negative, noise, num_steps=num_steps))

    return run


def inverse_job(size: Size, state: State, codec: Codec, num_steps: int) -> Callable[[], object]:
    """A clip to the five pictures, as the model's own class does it."""
    device = state["proj_out.weight"].device
    net = folded_cosmos(size.inverse, state, device)
    model = CosmosInverse(net, CosmosCodec(codec.net, statistics(16)), "random", str(device))
    rgb = torch.rand(*size.inverse_video, 3, generator=torch.Generator().manual_seed(2)).numpy()
    return lambda: model.pictures(rgb, num_steps=num_steps)
