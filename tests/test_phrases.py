"""The training lexicon: its size, its seeds, and that its texts tell the looks apart."""

import numpy as np
import pytest

from editing.words import TABLE_SIZE, features
from prompts import LOOKS, list_styles
from training.phrases import load_common, load_lexicon, sample_caption, sample_phrase


def test_every_look_has_enough_words_of_its_own():
    seen: dict[str, str] = {}
    for look in LOOKS:
        lexicon = load_lexicon(look)
        assert len(set(lexicon.phrases)) == len(lexicon.phrases) >= 60
        assert len(set(lexicon.words)) == len(lexicon.words) >= 30
        for phrase in lexicon.phrases:
            assert seen.setdefault(phrase, look) == look, f"{phrase!r} stands for {seen[phrase]} and {look}"


def test_the_common_words():
    common = load_common()
    assert len(set(common.templates)) >= 30
    assert all(template.count("{}") == 1 for template in common.templates)
    assert min(len(common.subjects), len(common.places), len(common.details), len(common.fillers)) >= 20


def test_an_unknown_look_is_refused_by_name():
    with pytest.raises(ValueError, match="no look is called 'snowy'; there are neutral, "):
        load_lexicon("snowy")


@pytest.mark.parametrize("look", LOOKS)
def test_same_seed_same_texts_other_seed_other_texts(look):
    def texts(seed: int) -> list[str]:
        rng = np.random.default_rng(seed)
        return [sample_phrase(look, rng) for _ in range(30)]

    assert texts(3) == texts(3)
    assert texts(3) != texts(4)


def test_own_styles_do_not_change_what_is_trained(tmp_path, monkeypatch):
    (tmp_path / "mine.toml").write_text('name = "mine"\nwords = "zzz"\nlook = "fog"\n')
    monkeypatch.setenv("ALAYA_STYLES", str(tmp_path))
    assert load_lexicon.__wrapped__("fog") == load_lexicon("fog")
    assert "zzz" not in load_lexicon.__wrapped__("fog").style_words


@pytest.mark.parametrize("look", LOOKS)
def test_texts_are_varied_and_empty_for_the_neutral_look_alone(look):
    rng = np.random.default_rng(5)
    texts = [sample_phrase(look, rng) for _ in range(600)]
    assert len(set(texts)) > 500
    assert ("" in texts) == (look == "neutral")
    assert "{}" not in "".join(texts)
    assert sum(any(subject in text.lower() for subject in load_common().subjects) for text in texts) > 100


def test_captions_do_not_speak_of_light_or_weather():
    rng = np.random.default_rng(1)
    text = " ".join(sample_caption(rng) for _ in range(2000))
    for word in (
        "rain",
        "snow",
        "fog",
        "sunny",
        "sunset",
        "night",
        "neon",
        "storm",
        "underwater",
        "magic",
        "autumn",
    ):
        assert not any(token.startswith(word) for token in text.split()), word


def log_odds(rng: np.random.Generator, per_look: int) -> np.ndarray:
    """Train naive Bayes on sampled texts: (looks, TABLE_SIZE) log probabilities of a row."""
    counts = np.full((len(LOOKS), TABLE_SIZE), 0.05)
    for index, look in enumerate(LOOKS):
        for _ in range(per_look):
            np.add.at(counts[index], features(sample_phrase(look, rng)), 1)
    return np.log(counts / counts.sum(1, keepdims=True))


def test_a_simple_reader_finds_the_look_of_unseen_samples_and_of_every_style():
    table = log_odds(np.random.default_rng(0), 400)

    def read(text: str) -> str:
        return LOOKS[int(table[:, features(text)].sum(1).argmax())]

    rng = np.random.default_rng(99)
    hits = [read(sample_phrase(look, rng)) == look for look in LOOKS for _ in range(40)]
    assert np.mean(hits) > 0.85
    assert all(read(style.words) == style.look for style in list_styles("") if style.words)
