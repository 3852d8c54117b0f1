"""The text an editing model is given: a style's words, a prompt, or both spliced."""

import json
from pathlib import Path

import prompts
from alaya.errors import StyleError
from prompts import Style


def find_texts(
    style: str | None, prompt: str | None, negative_prompt: str | None, styles_json: Path | None
) -> tuple[str, str]:
    """The full and the negative text of a style name (or file) and a prompt; one of both may be None."""
    try:
        found = _find_style(style, styles_json) if style is not None else None
        text = prompts.full_text(found, prompt)
    except prompts.StyleError as error:
        raise StyleError(str(error)) from error
    negative = negative_prompt if negative_prompt is not None else (found.negative if found else "")
    return text, negative


def _find_style(name: str, styles_json: Path | None) -> Style:
    """A style by name: from AlayaRenderer's kind of JSON file where one is given, else from our presets."""
    if styles_json is None:
        return prompts.load_style(name)
    table = read_styles_json(styles_json)
    if name not in table:
        raise StyleError(f"style {name!r} is not in {styles_json}; it holds {', '.join(list(table)[:20])}")
    return Style(name, table[name] or "")


def read_styles_json(path: Path) -> dict[str, str | None]:
    """AlayaRenderer's table of styles: name -> words, or null for the caption as it stands."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StyleError(f"cannot read the styles in {path}: {error}") from error
    if not isinstance(table, dict) or not all(
        words is None or isinstance(words, str) for words in table.values()
    ):
        raise StyleError(f"{path} must hold one table of style name -> text or null")
    return table
