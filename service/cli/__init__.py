"""The command line ``bleedcheck``. Heavy libraries load when a command needs them, so that ``--help`` is quick."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence


class _Remarks(logging.Formatter):
    """Our own warnings as the command line says everything else; those of libraries as they are."""

    def format(self, record: logging.LogRecord) -> str:
        own = record.name.startswith(("service.", "detectors."))
        return f"{'bleedcheck: ' if own else ''}{super().format(record)}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process: 0 done, 1 an error, 2 wrong usage, 3 images missing, 130 interrupted.

    Args:
        arguments: what stands behind ``bleedcheck``; the process's own arguments by default.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    if logging.lastResort is not None:  # what prints warnings where nobody has said where they go
        logging.lastResort.setFormatter(_Remarks())
    from service.cli.commands import app
    from service.errors import KNOWN

    try:
        app(args=[each for each in given if each != "--debug"], prog_name="bleedcheck")
    except Exception as error:  # the one place where errors become a line for people
        if debug:
            raise
        known = isinstance(error, KNOWN)
        text = str(error) if known else f"unexpected {type(error).__name__}: {error} (--debug shows where)"
        print(f"bleedcheck: {text}", file=sys.stderr)
        raise SystemExit(getattr(error, "exit_code", 1)) from None
    except KeyboardInterrupt:
        print("bleedcheck: stopped", file=sys.stderr)
        raise SystemExit(130) from None
