"""Small matrices are not shared out over threads."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_info

from service.evaluations.threads import one_blas_thread


def test_blas_takes_one_thread() -> None:
    np.eye(4) @ np.eye(4)
    one_blas_thread()
    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert pools
    assert all(pool["num_threads"] == 1 for pool in pools)
