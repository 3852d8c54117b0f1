"""G-buffers and words to RGB."""
