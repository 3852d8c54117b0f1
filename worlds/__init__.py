"""Synthetic scenes, the renderer and the paired data that the embedded models learn from."""
