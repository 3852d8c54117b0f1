"""The ways to run the published networks that are held against each other: diffusers', DiffSynth's and ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import init_empty_weights
from diffusers import CosmosTransformer3DModel  # pyright: ignore[reportPrivateImportUsage]
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from torch import Tensor

from editing import wan_keys
from editing.wan import WanEditingTransformer, pad_text
from inverse.cosmos import FIXED_CONFIG, CosmosInverseTransformer
from inverse.cosmos_places import PlaceTable
from inverse.cosmos_sampler import make_scheduler

SPREAD = 0.02
TABLE_SPREAD = 0.5
"""Of the modulation tables: wide enough that every layer weighs in the comparison of outputs."""
WORDS, NEGATIVE = 128, 126
"""Tokens of the two texts: a long caption and the reference's negative prompt."""
CONTEXT_TOKENS = 512
TIMESTEP, SIGMA = 936.0, 10.0
OURS = "ours"
State = dict[str, Tensor]


@dataclass(frozen=True)
class Way:
    """One way to work out the same.

    Attributes:
        name: for people.
        run: gives the outputs; may be called again and again.
        attention: of `alaya.attention`.
        compiled: its first call takes long.
    """

    name: str
    run: Callable[[], list[Tensor]]
    attention: str = "native"
    compiled: bool = False


@dataclass(frozen=True)
class Case:
    """The ways to do one thing, of which the first is diffusers' out of the box.

    Attributes:
        ways: all of them.
        tokens: the networks'.
        once: what ours works out once a clip, not in every call.
    """

    ways: list[Way]
    tokens: int
    once: Callable[[], object]


def random_state(net: Any, dtype: torch.dtype, device: torch.device, seed: int = 0) -> State:
    """Weights for a network on the meta device: none of them zero, and no layer without effect.

    Args:
        net: matrices and offsets become N(0, 0.02), gains of normalisations 1 + N(0, 0.02).
        dtype: of all tensors but those that diffusers keeps in float32.
        device: where they shall be.
        seed: decides them.
    """
    generator = torch.Generator(device).manual_seed(seed)
    exact = set(getattr(net, "_keep_in_fp32_modules", None) or ())
    state: State = {}
    for name, parameter in net.named_parameters():
        kind = dtype if exact.isdisjoint(name.split(".")) else torch.float32
        tensor = torch.empty(parameter.shape, dtype=kind, device=device)
        spread = TABLE_SPREAD if name.endswith("scale_shift_table") else SPREAD
        tensor.normal_(0, spread, generator=generator)
        gain = "norm" in name and name.endswith((".weight", ".gamma")) and ".linear" not in name
        state[name] = tensor.add_(1) if gain else tensor
    return state


def build(make: Callable[[], Any], state: Mapping[str, Tensor] | None, device: torch.device) -> Any:
    """A network that holds these very tensors, without a copy; on the meta device without a state."""
    with init_empty_weights(include_buffers=False):
        net = make()
    if state is None:
        return net
    net.load_state_dict({name: state[name] for name in net.state_dict()}, strict=True, assign=True)
    return net.eval().requires_grad_(False).to(device)


def editing_state(config: dict[str, Any], dtype: torch.dtype, device: torch.device) -> State:
    """Of the editing network by diffusers' names."""
    return random_state(build(lambda: WanTransformer3DModel(**config), None, device), dtype, device)


def inverse_state(config: dict[str, Any], dtype: torch.dtype, device: torch.device) -> State:
    """Of the inverse network by diffusers' names."""
    return random_state(build(lambda: CosmosInverseTransformer(**config), None, device), dtype, device)


def editing_case(config: dict[str, Any], state: State, window: tuple[int, int, int]) -> Case:
    """A guided step of the editing model, two texts, over latents (frames, rows, columns)."""
    device, dtype = state["proj_out.weight"].device, state["proj_out.weight"].dtype
    generator = torch.Generator(device).manual_seed(1)

    def draw(*shape: int) -> Tensor:
        return torch.randn(1, *shape, device=device, generator=generator)

    noisy, given = draw(16, *window), draw(80, *window)
    texts = [draw(count, config["text_dim"]) for count in (WORDS, NEGATIVE)]
    timestep = torch.tensor([TIMESTEP], device=device)
    padded = [pad_text(text).to(dtype) for text in texts]

    def stock() -> Any:
        return build(lambda: WanTransformer3DModel(**config), state, device)

    def of_diffusers(net: Any) -> list[Tensor]:
        whole = torch.cat([noisy, given], dim=1).to(dtype)
        return [net(whole, timestep, text, return_dict=False)[0] for text in padded]

    ours: Any = build(lambda: WanEditingTransformer(**config), state, device)
    clip, read = ours.read_clip(given), [ours.read_text(text) for text in texts]
    plain, best = stock(), stock()
    ways = [Way("diffusers", lambda: of_diffusers(plain))]
    if device.type == "cuda":
        best.compile_repeated_blocks()
        fast: Any = build(lambda: WanEditingTransformer(**config), state, device)
        fast.compile_repeated_blocks()
        ways += [
            Way("diffusers, cuDNN attention", lambda: of_diffusers(plain), "cudnn"),
            Way("diffusers, cuDNN attention, compiled", lambda: of_diffusers(best), "cudnn", True),
            Way("ours, compiled", lambda: fast.velocities(noisy, timestep, clip, read), "auto", True),
        ]
    else:
        best.fuse_qkv_projections()
        ways.append(Way("diffusers, fused projections", lambda: of_diffusers(best)))
    ways += diffsynth_ways(config, state, noisy, given, padded)
    ways.append(Way(OURS, lambda: ours.velocities(noisy, timestep, clip, read), "auto"))
    tokens = clip.tokens.shape[1]
    return Case(ways, tokens, lambda: (ours.read_clip(given), [ours.read_text(text) for text in texts]))


def diffsynth_ways(
    config: dict[str, Any], state: State, noisy: Tensor, given: Tensor, padded: list[Tensor]
) -> list[Way]:
    """DiffSynth-Studio's ways to do the same; none where it cannot be imported."""
    try:
        from diffsynth.models.wan_video_dit import WanModel  # type: ignore[import-not-found]
        from diffsynth.pipelines.wan_video import model_fn_wan_video  # type: ignore[import-not-found]
    except (ImportError, AttributeError, RuntimeError):
        return []
    dtype, device = state["proj_out.weight"].dtype, noisy.device
    with init_empty_weights(include_buffers=False):
        net = WanModel(
            dim=config["num_attention_heads"] * config["attention_head_dim"],
            in_dim=config["in_channels"],
            ffn_dim=config["ffn_dim"],
            out_dim=config["out_channels"],
            text_dim=config["text_dim"],
            freq_dim=config["freq_dim"],
            eps=1e-6,
            patch_size=(1, 2, 2),
            num_heads=config["num_attention_heads"],
            num_layers=config["num_layers"],
            has_image_input=False,
        )
    named = {name: state[wan_keys.rename_transformer(name)].to(dtype) for name in net.state_dict()}
    net.load_state_dict(named, strict=True, assign=True)
    net.eval().requires_grad_(False)
    timestep = torch.tensor([TIMESTEP], device=device, dtype=dtype)

    def run() -> list[Tensor]:
        latents, y = noisy.to(dtype), given.to(dtype)
        return [
            model_fn_wan_video(dit=net, latents=latents, timestep=timestep, context=text, y=y)
            for text in padded
        ]

    ways = [Way("DiffSynth", run)]
    if device.type == "cuda":
        ways.append(Way("DiffSynth, cuDNN attention", run, "auto"))
    return ways


def inverse_case(config: dict[str, Any], state: State, window: tuple[int, int, int]) -> Case:
    """One pass of the inverse model at one noise level, over latents (frames, rows, columns)."""
    device, dtype = state["proj_out.weight"].device, state["proj_out.weight"].dtype
    generator = torch.Generator(device).manual_seed(1)
    noisy, given = (torch.randn(1, 16, *window, device=device, generator=generator) for _ in range(2))
    passes = torch.zeros(1, dtype=torch.long, device=device)
    scheduler = make_scheduler()
    time = scheduler.precondition_noise(torch.tensor([SIGMA])).to(device, dtype)

    def stock() -> Any:
        return build(lambda: _stock_cosmos(config), state, device)

    context = state["context_embedding.weight"][passes][:, None].expand(-1, CONTEXT_TOKENS, -1)

    def of_diffusers(net: Any) -> list[Tensor]:
        whole = torch.cat([noisy, given], dim=1).to(dtype)
        return [net(whole, time, context, return_dict=False)[0]]

    ours, fast = (folded_cosmos(config, state, device) for _ in range(2))
    read = ours.read_clip(given), ours.read_passes(passes), ours.read_step(time)

    def of_ours(net: CosmosInverseTransformer) -> list[Tensor]:
        clip, contexts, step = read
        return [net.predict(noisy, step, clip, contexts)]

    plain, best = stock(), stock()
    ways = [Way("diffusers", lambda: of_diffusers(plain))]
    if device.type == "cuda":
        for block in best.transformer_blocks:
            block.compile()
        fast.compile_repeated_blocks()
        ways += [
            Way("diffusers, cuDNN attention", lambda: of_diffusers(plain), "cudnn"),
            Way("diffusers, cuDNN attention, compiled", lambda: of_diffusers(best), "cudnn", True),
            Way("ours, compiled", lambda: of_ours(fast), "auto", True),
        ]
    ways.append(Way(OURS, lambda: of_ours(ours), "auto"))
    return Case(ways, read[0].tokens.shape[1], lambda: (ours.read_clip(given), ours.read_passes(passes)))


def folded_cosmos(config: dict[str, Any], state: State, device: torch.device) -> Any:
    """Ours, as it is loaded for sampling."""
    net = build(lambda: CosmosInverseTransformer(**config), state, device)
    with device:  # it numbers the passes on the device that is the default
        net.fold_contexts()
    return net


def _stock_cosmos(config: dict[str, Any]) -> Any:
    """Diffusers' own network, with what the published one cannot do without: its places and its epsilons."""
    net: Any = CosmosTransformer3DModel(**{**config, **FIXED_CONFIG})
    net.learnable_pos_embed = PlaceTable(config["num_attention_heads"] * config["attention_head_dim"])
    for block in net.transformer_blocks:
        for attention in (block.attn1, block.attn2):
            attention.norm_q.eps = attention.norm_k.eps = 1e-6
    return net
