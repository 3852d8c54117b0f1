"""Styles: the bundled files, a person's own files, refusals, and the caption splice."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompts import LOOKS, Style, StyleError, full_text, list_styles, load_style, splice

NAMES = [
    "original",
    "bright_sunny",
    "snowy_winter",
    "sunset_dramatic",
    "cyberpunk_neon",
    "underwater",
    "autumn_warm",
    "moonlit_night",
    "night",
    "sunset",
    "rainy",
    "fantasy",
    "foggy",
]
SNOW = load_style("snowy_winter")
TAIL = f"; the scene is {SNOW.words}"

# (caption, what the splice must leave of it)
CAPTIONS = [
    ("A kart races past adobe walls; the scene is bright and sunny", "A kart races past adobe walls"),
    ("A kart races past adobe walls; the scene feels calm and warm.", "A kart races past adobe walls"),
    (
        "A knight walks through ruins; the scene appears gloomy, cold and misty",
        "A knight walks through ruins",
    ),
    ("A knight walks; The Scene Looks grim", "A knight walks"),
    ("A knight walks; the overall scene seems dim", "A knight walks"),
    ("A knight walks, the lighting is soft and diffuse", "A knight walks"),
    ("A knight walks, and the scene feels tense", "A knight walks"),
    ("A knight walks while the atmosphere remains heavy", "A knight walks"),
    ("A knight walks \u2014 the weather is terrible", "A knight walks"),
    (
        "A knight walks. The scene is bathed in golden light. He draws a sword.",
        "A knight walks. He draws a sword",
    ),
    ("The scene is dark and foggy. A knight walks.", "A knight walks"),
    ("The weather is awful. The lighting is flat. Two cars turn left", "Two cars turn left"),
    ("The scene's lighting is harsh. Two cars turn left", "Two cars turn left"),
    ("This scene feels eerie! Two cars turn left", "Two cars turn left"),
    ("A drone at 2.5 m; the scene feels hot; a dog runs", "A drone at 2.5 m; a dog runs"),
    ("Two cars turn left", "Two cars turn left"),
    ("Two cars\n  turn   left.", "Two cars turn left"),
    ("The scene is set in a courtyard with three wells.", "The scene is set in a courtyard with three wells"),
    ("The scene is a busy market.", "The scene is a busy market"),
    ("She lights a lamp behind the scene", "She lights a lamp behind the scene"),
    ("The light fades behind a tower", "The light fades behind a tower"),
]


def test_the_bundled_styles_are_all_there_in_order():
    names = [style.name for style in list_styles()]
    assert names[:13] == NAMES
    assert set(names[13:]) == {"storm", "dust"}
    assert {style.look for style in list_styles()} == set(LOOKS)
    assert len(LOOKS) == 13


@pytest.mark.parametrize("style", list_styles(), ids=lambda style: style.name)
def test_each_bundled_style_is_whole(style):
    assert style.licence == "CC0-1.0"
    assert style.tags
    assert load_style(style.name) == style
    if style.name == "original":
        assert (style.words, style.negative, style.look) == ("", "", "neutral")
    else:
        assert len(style.words.split()) >= 15
        assert style.negative
        assert not set(".;") & set(style.words)


def test_words_differ_between_styles():
    words = [style.words for style in list_styles()]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize(("caption", "head"), CAPTIONS)
def test_splice_replaces_the_lighting_clause(caption, head):
    result = splice(caption, SNOW)
    stop = "." if caption.rstrip().endswith(".") else ""
    assert result == head + TAIL + stop
    assert splice(result, SNOW) == result


@pytest.mark.parametrize(("caption", "head"), CAPTIONS)
def test_a_second_style_takes_the_place_of_the_first(caption, head):
    assert splice(splice(caption, load_style("sunset")), SNOW).rstrip(".") == head + TAIL


@pytest.mark.parametrize("caption", ["", "The scene is dark.", "the lighting is soft"])
def test_splice_of_nothing_but_light(caption):
    result = splice(caption, SNOW)
    assert result.rstrip(".") == "The scene is " + SNOW.words
    assert splice(result, SNOW) == result


@pytest.mark.parametrize(("caption", "_head"), CAPTIONS)
def test_original_splices_nothing(caption, _head):
    assert splice(caption, load_style("original")) == caption


@given(
    st.lists(
        st.sampled_from(
            [
                "a",
                "kart",
                "the scene",
                "is",
                "feels",
                "dark",
                "The",
                "lighting",
                ".",
                ";",
                ",",
                ":",
                "2.5",
                "?",
            ]
        ),
        max_size=14,
    ),
    st.sampled_from(
        ["red rain", "set in deep fog. Very. Dark!", "xyzzy; the scene is odd", "loud, the mood is dim"]
    ),
)
@settings(max_examples=300, deadline=None)
def test_splice_is_idempotent(pieces, words):
    style = Style("own", words)
    once = splice(" ".join(pieces), style)
    assert splice(once, style) == once


def test_full_text_of_prompt_style_and_both():
    assert full_text(None, "  neon rain ") == "neon rain"
    assert full_text(SNOW, None) == full_text(SNOW, "  ") == SNOW.words
    assert full_text(load_style("original"), None) == ""
    assert full_text(load_style("original"), "a kart; the scene is dim") == "a kart; the scene is dim"
    assert full_text(SNOW, "a kart; the scene is dim") == "a kart" + TAIL
    with pytest.raises(StyleError, match="neither a style nor a prompt"):
        full_text(None, " ")


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def test_own_styles_by_folder_by_variable_and_by_path(tmp_path, monkeypatch):
    path = write(
        tmp_path, "blood_moon", 'name = "blood_moon"\nwords = "under a\\n  red moon"\nlook = "night"\n'
    )
    want = Style("blood_moon", "under a red moon", look="night")
    assert load_style("blood_moon", tmp_path) == load_style(path) == load_style(str(path)) == want
    monkeypatch.setenv("ALAYA_STYLES", str(tmp_path))
    assert load_style("blood_moon") == want
    assert [style.name for style in list_styles()][-1] == "blood_moon"
    assert load_style("night").look == "night"


def test_an_own_style_shadows_a_bundled_one(tmp_path):
    write(tmp_path, "sunset", 'name = "sunset"\nwords = "green dusk on a far planet"\n')
    assert load_style("sunset", tmp_path).look is None
    assert len(list_styles(tmp_path)) == len(list_styles())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "x"\nwords = "w"\nwordz = "w"', "unknown key 'wordz'"),
        ('name = "x"\nwords = 3', "words must be a string, got whole number"),
        ('name = "x"\nwords = "w"\ntags = "fog"', "tags must be a list, got string"),
        ('name = "x"\nwords = "w"\ntags = [1]', "tags must be a list of strings"),
        ('name = "x"\nwords = "w"\nnegative = true', "negative must be a string, got boolean"),
        ('name = "x"', "key 'words' is missing"),
        ('words = "w"', "key 'name' is missing"),
        ('name = "y"\nwords = "w"', "make them the same"),
        ('name = "X y"\nwords = "w"', "lower-case letters"),
        ('name = "x"\nwords = " "', "words is empty"),
        ('name = "x"\nwords = "w"\nlook = "snowy"', "look is 'snowy'; it must be one of neutral"),
        ("name = ", "not a TOML file"),
        ("a = " + "[" * 5000, "not a TOML file"),
        ("#" * 70_000, "at most 64 KiB"),
    ],
)
def test_bad_style_files_are_refused_in_one_line(tmp_path, text, message):
    path = write(tmp_path, "x", text)
    with pytest.raises(StyleError) as caught:
        load_style(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_style_file_that_is_not_text_is_refused(tmp_path):
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StyleError, match="not a TOML file"):
        load_style(path)


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("snow", "snowy_winter"),
        ("sunsets", "sunset"),
        ("Foggy", "foggy"),
        ("moonlight", "moonlit_night"),
        ("rain", "rainy"),
    ],
)
def test_an_unknown_style_lists_the_names_nearest_first(asked, first):
    with pytest.raises(StyleError) as caught:
        load_style(asked)
    message = str(caught.value)
    assert f"there are {first}, " in message
    assert all(name in message for name in NAMES)


def test_missing_paths_are_named(tmp_path, monkeypatch):
    with pytest.raises(StyleError, match=r"nothing\.toml is not there"):
        load_style("nothing.toml")
    with pytest.raises(StyleError, match=r"styles folder .*nowhere is not there"):
        list_styles(tmp_path / "nowhere")
    monkeypatch.setenv("ALAYA_STYLES", str(tmp_path / "gone"))
    with pytest.raises(StyleError, match="unset \\$ALAYA_STYLES"):
        load_style("night")


def test_prompts_need_neither_numpy_nor_torch_nor_another_room():
    code = (
        "import sys, prompts; prompts.load_style('night');"
        "bad = {'numpy', 'torch', 'alaya', 'inverse', 'editing'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)
