"""An evaluation's life: plan, claim, generate, detect, resume."""
