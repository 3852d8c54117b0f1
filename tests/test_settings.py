"""Every request is checked at the door: what passes, what is refused, and with which words."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from alaya.errors import FrameCountError, RequestError, StyleError
from editing.switches import EXACT
from pipelines.commands.options import parse_fps
from pipelines.settings import (
    EditSettings,
    InverseSettings,
    RenderSettings,
    check_options,
    check_range,
    clip_name,
    identity_of,
    parse_frames,
    parse_interval,
    without_others,
)


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    ("text", "expected"), [("0:57", (0, 57)), (":9", (0, 9)), ("8:", (8, None)), (":", (0, None))]
)
def test_frames_are_read(text, expected):
    assert parse_frames(text) == expected


@pytest.mark.parametrize("text", ["5", "a:b", "-1:4", "1:2:3", "1.5:2", ""])
def test_frames_that_mean_nothing_are_refused(text):
    with pytest.raises(RequestError, match="--frames takes A:B"):
        parse_frames(text)


@pytest.mark.parametrize(
    ("frames", "expected"), [(None, (0, 40)), ((3, None), (3, 40)), ((0, 40), (0, 40)), ((39, 40), (39, 40))]
)
def test_range_within_a_clip(frames, expected):
    assert check_range(frames, 40, "clip.mp4") == expected


@pytest.mark.parametrize(
    ("frames", "words"),
    [((0, 41), "has 40 frames"), ((40, None), "selects no frame"), ((7, 7), "selects no frame")],
)
def test_range_beyond_a_clip_is_refused(frames, words):
    with pytest.raises(RequestError, match=words):
        check_range(frames, 40, "clip.mp4")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_frames": 80}, "num_frames must be 8n\\+1, got 80; try 73 or 81"),
        ({"num_frames": 17, "overlap": 9}, "overlap 9 does not fit windows of 17"),
        ({"overlap": -1}, "--overlap must be 0 or more"),
        ({"height": 144}, "both or neither"),
        ({"height": 100, "width": 256}, "multiple of 8, at least 16, got 100; try 96"),
        ({"height": 8, "width": 256}, "at least 16, got 8; try 16"),
        ({"num_steps": 0}, "--steps must be at least 1"),
        ({"seed": -1}, "--seed must be 0"),
        ({"device": "tpu"}, "--device must be auto, cpu or cuda"),
        ({"dtype": "int8"}, "--dtype must be one of auto, bf16, fp16, fp32, got 'int8'"),
        ({"rope_dtype": "fp16"}, "--rope-dtype must be one of fp32, bf16"),
        ({"offload": "disk"}, "--offload must be one of none, model, group"),
        ({"attention": "sage"}, "--attention must be one of auto, cudnn, flash, xformers, native"),
        ({"channels": ("albedo", "colour")}, "unknown channel colour; there are albedo, normal"),
        ({"channels": ()}, "unknown channel"),
        ({"format": "jpg"}, "unknown format 'jpg'; there are png, exr, mp4"),
        ({"frames": (9, 3)}, "selects no frame"),
    ],
)
def test_inverse_refusals(clip, changes, words):
    with pytest.raises(RequestError, match=words):
        replace(InverseSettings(clip), **changes)


def test_input_must_exist(tmp_path):
    with pytest.raises(RequestError, match=r"none\.mp4 does not exist"):
        InverseSettings(tmp_path / "none.mp4")


def test_output_must_not_be_a_file(clip, tmp_path):
    with pytest.raises(RequestError, match="is a file; give a folder"):
        InverseSettings(clip, output=clip)


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"style": None}, RequestError, "no style and no prompt"),
        ({"style": None, "prompt": "  "}, RequestError, "no style and no prompt"),
        ({"style": "snowy"}, StyleError, "snowy_winter"),
        ({"output": Path("out.gif")}, RequestError, "is a video file"),
        ({"fps": Fraction(0)}, RequestError, "--fps must be above 0"),
        ({"cfg_scale": -1.0}, RequestError, "--cfg-scale must be 0 to 100"),
        ({"gbuffers": Path("nowhere")}, RequestError, "nowhere is not a folder"),
        ({"num_frames": 80}, FrameCountError, "try 73 or 81"),
        ({"scheduler": "heun"}, RequestError, "--scheduler must be one of euler, unipc"),
        ({"guidance_interval": (0.9, 0.2)}, RequestError, "--guidance-interval must be two noise levels"),
        ({"first_block_cache": 1.5}, RequestError, "--first-block-cache must be a share"),
    ],
)
def test_edit_refusals(changes, kind, words):
    with pytest.raises(kind, match=words):
        EditSettings(**{"style": "night", **changes})


def test_inexact_switches_are_off_and_part_of_a_run_only_when_on(clip):
    exact = EditSettings(style="night")
    assert (exact.switches, exact.inexact) == (EXACT, [])
    assert not {"scheduler", "fp8", "inexact", "lora"} & set(identity_of(exact))
    on = replace(exact, scheduler="unipc", guidance_interval=(0.3, 0.95), first_block_cache=0.06, fp8=True)
    assert identity_of(on)["inexact"] == ["unipc", "guided 0.3-0.95", "keep 0.06", "fp8"]
    assert identity_of(on)["guidance_interval"] == [0.3, 0.95]
    fast = InverseSettings(clip, fast_scheduler=True)
    assert identity_of(fast)["inexact"] == ["dpm-solver++"]
    assert parse_interval("0.3:0.95") == (0.3, 0.95)
    for text in ("0.3", "a:b", "0.3:", ""):
        with pytest.raises(RequestError, match="--guidance-interval takes two noise levels A:B"):
            parse_interval(text)


def test_adapters_go_to_the_stage_they_were_given_for(clip):
    wishes = (Path("snow") / "a.safetensors", 0.8), (Path("b"), 1.0)
    both = RenderSettings(clip, ("night",), inverse_lora=wishes[1:], editing_lora=wishes)
    assert both.inverse.lora == wishes[1:]
    assert both.edits[0].lora == wishes
    assert identity_of(both.edits[0])["lora"] == ["a.safetensors:0.8", "b:1"]
    small = frozenset({"num_steps"})
    kept = without_others(both.edits[0], small, small | {"lora", "fp8"})
    with pytest.raises(RequestError, match="--lora was given, the model 'small' cannot use it"):
        check_options(kept, small)


def test_a_prompt_alone_is_the_full_text_and_a_style_alone_its_words():
    assert EditSettings(prompt="a red dawn").texts == ("a red dawn", "")
    words = EditSettings(style="snowy_winter").texts[0]
    assert "snow" in words
    assert EditSettings(style="original").texts[0] == ""


def test_both_are_spliced():
    caption = "A knight on a bridge; the scene is bright and sunny."
    text = EditSettings(style="snowy_winter", prompt=caption).texts[0]
    assert text.startswith("A knight on a bridge")
    assert "snow" in text
    assert "sunny" not in text


def test_styles_of_alaya_renderers_json(tmp_path):
    table = tmp_path / "styles.json"
    table.write_text('{"plain": null, "odd": "the scene is green"}')
    assert EditSettings(style="odd", styles_json=table).texts[0] == "the scene is green"
    with pytest.raises(StyleError, match="it holds plain, odd"):
        EditSettings(style="night", styles_json=table)
    table.write_text('{"odd": 3}')
    with pytest.raises(StyleError, match="name -> text or null"):
        EditSettings(style="odd", styles_json=table)


@pytest.mark.parametrize(
    ("style", "prompt", "expected"),
    [
        ("night", None, "night"),
        (None, "Neon Rain, at 3 a.m.!", "neon_rain_at_3_a_m"),
        (None, "\u96ea", "edit"),
    ],
)
def test_names_of_edits(style, prompt, expected):
    assert EditSettings(style=style, prompt=prompt).name == expected


def test_names_of_clips(tmp_path):
    assert clip_name(tmp_path / "a b.mp4") == "a b"
    assert clip_name(tmp_path / "12:30.mp4").startswith("12-30-")
    folder = tmp_path / "pictures.v2"
    folder.mkdir()
    assert clip_name(folder) == "pictures.v2"


def test_channels_come_in_one_order_once(clip):
    assert InverseSettings(clip, channels=("depth", "albedo", "depth")).channels == ("albedo", "depth")


def test_identity_is_what_was_asked_and_not_where_or_how(clip, tmp_path):
    one = InverseSettings(clip, output=tmp_path / "a", device="cpu")
    two = InverseSettings(clip, output=tmp_path / "b", device="auto", overwrite=True)
    assert identity_of(one) == identity_of(two)
    assert identity_of(one) != identity_of(replace(one, seed=1))


def test_how_a_model_is_loaded_is_part_of_a_run_where_it_changes_the_result(clip):
    plain = identity_of(InverseSettings(clip))
    assert not {"dtype", "rope_dtype", "offload", "attention", "compile"} & set(plain)
    assert identity_of(InverseSettings(clip, offload="group", attention="native", compile=True)) == plain
    rounded = identity_of(InverseSettings(clip, dtype="bf16", rope_dtype="bf16"))
    assert rounded == {**plain, "dtype": "bf16", "rope_dtype": "bf16"}
    assert identity_of(EditSettings(style="night", reference=True))["reference"] is True


def test_reference_means_15_frames_a_second_unless_told_otherwise():
    assert EditSettings(style="night", reference=True).fps == 15
    assert EditSettings(style="night", reference=True, fps=Fraction(24)).fps == 24
    assert EditSettings(style="night").fps is None


def test_layers_that_move_are_not_compiled(clip):
    settings = InverseSettings(clip, offload="group", compile=True)
    with pytest.raises(RequestError, match="--compile cannot be used with --offload group"):
        check_options(settings, {"offload", "compile"})


def test_within_render_options_go_to_the_stage_that_knows_them(clip):
    settings = RenderSettings(clip, styles=("night",), dtype="bf16", attention="native", num_steps=3)
    small, large = frozenset({"num_steps"}), frozenset({"num_steps", "dtype"})
    inverse = without_others(settings.inverse, small, large)
    assert (inverse.dtype, inverse.attention, inverse.num_steps) == ("auto", "native", 3)
    assert without_others(settings.edits[0], large, small) == settings.edits[0]
    with pytest.raises(RequestError, match="--attention was given, the model 'small' cannot use it"):
        check_options(inverse, small)


def test_render_checks_both_stages_at_once(clip):
    settings = RenderSettings(clip, styles=("night", "night", "rainy"), num_steps=2, seed=5)
    assert [edit.style for edit in settings.edits] == ["night", "rainy"]
    assert settings.inverse.num_steps == settings.edits[0].num_steps == 2
    assert settings.inverse.seed == settings.edits[1].seed == 5
    with pytest.raises(StyleError):
        RenderSettings(clip, styles=("night", "nigth"))
    with pytest.raises(RequestError, match="no style and no prompt"):
        RenderSettings(clip)


def test_an_edit_within_render_takes_the_whole_clip(clip):
    edit = RenderSettings(clip, styles=("night",), frames=(8, 20)).edits[0]
    assert edit.frames is None


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"cfg_scale": 5.0}, "--cfg-scale"),
        ({"negative_prompt": "fog"}, "--negative-prompt"),
        ({"num_steps": 4}, "--steps"),
        ({"dtype": "bf16"}, "--dtype"),
        ({"offload": "model"}, "--offload"),
        ({"attention": "flash"}, "--attention"),
        ({"compile": True}, "--compile"),
        ({"reference": True}, "--reference"),
    ],
)
def test_options_the_model_cannot_use_are_refused_by_name(changes, flag):
    settings = EditSettings(style="night", **changes)
    with pytest.raises(RequestError, match=f"{flag} was given, the model 'small' cannot use it"):
        check_options(settings, frozenset({"seed"}))
    check_options(settings, frozenset(changes))
    check_options(EditSettings(style="night"), frozenset())


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30", Fraction(30)), ("30000/1001", Fraction(30000, 1001)), ("12.5", Fraction(25, 2))],
)
def test_fps_is_read(text, expected):
    assert parse_fps(text) == expected


@pytest.mark.parametrize("text", ["fast", "1/0", "nan"])
def test_fps_that_is_none_is_refused(text):
    with pytest.raises(RequestError, match="--fps must be a number"):
        parse_fps(text)
