"""What makes the checkpoints: data sets, losses, one loop and its recipes."""
