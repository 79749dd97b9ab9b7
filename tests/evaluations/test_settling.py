"""Small matrices are not shared out over threads, and the collector lets alone what stays."""

from __future__ import annotations

import gc

import numpy as np
from threadpoolctl import threadpool_info

from service.evaluations.settling import settle


def test_blas_takes_one_thread_and_what_is_loaded_is_not_gone_through_again() -> None:
    np.eye(4) @ np.eye(4)
    gc.unfreeze()
    settle.cache_clear()
    settle()
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert pools
    assert all(pool["num_threads"] == 1 for pool in pools)
    assert gc.get_freeze_count() > 10_000
