"""Options that several verbs share, with AlayaRenderer's spellings beside our own."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import click

from alaya.errors import RequestError

Function = TypeVar("Function", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)


def _together(*options: Callable[[Any], Any]) -> Callable[[Function], Function]:
    """One decorator of several, shown in the order given."""

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def split_names(text: str) -> tuple[str, ...]:
    """Names with commas between them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _check_gpu(_ctx: click.Context, _parameter: click.Parameter, value: int | None) -> str | None:
    return None if value is None else f"cuda:{value}"


def window_options(num_frames: int) -> Callable[[Function], Function]:
    """How a long clip is cut and sized; `num_frames` is the usual window, for the help text."""
    return _together(
        click.option(
            "--num-frames",
            type=int,
            metavar="N",
            help=f"Length of a window, 8n+1 (clips may have any). Default: as trained, {num_frames}.",
        ),
        click.option(
            "--overlap",
            type=int,
            metavar="N",
            help="Frames two windows share at least, below N/2. Default: 8.",
        ),
        click.option("--frames", metavar="A:B", help="Only frames A to B-1 of the clip."),
        click.option(
            "--num_frames",
            "first_frames",
            type=int,
            metavar="N",
            help="AlayaRenderer's meaning: only the first N frames, as --frames 0:N.",
        ),
        click.option("--height", type=int, help="Working height; the output keeps the clip's own size."),
        click.option("--width", type=int, help="Working width."),
    )


model_options = _together(
    click.option(
        "--steps", "--num_inference_steps", "num_steps", type=int, help="Sampling steps. Default: as trained."
    ),
    click.option("--seed", type=int, default=0, show_default=True),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."),
    click.option("--gpu", type=int, callback=_check_gpu, metavar="N", help="The same as --device cuda:N."),
    click.option(
        "--dtype", default="auto", help="auto (bf16 on CUDA), bf16, fp16 or fp32; of a published network."
    ),
    click.option(
        "--offload",
        default="none",
        help="Of a published model, rest in the CPU's memory: none, model (all but the network at work) or group"
        " (all but the layer at work).",
    ),
    click.option(
        "--attention", default="auto", help="Of a published network: auto, cudnn, flash, xformers or native."
    ),
    click.option("--compile", is_flag=True, help="Let torch compile a published network's blocks."),
    click.option(
        "--fp8", is_flag=True, help="Inexact: keep a published network's blocks in 8 bits, to save memory."
    ),
)

rope_option = click.option(
    "--rope-dtype",
    default="fp32",
    help="fp32, or bf16: round angles as the published inverse renderer's reference does.",
)
reference_option = click.option(
    "--reference",
    is_flag=True,
    help="As the published editing model's reference: tiles, 15 frames a second, values cut off and not rounded.",
)

extra_channels_option = click.option(
    "--extra-channels",
    default="",
    callback=lambda _ctx, _parameter, value: split_names(value),
    metavar="A,B",
    help="Beside the five, of the published inverse renderer: diffuse_albedo, specular_albedo, blended_normal (the"
    " normals as its reference writes them).",
)
fast_scheduler_option = click.option(
    "--fast-scheduler",
    is_flag=True,
    help="Inexact: steps of second order (DPM-Solver++), for the published inverse renderer.",
)
switch_options = _together(
    click.option(
        "--scheduler",
        default="euler",
        help="euler, or inexact: unipc, of second order; for fewer --steps of the published editing model.",
    ),
    click.option(
        "--guidance-interval",
        metavar="A:B",
        help="Inexact: guide only at noise levels from A to B, such as 0.3:0.95; of the published editing model.",
    ),
    click.option(
        "--first-block-cache",
        type=float,
        default=0.0,
        metavar="X",
        help="Inexact: skip the blocks after the first while its change moves by less than this share, such as"
        " 0.06; of the published editing model.",
    ),
)


def lora_option(
    flag: str = "--lora", *others: str, model: str = "published"
) -> Callable[[Function], Function]:
    """Adapters to merge into a model's network."""
    return click.option(
        flag,
        *others,
        multiple=True,
        metavar="PATH[:SCALE]",
        help=f"A LoRA for the {model} model, in diffusers' or PEFT's form, and how much of it; repeatable.",
    )


def environment_option(stage: str) -> Callable[[Function], Function]:
    """Where a stage runs; "inverse" or "editing"."""
    return click.option(
        f"--{stage}-env",
        metavar="ENV",
        help=f"Run the {stage} stage in this environment: a conda one's name, a venv's folder or a Python.",
    )


run_options = _together(
    click.option("--overwrite", is_flag=True, help="Replace what another run left at the output."),
    click.option(
        "--resume", is_flag=True, expose_value=False, help="Go on with an interrupted run: the default."
    ),
    click.option("--json", "as_json", is_flag=True, help="Events as JSON lines on stdout."),
    click.option("--traceback", is_flag=True, expose_value=False, help="Show where an error came from."),
)

traceback_option = click.option(
    "--traceback", is_flag=True, expose_value=False, help="Show where an error came from."
)


def prompt_options(function: Function) -> Function:
    """The words of an edit."""
    return _together(
        click.option(
            "--style",
            "--styles",
            "styles",
            multiple=True,
            metavar="NAME",
            help="See `alaya styles list`; repeatable.",
        ),
        click.option(
            "--prompt", help="Free text; with a style, the style's words replace its lighting clause."
        ),
        click.option("--negative-prompt", help="What it should not look like, if the model can use it."),
        click.option("--cfg-scale", "--cfg_scale", type=float, help="Guidance, if the model can use it."),
    )(function)


def pick_common(values: dict[str, Any]) -> dict[str, Any]:
    """Take out of a command's `values` what several commands have, as settings' fields."""
    from alaya.lora_files import parse_wish
    from pipelines.settings import parse_frames, parse_interval

    taken = {
        name: values.pop(name)
        for name in (
            *("num_frames", "overlap", "height", "width", "num_steps", "seed"),
            *("dtype", "offload", "attention", "compile", "fp8"),
        )
    }
    for name in values.keys() & {"lora", "inverse_lora", "editing_lora"}:
        taken[name] = tuple(parse_wish(text) for text in values.pop(name))
    interval = values.pop("guidance_interval", None)
    if interval is not None:
        taken["guidance_interval"] = parse_interval(interval)
    frames, first, gpu = (values.pop(name) for name in ("frames", "first_frames", "gpu"))
    device = values.pop("device")
    if frames is not None and first is not None:
        raise RequestError(
            "--frames and --num_frames are mutually exclusive; --num_frames N means --frames 0:N"
        )
    if first is not None:
        click.echo(
            f"--num_frames {first}: only the first {first} frames, as in AlayaRenderer;"
            " the length of a window is --num-frames",
            err=True,
        )
        frames = f"0:{first}"
    if gpu is not None and device != "auto":
        raise RequestError("--gpu and --device are mutually exclusive; --gpu N means --device cuda:N")
    return taken | {"frames": None if frames is None else parse_frames(frames), "device": gpu or device}


def parse_fps(text: str | None) -> Fraction | None:
    """A rate such as 24, 29.97 or 30000/1001."""
    if text is None:
        return None
    try:
        return Fraction(text).limit_denominator(100_000)
    except (ValueError, ZeroDivisionError) as error:
        raise RequestError(
            f"--fps must be a number or a fraction, got {text!r}; try 30 or 30000/1001"
        ) from error


class ListsOfWords(click.Command):
    """A command whose `--styles a b c` means `--styles a --styles b --styles c`, as AlayaRenderer has it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the flag before each of its words."""
        spread: list[str] = []
        inside = False
        for word in args:
            if word.startswith("-"):
                inside = word == "--styles"
                spread += [] if inside else [word]
            else:
                spread += ["--styles", word] if inside else [word]
        return super().parse_args(ctx, spread)
