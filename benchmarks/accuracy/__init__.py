"""How often the detectors are right, on drawings that neither training nor calibration has seen.

``python -m benchmarks.accuracy --images 2000 --seed 1 --json``
"""
