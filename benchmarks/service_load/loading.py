"""Many clients at once, each asking again as soon as it is answered."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Target:
    """What is asked for: addresses that the clients take in turn."""

    name: str
    addresses: Sequence[str]


def measure(address: str, target: Target, clients: int, seconds: float) -> dict[str, Any]:
    """Ask for a time with so many clients.

    Returns:
        Requests, errors, requests a second, and milliseconds at the median, at 99 % and at the highest.
    """
    return asyncio.run(_measure(address, target, clients, seconds))


async def _measure(address: str, target: Target, clients: int, seconds: float) -> dict[str, Any]:
    times: list[float] = []
    errors: Counter[str] = Counter()
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    started = time.monotonic()

    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=_TIMEOUT_S, trust_env=False) as client:

        async def one(number: int) -> None:
            turn = number
            while time.monotonic() - started < seconds:
                begun = time.monotonic()
                try:
                    answer = await client.get(target.addresses[turn % len(target.addresses)])
                    if answer.status_code != 200:
                        errors[str(answer.status_code)] += 1
                except httpx.HTTPError as error:
                    errors[type(error).__name__] += 1
                times.append(time.monotonic() - begun)
                turn += clients

        await asyncio.gather(*(one(number) for number in range(clients)))
    took = time.monotonic() - started
    p50, p99 = (float(np.quantile(times, share)) * 1000 for share in (0.5, 0.99))
    return {
        "endpoint": target.name,
        "requests": len(times),
        "errors": sum(errors.values()),
        "kinds": dict(errors),
        "per_second": round(len(times) / took, 1),
        "p50_ms": round(p50),
        "p99_ms": round(p99),
        "max_ms": round(max(times) * 1000),
    }
