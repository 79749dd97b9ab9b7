"""What audits are worth: corrected against uncorrected rates, and whether intervals hold what they say.

``python -m benchmarks.audits --seed S --json [--quick]``
"""
