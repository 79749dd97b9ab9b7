"""Keeping standard error for what a person should read."""

from __future__ import annotations

import os
import re
import secrets
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_STDERR = 2
_ONE_AT_A_TIME = threading.Lock()
_PIECE_BYTES = 1 << 16


@contextmanager
def without_lines(noise: re.Pattern[bytes]) -> Iterator[None]:
    """Leave out lines that libraries of other languages write to standard error, where no setting of theirs stops them.

    Whatever else is written there by then, by any thread, is passed on, by the end of the block, also after an error. A
    process that is started in the meantime keeps what it takes for standard error for good: what it writes is passed on
    in the same way as long as this process lives.

    Args:
        noise: what a line to leave out matches from its beginning.
    """
    with _ONE_AT_A_TIME:
        try:
            sys.stderr.flush()
            real = os.dup(_STDERR)
        except (OSError, ValueError, AttributeError):  # closed, or there is none
            yield
            return
        source, drain = os.pipe()
        sieve = _Sieve(source, real, noise)
        sieve.start()
        os.dup2(drain, _STDERR)
        try:
            yield
        finally:
            with suppress(OSError, ValueError):
                sys.stderr.flush()
            os.dup2(real, _STDERR)
            os.write(drain, sieve.mark)
            os.close(drain)
            sieve.passed.wait()


class _Sieve(threading.Thread):
    """Passes lines on until nobody holds the other end of the pipe any more.

    The mark says that the block has ended: a line that is not finished by then is passed on as it is.
    """

    def __init__(self, source: int, target: int, noise: re.Pattern[bytes]) -> None:
        super().__init__(name="quieting", daemon=True)
        self.mark = secrets.token_hex(16).encode()
        self.passed = threading.Event()
        self._source, self._target, self._noise = source, target, noise

    def run(self) -> None:
        """See the base class."""
        rest = b""
        while piece := os.read(self._source, _PIECE_BYTES):
            before, mark, after = (rest + piece).partition(self.mark)
            if mark:
                self._pass(re.findall(rb"[^\n]*\n|[^\n]+", before))
                self.passed.set()
                before = after
            *whole, rest = before.split(b"\n")
            self._pass([line + b"\n" for line in whole])
        self._pass([rest])
        self.passed.set()
        os.close(self._source)
        os.close(self._target)

    def _pass(self, lines: list[bytes]) -> None:
        told = b"".join(line for line in lines if not self._noise.match(line))
        with suppress(OSError):  # nobody reads it
            while told:
                told = told[os.write(self._target, told) :]
