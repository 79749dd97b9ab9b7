"""The API under made-up requests: ``python -m benchmarks.fuzz_api``."""
