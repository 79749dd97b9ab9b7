"""How many images a second all checks take, against the plain way: each model once per picture, one at a time.

``python -m benchmarks.scoring_speed --images 64 --json``
"""
