"""Words to numbers without a vocabulary: each word and its letter groups are hashed into one table.

The text encoder of the embedded editing model looks these numbers up. Letter groups let it guess at words
that it never met ("snowbound" shares most of its groups with "snow" and "snowy").
"""

import re
import unicodedata
import zlib
from functools import lru_cache

TABLE_SIZE = 8192
EMPTY = 0  # the feature of a text without any word that counts; no word is hashed to it
GRAM_LENGTHS = (3, 4, 5)
_STOP = """
a an the this that these those it its is are was be been being am has have had do does did will would can
could should shall may might must i me my we us our you your he she they them their his her and or but so as
if of at by for from in into on onto to up with within over than then there here please give make made let
set put turn change render show want need like likes look looks looking feel feels seem seems appear appears
get add use using apply where while which what when who how very quite really some any all more most much
just only also everything whole entire overall scene scenes video clip footage picture image frame shot game
gameplay style styled styling theme version effect quality high best detailed cinematic realistic
photorealistic 4k 8k hd
"""
STOP_WORDS = frozenset(_STOP.split())
_WORD = re.compile(r"[^\W_]+")


def normalise(text: str) -> list[str]:
    """Split a text into plain words: lower case, no accents, apostrophes dropped, `_` and `-` as spaces."""
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(c for c in plain if not unicodedata.combining(c) and c not in "'\u2019").casefold()
    return _WORD.findall(plain)


def features(text: str) -> list[int]:
    """Give the table rows of a text, each in [0, TABLE_SIZE), the same on every machine.

    A text without words, or with stop words alone, gives [EMPTY].
    """
    return [row for rows in features_by_word(text) for row in rows] or [EMPTY]


def features_by_word(text: str) -> list[list[int]]:
    """Give the table rows word by word (each once, no stop words), for a model that weighs words."""
    counting = dict.fromkeys(word for word in normalise(text) if word not in STOP_WORDS)
    return [list(_word_rows(word)) for word in counting]


@lru_cache(maxsize=65536)
def _word_rows(word: str) -> tuple[int, ...]:
    """Hash a word and its letter groups; `<` and `>` mark the word's ends."""
    marked = f"<{word}>"
    grams = [marked[i : i + n] for n in GRAM_LENGTHS for i in range(len(marked) - n + 1)]
    return (_row("w:" + word), *(_row("g:" + gram) for gram in dict.fromkeys(grams)))


def _row(key: str) -> int:
    return 1 + zlib.crc32(key.encode()) % (TABLE_SIZE - 1)
