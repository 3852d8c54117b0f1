"""RGB to G-buffers."""
