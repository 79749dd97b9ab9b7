"""Leaderboard and grid under many clients: ``python -m benchmarks.service_load``."""
