"""The lexicon that the text encoder is trained on, and a seeded sampler of what a person might type.

`training/phrases/<look>.toml` holds whole phrases and single words for each look, `common.toml` what may
stand around them: templates, filler, captions of unrelated content. The sampler mixes them, so that the light
and the weather tell the look, but neither the wording nor the content ("a kart racing past adobe walls").
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from prompts import LOOKS, list_styles

_FOLDER = Path(__file__).parent / "phrases"

# How often a sampled text has each trait.
EMPTY_SHARE = 0.04  # of the neutral look: no text at all means the scene's own light
STYLE_SHARE = 0.08  # the words of one of the bundled styles
WORD_LIST_SHARE = 0.25  # single words instead of phrases
SECOND_PHRASE_SHARE = 0.4
DROPOUT_SHARE = 0.3
TEMPLATE_SHARE = 0.5
FILLER_SHARE = 0.15
CAPTION_SHARE = 0.35
SPELLING_SHARE = 0.3
TYPO_SHARE = 0.1
CASE_SHARE = 0.25


@dataclass(frozen=True)
class Lexicon:
    """What a person may call one look."""

    phrases: tuple[str, ...]
    words: tuple[str, ...]
    style_words: tuple[str, ...]  # of the bundled styles that mean this look


@dataclass(frozen=True)
class Common:
    """What may stand around the words of any look."""

    templates: tuple[str, ...]
    fillers: tuple[str, ...]
    subjects: tuple[str, ...]
    actions: tuple[str, ...]
    places: tuple[str, ...]
    details: tuple[str, ...]
    spellings: tuple[tuple[str, str], ...]  # two spellings of one word, either way round


@cache
def load_lexicon(look: str) -> Lexicon:
    """Read the phrases of one look of `prompts.LOOKS`."""
    if look not in LOOKS:
        raise ValueError(f"no look is called {look!r}; there are {', '.join(LOOKS)}")
    table = tomllib.loads((_FOLDER / f"{look}.toml").read_text(encoding="utf-8"))
    bundled = tuple(style.words for style in list_styles("") if style.look == look and style.words)
    return Lexicon(tuple(table["phrases"]), tuple(table["words"]), bundled)


@cache
def load_common() -> Common:
    """Read what may stand around the words of any look."""
    table = tomllib.loads((_FOLDER / "common.toml").read_text(encoding="utf-8"))
    spellings = tuple((one, other) for one, other in table.pop("spellings"))
    return Common(**{key: tuple(values) for key, values in table.items()}, spellings=spellings)


def sample_phrase(look: str, rng: np.random.Generator) -> str:
    """Draw a text that asks for the look; the same generator state gives the same text.

    look: one of `prompts.LOOKS`. The text may be empty for the neutral look only.
    """
    lexicon, common = load_lexicon(look), load_common()
    if look == "neutral" and rng.random() < EMPTY_SHARE:
        return ""
    text = _core(lexicon, rng)
    if rng.random() < TEMPLATE_SHARE:
        text = _pick(common.templates, rng).replace("{}", text)
    if rng.random() < FILLER_SHARE:
        text = _filled(text, common, rng)
    if rng.random() < CAPTION_SHARE:
        text = _with_caption(text, sample_caption(rng), rng)
    return _with_noise(text, common, rng)


def sample_caption(rng: np.random.Generator) -> str:
    """Draw a caption that says what is in a scene and nothing about its light or weather."""
    common = load_common()
    caption = f"{_pick(common.subjects, rng)} {_pick(common.actions, rng)} {_pick(common.places, rng)}"
    if rng.random() < 0.3:
        caption += f" and {_pick(common.places, rng)}"
    for _ in range(int(rng.integers(3))):
        caption += f", {_pick(common.details, rng)}"
    return caption


def _core(lexicon: Lexicon, rng: np.random.Generator) -> str:
    """Draw the words that tell the look: a style's words, some single words, or one or two phrases."""
    kind = rng.random()
    if lexicon.style_words and kind < STYLE_SHARE:
        return _dropped(_pick(lexicon.style_words, rng), lexicon, rng)
    if kind < STYLE_SHARE + WORD_LIST_SHARE:
        count = int(rng.integers(1, 5))
        chosen = [lexicon.words[i] for i in rng.choice(len(lexicon.words), count, replace=False)]
        return _pick((", ", " ", " and "), rng).join(chosen)
    first = _dropped(_pick(lexicon.phrases, rng), lexicon, rng)
    if rng.random() >= SECOND_PHRASE_SHARE:
        return first
    second = _dropped(_pick(lexicon.phrases, rng), lexicon, rng)
    return first + _pick((", ", " and ", ", with ", "; ", " - "), rng) + second


def _dropped(phrase: str, lexicon: Lexicon, rng: np.random.Generator) -> str:
    """Leave out up to half of a phrase's words now and then, never the ones that alone tell the look."""
    words = phrase.split()
    if len(words) < 3 or rng.random() >= DROPOUT_SHARE:
        return phrase
    telling = [any(known in word.lower() for known in lexicon.words) for word in words]
    if not any(telling):
        return phrase
    kept = [word for word, tells in zip(words, telling, strict=True) if tells or rng.random() < 0.6]
    return " ".join(kept)


def _filled(text: str, common: Common, rng: np.random.Generator) -> str:
    """Add one or two quality words, as prompts for generators have them."""
    chosen = [_pick(common.fillers, rng) for _ in range(int(rng.integers(1, 3)))]
    return ", ".join([*chosen, text] if rng.random() < 0.3 else [text, *chosen])


def _with_caption(text: str, caption: str, rng: np.random.Generator) -> str:
    """Put a caption of unrelated content before or behind the text, as splices and people do."""
    forms = (
        "{c}; the scene is {t}",
        "{c}, {t}",
        "{c}. {t}.",
        "{t}, {c}",
        "{t}: {c}",
        "{c} in {t}",
        "{c}; {t}",
    )
    form = _pick(forms, rng)
    return form.replace("{c}", caption).replace("{t}", text)


def _with_noise(text: str, common: Common, rng: np.random.Generator) -> str:
    """Vary spelling and case, and make a typing error now and then."""
    for one, other in common.spellings:
        if one in text and rng.random() < SPELLING_SHARE:
            text = text.replace(one, other)
        elif other in text and rng.random() < SPELLING_SHARE:
            text = text.replace(other, one)
    if rng.random() < TYPO_SHARE:
        text = _with_typo(text, rng)
    if rng.random() < CASE_SHARE:
        change = (str.upper, str.title, str.capitalize)[int(rng.integers(3))]
        text = change(text)
    return text


def _with_typo(text: str, rng: np.random.Generator) -> str:
    """Swap, double or lose one letter inside one of the longer words."""
    words = text.split(" ")
    long_ones = [i for i, word in enumerate(words) if len(word) >= 6]
    if not long_ones:
        return text
    which = long_ones[int(rng.integers(len(long_ones)))]
    word, at = words[which], int(rng.integers(1, len(words[which]) - 2))
    words[which] = (
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + word[at] + word[at:],
        word[:at] + word[at + 1 :],
    )[int(rng.integers(3))]
    return " ".join(words)


def _pick(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]
