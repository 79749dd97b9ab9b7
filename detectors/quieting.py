"""Keeping standard error for what a person should read."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2
_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def without_lines(noise: re.Pattern[bytes]) -> Iterator[None]:
    """Leave out lines that libraries of other languages write to standard error, where no setting of theirs stops them.

    Whatever else is written there by then, by any thread, is passed on at the end of the block, also after an error.

    Args:
        noise: what a line to leave out matches from its beginning.
    """
    with _ONE_AT_A_TIME, tempfile.TemporaryFile() as held:
        try:
            sys.stderr.flush()
            real = os.dup(_STDERR)
        except (OSError, ValueError, AttributeError):  # closed, or there is none
            yield
            return
        os.dup2(held.fileno(), _STDERR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(real, _STDERR)
            os.close(real)
            held.seek(0)
            for line in held:
                if not noise.match(line):
                    os.write(_STDERR, line)
