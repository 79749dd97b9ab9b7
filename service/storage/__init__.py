"""Runs, checkpoints and images: what is kept, under which name, and where."""
