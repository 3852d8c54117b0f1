"""The caption splice: a style takes the place of what a caption says about light and weather.

Captions of game clips say first what is there and end with how it is lit: `a knight walks through ruins;
the scene feels cold and misty`. That tail (or a sentence such as `The lighting is soft.`) is cut out and the
style's words are put at the end as `; the scene is WORDS`. A caption without such a clause gets them added.
"""

import re

from prompts.styles import Style, StyleError

_SUBJECT = (
    r"(?:the|this)\s+(?:(?:overall|whole|entire|general|ambient|natural)\s+)?(?:scene's\s+)?"
    r"(?:scene|setting|lighting|light|illumination|weather|atmosphere|ambience|ambiance|mood)"
    r"(?:\s+(?:of\s+the\s+scene|here|overall))?"
)
_VERB = r"(?:is|feels|appears|looks|seems|remains)\b"
# Up to the next `;` or the end of the sentence; a stop inside a number or a name ("2.5 m") is no end.
_REST = r"(?:[^.!?;]|[.!?](?=\S))*"
_JOINT = r"(?:\s*[;,:\u2013\u2014]\s*(?:(?:and|while|as|but|where)\s+)?|\s+(?:and|while|as|but)\s+)"
_TAIL = re.compile(rf"{_JOINT}{_SUBJECT}\s+{_VERB}{_REST}", re.IGNORECASE)
_SENTENCE = re.compile(
    rf"(?:(?<=^)|(?<=[.!?]\s)){_SUBJECT}\s+{_VERB}(?P<rest>{_REST})[.!?;]*\s*", re.IGNORECASE
)
_ABOUT_PLACE = re.compile(
    r"\s*(?:set|located|situated|placed|populated|viewed|seen|shown|filmed|captured|taken|made|built)\b",
    re.IGNORECASE,
)
_ABOUT_LIGHT = re.compile(
    r"light|\blit\b|bright|dark|dim|\bsun|sunn|moon|night|\bday\b|daytime|dusk|dawn|twilight|evening|morning|noon|"
    r"shadow|shad[ey]|fog|mist|haz[ey]|rain|wet|snow|frost|ic[ey]\b|storm|thunder|wind|cloud|overcast|sky|dust|sand|"
    r"warm|cool|cold|hot|glow|neon|gloom|golden|grey|gray|muted|vivid|vibrant|colou?r|soft|harsh|atmospher|mood|"
    r"serene|calm|tense|eerie|tranquil|peaceful|ominous|dramatic|mysterious|magic|ethereal|dream|quiet|cheer|"
    r"underwater|submerged|autumn|winter|summer|spring",
    re.IGNORECASE,
)


def splice(caption: str, style: Style) -> str:
    """Put the style's words into a caption in place of its lighting clause; twice is the same as once.

    A style without words (`original`) leaves the caption as it is.
    """
    words = _one_clause(style.words)
    if not words:
        return caption
    text = " ".join(caption.split())
    stop = "." if text.endswith(".") else ""
    own = (
        rf"(?:^|; )the scene is {re.escape(words)}\.?$"  # whatever its words are, a style finds itself again
    )
    head = _without_lighting(re.sub(own, "", text, flags=re.IGNORECASE)).strip(" ,;:.")
    return f"{head}; the scene is {words}{stop}" if head else f"The scene is {words}{stop}"


def full_text(style: Style | None, prompt: str | None) -> str:
    """Give the text that the editing model sees, from a style, a prompt, or both.

    A prompt alone is the full text; a style alone is its words (`original`: no words, so an empty text, which
    means the scene's own neutral daylight); both are spliced.
    """
    asked = (prompt or "").strip()
    if style is None:
        if not asked:
            raise StyleError(
                "neither a style nor a prompt was given; name a style (`alaya styles list`) or a prompt"
            )
        return asked
    return splice(asked, style) if asked else style.words


def _without_lighting(text: str) -> str:
    """Cut every lighting clause and lighting sentence out of a one-line caption."""

    def keep_content(match: re.Match[str]) -> str:
        rest = match["rest"]
        is_lighting = _ABOUT_LIGHT.search(rest) or not _is_scene(match[0])
        return match[0] if _ABOUT_PLACE.match(rest) or not is_lighting else ""

    return _SENTENCE.sub(keep_content, _TAIL.sub("", text))


def _is_scene(clause: str) -> bool:
    """Say whether the clause speaks of the scene (it may then be about content) rather than of its light."""
    return re.match(r"\w+\s+(?:\w+\s+)?(?:scene|setting)\b(?!')", clause, re.IGNORECASE) is not None


def _one_clause(words: str) -> str:
    """Join sentences with commas, so that the next splice finds the end of the clause."""
    return re.sub(r"\s*(?:[.!?]+(?=\s)|;)\s*", ", ", " ".join(words.split()).strip(" .;,!?"))
