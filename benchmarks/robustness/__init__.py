"""How often a verdict changes though the picture does not: saved as JPEG, resized, in a batch, looked at twice.

``python -m benchmarks.robustness --images 300 --seed 1 --json``
"""
