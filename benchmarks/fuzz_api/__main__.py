"""``python -m benchmarks.fuzz_api``: made-up requests for every operation; ends with 1 if the server failed."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from benchmarks.fuzz_api.fuzzing import fuzz
from benchmarks.fuzz_api.world import filled_app


def main() -> None:
    """Fuzz and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz_api", description=__doc__)
    parser.add_argument("--examples", type=int, default=100, help="requests an operation and kind, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        outcome = fuzz(filled_app(Path(folder)), examples=given.examples, seed=given.seed)
    result = {**outcome.to_json(), "seconds": round(time.monotonic() - started, 1)}
    if given.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name}: {value}" if name != "failures" else f"failures: {len(outcome.failures)}")
        for failure in outcome.failures:
            print(f"  {failure}")
    raise SystemExit(1 if outcome.failures else 0)


if __name__ == "__main__":
    main()
