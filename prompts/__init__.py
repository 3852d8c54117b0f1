"""Style presets as files, and the words they put into a prompt."""
