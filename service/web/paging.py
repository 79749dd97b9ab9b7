"""Cursors: where a list goes on, as a word that clients hand back and do not read."""

from __future__ import annotations

import base64
import binascii

from service.errors import InvalidInput

_LONGEST = 200


def cursor_at(*place: int | float | str) -> str:
    """The cursor behind a place in a list.

    >>> read_cursor(cursor_at(4711), 1)
    ['4711']
    """
    return base64.urlsafe_b64encode("\0".join(map(str, place)).encode()).decode().rstrip("=")


def read_cursor(cursor: str, parts: int) -> list[str]:
    """The place that a cursor stands for, in its parts.

    Raises:
        InvalidInput: it is none of ours.
    """
    try:
        if len(cursor) > _LONGEST:
            raise ValueError
        place = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode().split("\0")
    except (ValueError, binascii.Error):
        place = []
    if len(place) != parts:
        raise InvalidInput("the cursor is none; send the last answer's `next`, or leave it out to begin at the start")
    return place


def number_in_cursor(cursor: str | None) -> int:
    """The number that a cursor of one part stands for; 0 without a cursor.

    Raises:
        InvalidInput: it is none of ours.
    """
    if cursor is None:
        return 0
    (place,) = read_cursor(cursor, 1)
    if not (place.isascii() and place.isdigit() and len(place) < 18):
        raise InvalidInput("the cursor is none; send the last answer's `next`, or leave it out to begin at the start")
    return int(place)
