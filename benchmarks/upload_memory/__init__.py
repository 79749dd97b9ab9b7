"""What a large upload does to the server's memory: ``python -m benchmarks.upload_memory``."""
