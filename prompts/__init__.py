"""Style presets as files, and the splice that puts a style's words into a caption."""

from prompts.splice import full_text, splice
from prompts.styles import LOOKS, Style, StyleError, list_styles, load_style

__all__ = ["LOOKS", "Style", "StyleError", "full_text", "list_styles", "load_style", "splice"]
