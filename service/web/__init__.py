"""What every address shares: problems, request ids, logs, metrics, limits, repeated requests."""
