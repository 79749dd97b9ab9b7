"""How many processor threads the ranking's linear algebra takes."""

from __future__ import annotations

from functools import cache

from threadpoolctl import threadpool_limits


@cache
def one_blas_thread() -> None:
    """From now on numpy's and scipy's BLAS use one thread in this process; torch has threads of its own.

    Matrices of some forty checkpoints are too small to be shared out: waiting for a second thread made a leaderboard
    half as slow again while the other core was busy.
    """
    threadpool_limits(limits=1, user_api="blas")
