"""Hashed words: stable numbers, the plain form of words, and what near words share."""

import subprocess
import sys
from pathlib import Path

import pytest

from editing.words import EMPTY, STOP_WORDS, TABLE_SIZE, features, features_by_word, normalise

FOG = [1186, 5301, 2820, 12, 4947, 2174, 6954]


def test_the_numbers_are_fixed_for_ever():
    # The committed weights were trained with these rows: other numbers here mean that they no longer fit.
    assert features("fog") == FOG
    assert features("Snow, fog!")[-len(FOG) :] == FOG


def test_rows_lie_in_the_table_and_not_on_the_empty_row():
    rows = features(
        "A violent thunderstorm with driving rain, na\u00efve caf\u00e9 \u6c34\u4e0b 3000 miles away " * 3
    )
    assert all(EMPTY < row < TABLE_SIZE for row in rows)


@pytest.mark.parametrize("text", ["", "   ", "?!", "the scene is in a", "make it look like"])
def test_texts_without_words_that_count(text):
    assert features(text) == [EMPTY]
    assert features_by_word(text) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Rain-slicked STREETS", ["rain", "slicked", "streets"]),
        ("cyberpunk_neon", ["cyberpunk", "neon"]),
        ("winter's don\u2019t", ["winters", "dont"]),
        ("caf\u00e9 \uff26og", ["cafe", "fog"]),
        ("\u6c34\u4e0b 42", ["\u6c34\u4e0b", "42"]),
    ],
)
def test_normalise(text, words):
    assert normalise(text) == words


def test_case_order_of_marks_and_repeats_do_not_matter():
    assert features("Dense FOG, dense fog") == features("dense fog") == features("the dense fog!")


def test_near_words_share_more_rows_than_far_ones():
    def shared(a: str, b: str) -> int:
        return len(set(features(a)) & set(features(b)))

    assert shared("snowy", "snowbound") >= 5
    assert shared("snowy", "underwater") <= 1
    assert shared("foggy", "fogy") > shared("foggy", "sunny")


def test_no_word_of_weather_or_light_is_a_stop_word():
    kept = "rain snow fog sun night dust storm neon sea autumn fall magic day light dark keep no not without"
    assert not STOP_WORDS & set(normalise(kept))


def test_features_are_the_words_features_in_a_row():
    text = "light rain on wet streets"
    assert [row for rows in features_by_word(text) for row in rows] == features(text)


def test_words_need_neither_numpy_nor_torch():
    code = "import sys, editing.words; assert not {'numpy', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)
