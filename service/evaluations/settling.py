"""What a process settles once, before it ranks many pictures."""

from __future__ import annotations

import atexit
import gc
from functools import cache

from threadpoolctl import threadpool_limits


@cache
def settle() -> None:
    """Leave ranking to one thread of BLAS, and what is loaded by now out of the collector's rounds.

    Matrices of some forty checkpoints are too small to be shared out: with a busy second core, waiting for it made a
    leaderboard half as slow again. torch has threads of its own. And the collector went through everything that the
    libraries have loaded again and again while the rows of a large evaluation were made, which was half of the time.
    """
    threadpool_limits(limits=1, user_api="blas")
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # else libraries that count their objects at the end complain of leaks
