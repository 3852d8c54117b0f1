"""What was asked of a job, checked once at the door, before any weight is loaded.

`None` always means "as the model was trained". Inside the house these values are trusted.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from alaya.clip_info import FORMATS
from alaya.device import ATTENTION, DTYPES, OFFLOADS
from alaya.errors import RequestError
from alaya.extra_channels import EXTRA_CHANNELS
from alaya.files import check_name, safe_name
from alaya.frames import check_num_frames, check_overlap
from alaya.gbuffer import CHANNELS
from alaya.lora_files import Wish
from editing.switches import SOLVERS, Switches

OUTPUTS = Path("outputs")
VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv")
SIZE_STEP = 8  # networks halve three times inside
FrameRange = tuple[int, int | None]
NOT_IDENTITY = frozenset(  # where and how, not what
    {"input", "output", "gbuffers", "device", "offload", "attention", "compile", "overwrite"}
)
SWITCHES = {  # of an edit, and what `editing.switches.Switches` calls them
    "scheduler": "solver",
    "guidance_interval": "guided",
    "first_block_cache": "keep",
    "fp8": "fp8",
}
CHANGING = ("dtype", "rope_dtype", "reference", "lora", "fast_scheduler", *SWITCHES)
WHERE_GIVEN = (*CHANGING, "extra_channels")
"""Left alone, they are no part of a run."""
LOADING = (*CHANGING, "offload", "attention", "compile")
"""Asked of a model as it is loaded."""
REFERENCE_FPS = Fraction(15)
CHOICES = {
    "dtype": ("auto", *DTYPES),
    "rope_dtype": ("fp32", "bf16"),
    "offload": OFFLOADS,
    "attention": ("auto", *ATTENTION),
    "scheduler": SOLVERS,
}


def parse_frames(text: str) -> FrameRange:
    """`A:B` (B not included, either may be left out) as (start, stop); raises RequestError."""
    match = re.fullmatch(r"([0-9]{0,18}):([0-9]{0,18})", text.strip())
    if match is None:
        raise RequestError(f"--frames takes A:B (frames A to B-1), got {text!r}; try 0:57")
    return int(match[1] or 0), int(match[2]) if match[2] else None


def parse_interval(text: str) -> tuple[float, float]:
    """`A:B`, two noise levels, as (lowest, highest); raises RequestError."""
    lowest, colon, highest = text.partition(":")
    try:
        if colon:
            return float(lowest), float(highest)
    except ValueError:
        pass
    raise RequestError(f"--guidance-interval takes two noise levels A:B, got {text!r}; try 0.3:0.95")


def check_range(frames: FrameRange | None, num_frames: int, name: str) -> tuple[int, int]:
    """The (start, stop) that `frames` selects of `num_frames`, else RequestError that names the clip."""
    start, stop = frames or (0, None)
    stop = num_frames if stop is None else stop
    if not 0 <= start < stop:
        raise RequestError(f"--frames {start}:{stop} selects no frame; give A smaller than B")
    if stop > num_frames:
        raise RequestError(
            f"--frames {start}:{stop} was asked, {name} has {num_frames} frames; try 0:{num_frames}"
        )
    return start, stop


def _check_window(num_frames: int | None, overlap: int | None) -> None:
    if num_frames is None:
        return
    check_num_frames(num_frames)
    if overlap is not None:
        check_overlap(num_frames, overlap)


def _check_size(height: int | None, width: int | None) -> None:
    if (height is None) != (width is None):
        raise RequestError("--height and --width set the working size together; give both or neither")
    for name, size in (("height", height), ("width", width)):
        if size is not None and (size < 2 * SIZE_STEP or size % SIZE_STEP):
            near = max(2 * SIZE_STEP, round(size / SIZE_STEP) * SIZE_STEP)
            raise RequestError(
                f"--{name} must be a multiple of {SIZE_STEP}, at least 16, got {size}; try {near}"
            )


def _check_common(settings: "InverseSettings | EditSettings") -> None:
    _check_window(settings.num_frames, settings.overlap)
    _check_size(settings.height, settings.width)
    if settings.overlap is not None and settings.overlap < 0:
        raise RequestError(f"--overlap must be 0 or more, got {settings.overlap}")
    if settings.num_steps is not None and settings.num_steps < 1:
        raise RequestError(f"--steps must be at least 1, got {settings.num_steps}")
    if not 0 <= settings.seed < 2**63:
        raise RequestError(f"--seed must be 0 to 2^63-1, got {settings.seed}")
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", settings.device):
        raise RequestError(f"--device must be auto, cpu or cuda, got {settings.device!r}")
    for name, allowed in CHOICES.items():
        if getattr(settings, name, allowed[0]) not in allowed:
            flag, value = OPTION_NAMES[name], getattr(settings, name)
            raise RequestError(f"{flag} must be one of {', '.join(allowed)}, got {value!r}")
    if settings.frames is not None and settings.frames[1] is not None:
        check_range(settings.frames, settings.frames[1], "the clip")


def identity_of(settings: "InverseSettings | EditSettings") -> dict[str, Any]:
    """The settings that make two runs the same run, as plain JSON values."""
    given = given_options(settings)
    left_out = NOT_IDENTITY | {name for name in WHERE_GIVEN if name not in given}
    values = {key: value for key, value in asdict(settings).items() if key not in left_out}
    if settings.lora:  # its content is in the weights' sha256, the name is for people
        values["lora"] = [f"{path.name}:{scale:g}" for path, scale in settings.lora]
    if settings.inexact:
        values["inexact"] = settings.inexact
    return json.loads(json.dumps(values, default=str))


def hash8(values: dict[str, Any]) -> str:
    """Eight hex digits that name a set of settings."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]


@dataclass(frozen=True, kw_only=True)
class CommonSettings:
    """What every stage may be asked. `num_frames` is the window's length, `height` and `width` the working size."""

    num_frames: int | None = None
    overlap: int | None = None
    height: int | None = None
    width: int | None = None
    frames: FrameRange | None = None
    num_steps: int | None = None
    seed: int = 0
    device: str = "auto"
    dtype: str = "auto"
    offload: str = "none"
    attention: str = "auto"
    compile: bool = False
    fp8: bool = False
    overwrite: bool = False

    @property
    def working_size(self) -> tuple[int, int] | None:
        """(height, width) inside the model; None: the model's own choice."""
        return None if self.height is None or self.width is None else (self.height, self.width)


@dataclass(frozen=True, kw_only=True)
class WordSettings(CommonSettings):
    """What an edit may be asked besides."""

    prompt: str | None = None
    negative_prompt: str | None = None
    cfg_scale: float | None = None
    reference: bool = False
    scheduler: str = "euler"
    guidance_interval: tuple[float, float] | None = None
    first_block_cache: float = 0.0

    @property
    def switches(self) -> Switches:
        """The editing model's inexact switches; raises RequestError."""
        given = {name: getattr(self, name) for name in SWITCHES if getattr(self, name) is not None}
        return Switches(**{SWITCHES[name]: value for name, value in given.items()})


@dataclass(frozen=True)
class InverseSettings(CommonSettings):
    """One clip for G-buffers."""

    input: Path
    output: Path | None = None
    model: str = "small"
    channels: tuple[str, ...] = CHANNELS
    format: str = "png"
    rope_dtype: str = "fp32"
    fast_scheduler: bool = False
    lora: tuple[Wish, ...] = ()
    extra_channels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_common(self)
        if not self.input.exists():
            raise RequestError(
                f"input {self.input} does not exist; give a video, an image or a folder of images"
            )
        for field, known in (("channels", CHANNELS), ("extra_channels", EXTRA_CHANNELS)):
            asked = getattr(self, field)
            unknown = [name for name in asked if name not in known]
            if unknown or (field == "channels" and not asked):
                what, said = field.removesuffix("s").replace("_", " "), ", ".join(unknown) or "(none)"
                raise RequestError(f"unknown {what} {said}; there are {', '.join(known)}")
            object.__setattr__(self, field, tuple(name for name in known if name in asked))
        if self.format not in FORMATS:
            raise RequestError(f"unknown format {self.format!r}; there are {', '.join(FORMATS)}")
        if self.folder.exists() and not self.folder.is_dir():
            raise RequestError(f"output {self.folder} is a file; give a folder")

    @property
    def folder(self) -> Path:
        """The run's folder: `output`, or outputs/<clip name>."""
        return self.output or OUTPUTS / clip_name(self.input)

    @property
    def inexact(self) -> list[str]:
        """The switches that are on and make the result another one, in words."""
        said = {"dpm-solver++": self.fast_scheduler, "fp8": self.fp8}
        return [label for label, on in said.items() if on]


def clip_name(path: Path) -> str:
    """The name a clip's run goes by: its file's stem, or its folder's name, made safe where it has to be."""
    name = path.resolve().name if path.is_dir() else path.stem
    try:
        return check_name(name)
    except RequestError:
        return safe_name(name)


@dataclass(frozen=True)
class EditSettings(WordSettings):
    """One G-buffer clip to be restyled by words. `gbuffers` None: the newest clip under outputs/."""

    gbuffers: Path | None = None
    style: str | None = None
    styles_json: Path | None = None
    output: Path | None = None
    model: str = "small"
    fps: Fraction | None = None
    lora: tuple[Wish, ...] = ()

    def __post_init__(self) -> None:
        _check_common(self)
        if self.gbuffers is not None and not self.gbuffers.is_dir():
            raise RequestError(
                f"G-buffers {self.gbuffers} is not a folder; give one that `alaya inverse` wrote"
            )
        if self.style is None and not (self.prompt or "").strip():
            raise RequestError(
                "no style and no prompt was given; try --style snowy_winter or --prompt 'at night'"
            )
        if self.output is not None and self.output.suffix.lower() not in VIDEO_SUFFIXES:
            raise RequestError(
                f"--output of an edit is a video file, got {self.output}; try {self.output}.mp4"
            )
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise RequestError(f"--fps must be above 0 and at most 1000, got {float(self.fps):g}")
        if self.cfg_scale is not None and not 0 <= self.cfg_scale <= 100:
            raise RequestError(f"--cfg-scale must be 0 to 100, got {self.cfg_scale:g}")
        if self.reference and self.fps is None:
            object.__setattr__(self, "fps", REFERENCE_FPS)
        _ = self.texts, self.switches  # an unknown style is refused here, and a switch that means nothing

    @property
    def inexact(self) -> list[str]:
        """The switches that are on and make the result another one, in words."""
        return self.switches.labels

    @property
    def texts(self) -> tuple[str, str]:
        """The full text and the negative text the model is given."""
        from pipelines.words import find_texts

        return find_texts(self.style, self.prompt, self.negative_prompt, self.styles_json)

    @property
    def name(self) -> str:
        """A short name for files and reports: the style, or the prompt's first words."""
        text = Path(self.style).stem if self.style else self.prompt or ""
        return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:40].strip("_") or "edit"


@dataclass(frozen=True)
class RenderSettings(WordSettings):
    """Both stages: one inverse run, then one video for each style (or one for the prompt alone).

    `inverse_env` and `editing_env` name the environments that the stages run in; None is this one. The adapters
    of `inverse_lora` and `editing_lora` are each for one stage's model.
    """

    input: Path
    styles: tuple[str, ...] = ()
    output: Path | None = None
    model: str = "small"
    editing_model: str = "small"
    format: str = "png"
    rope_dtype: str = "fp32"
    credit: str | None = None
    inverse_env: str | None = None
    editing_env: str | None = None
    fast_scheduler: bool = False
    inverse_lora: tuple[Wish, ...] = ()
    editing_lora: tuple[Wish, ...] = ()
    extra_channels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _ = self.inverse
        _ = self.edits

    def _pick(self, kind: type, **other: Any) -> Any:
        shared = {field.name for field in fields(kind)} & {field.name for field in fields(self)}
        return kind(**{name: getattr(self, name) for name in shared} | other)

    @property
    def inverse(self) -> InverseSettings:
        """The first stage's settings."""
        return self._pick(InverseSettings, lora=self.inverse_lora)

    @property
    def edits(self) -> tuple[EditSettings, ...]:
        """The second stage's settings, one a video; they find their clip in the first stage's folder."""
        unique = tuple(dict.fromkeys(self.styles))
        common = {
            "model": self.editing_model,
            "output": None,
            "frames": None,
            "lora": self.editing_lora,
        }
        return tuple(self._pick(EditSettings, style=style, **common) for style in unique or (None,))


OPTION_NAMES = {
    "num_steps": "--steps",
    "cfg_scale": "--cfg-scale",
    "negative_prompt": "--negative-prompt",
    "height": "--height/--width",
    "dtype": "--dtype",
    "rope_dtype": "--rope-dtype",
    "reference": "--reference",
    "offload": "--offload",
    "attention": "--attention",
    "compile": "--compile",
    "lora": "--lora",
    "fast_scheduler": "--fast-scheduler",
    "extra_channels": "--extra-channels",
    **{name: f"--{name.replace('_', '-')}" for name in SWITCHES},
}


def given_options(settings: CommonSettings) -> dict[str, Any]:
    """The options of `OPTION_NAMES` that were asked for, name -> value."""
    return {
        each.name: getattr(settings, each.name)
        for each in fields(settings)
        if each.name in OPTION_NAMES and getattr(settings, each.name) != each.default
    }


def without_others(settings: Any, options: frozenset[str], others: frozenset[str]) -> Any:
    """A stage's settings without what was asked of loading and only the other stage's model understands.

    Adapters stay: they were given for one stage.
    """
    theirs = {name for name in given_options(settings) if name in LOADING and name not in options} - {"lora"}
    defaults = {each.name: each.default for each in fields(settings)}
    return replace(settings, **{name: defaults[name] for name in theirs & others})


def check_options(settings: InverseSettings | EditSettings, options: Sequence[str] | frozenset[str]) -> None:
    """Refuse, by name, an option that was given and that the model cannot use."""
    for name in given_options(settings):
        if name not in options:
            flag = OPTION_NAMES[name]
            raise RequestError(
                f"{flag} was given, the model {settings.model!r} cannot use it"
                f" (it knows {', '.join(sorted(options)) or 'no options'}); leave {flag} out"
            )
    if settings.compile and settings.offload == "group":
        raise RequestError(
            "--compile cannot be used with --offload group, which moves layers under it; leave one out"
        )
