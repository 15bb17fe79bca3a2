"""Data, losses, loop and checkpoints that make weights."""
