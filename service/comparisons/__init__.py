"""Two runs, or two checkpoints, against each other."""
