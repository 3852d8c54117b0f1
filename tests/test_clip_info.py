"""clip.json: what is written can be read, and what is not in the contract is refused."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import jsonschema
import pytest
from gbuffer_samples import outcome
from hypothesis import given, settings
from hypothesis import strategies as st

from alaya.clip_info import ClipInfo, DepthInfo, ModelNote, SourceInfo
from alaya.errors import ClipError

SCHEMA_FILE = Path(__file__).parents[1] / "docs" / "clip.schema.json"
DEPTH = DepthInfo("metric_m", 0.5, 100.0)
FULL_INFO = ClipInfo(
    frames=3,
    width=8,
    height=6,
    fps=Fraction(24000, 1001),
    timestamps=(Fraction(0), Fraction(1, 24), Fraction(1, 10)),
    depth=DEPTH,
    source=SourceInfo("game.mp4", "ab" * 32, "audio.mka"),
    model=ModelNote("small", "cd" * 32),
    settings={"steps": 1, "size": [256, 144], "style": None},
    seed=0,
    complete=True,
)


@pytest.mark.parametrize("form", ["png", "exr", "mp4"])
@pytest.mark.parametrize("space", ["camera-opengl", "camera-directx", "world"])
def test_clip_json_round_trips_and_obeys_the_schema(form, space):
    info = replace(FULL_INFO, format=form, normal_space=space)
    text = info.to_json()
    assert ClipInfo.from_json(text) == info
    jsonschema.validate(json.loads(text), json.loads(SCHEMA_FILE.read_text()))


def test_the_schema_refuses_what_the_parser_refuses():
    schema = json.loads(SCHEMA_FILE.read_text())
    for key, value in (("frames", 0), ("frames", 2.5), ("complete", "yes"), ("fps", 24), ("extra", 1)):
        data = json.loads(FULL_INFO.to_json()) | {key: value}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(data, schema)
        with pytest.raises(ClipError):
            ClipInfo.from_json(json.dumps(data))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"frames": 3', '"frames": NaN', "NaN"),
        ('"frames": 3', '"frames": 3, "frames": 4', "appears twice"),
        ('"frames": 3', '"frames": true', "frames must be a whole number"),
        ('"frames": 3', '"frames": 4', "3 timestamps for 4 frames"),
        ('"frames": 3', '"frames": 3, "hero": 1', "unknown key 'hero'"),
        ('"width": 8,', "", "'width' is missing"),
        ('"fps": "24000/1001"', '"fps": "24/0"', "fps must be a fraction"),
        ('"fps": "24000/1001"', '"fps": "-24"', "fps must be above 0"),
        ('"near": 0.5', '"near": 1e999', "too large"),
        ('"near": 0.5', '"near": 500.0', "near < far"),
        ('"near": 0.5', '"near": null', "both be null"),
        ('"metric_m"', '"feet"', "depth.kind must be one of"),
        ('"camera-opengl"', '"tangent"', "channels.normal.space"),
        ('"srgb16"', '"half"', "no known format"),
        ('"1/10"', '"1/30"', "do not rise"),
        ('"audio.mka"', '"../../secret"', "source.audio"),
        ("alaya.gbuffer-clip/1", "alaya.gbuffer-clip/9", "schema"),
        ('"complete": true', '"complete": 1', "complete must be"),
    ],
)
def test_clip_json_is_parsed_without_mercy(tmp_path, old, new, words):
    text = FULL_INFO.to_json()
    assert old in text
    path = tmp_path / "clip.json"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ClipError) as caught:
        ClipInfo.load(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


ANY_JSON = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just([]) | st.just({})
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(json.loads(FULL_INFO.to_json()))), ANY_JSON)
def test_any_value_anywhere_is_understood_or_a_clip_error(key, value):
    text = json.dumps(json.loads(FULL_INFO.to_json()) | {key: value})
    info = outcome(ClipInfo.from_json, text)
    if isinstance(info, str):
        assert info.startswith("clip.json: ")
    else:
        assert ClipInfo.from_json(info.to_json()) == info


def test_deep_and_huge_json_is_refused(tmp_path):
    with pytest.raises(ClipError):
        ClipInfo.from_json("[" * 100_000)
    with pytest.raises(ClipError):
        ClipInfo.from_json('{"frames": ' + "9" * 10_000 + "}")
    (tmp_path / "clip.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ClipError, match=r"clip\.json: cannot be read"):
        ClipInfo.load(tmp_path / "clip.json")


def test_the_example_in_the_documentation_is_valid():
    page = (SCHEMA_FILE.parent / "gbuffer-clip.md").read_text()
    example = next(block for block in page.split("```json\n")[1:] if "gbuffer-clip/1" in block).split("```")[
        0
    ]
    info = ClipInfo.from_json(example)
    assert info.fps == Fraction(30000, 1001)
    assert json.loads(info.to_json()) == json.loads(example)
    jsonschema.validate(json.loads(example), json.loads(SCHEMA_FILE.read_text()))
