"""Reading a request's body as one file, piece by piece, whatever form it comes in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import InvalidInput, TooLarge
from service.web.limits import declared_bytes

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FORM_MARGIN_BYTES = 64 << 10
"""What a form adds around its file: boundaries, headers, a few small fields."""
_MAX_HEADER_BYTES = 8 << 10


async def raw_body(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body's pieces as they arrive.

    Raises:
        TooLarge: it says that it is larger than ``limit`` bytes, or turns out to be.
        UnreadableRequest: it says no size that can be read.
    """
    declared = declared_bytes(request.headers)
    if declared is not None and declared > limit:
        raise _too_large(limit)
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen > limit:
            raise _too_large(limit)
        yield chunk


class FormFile:
    """The file in a multipart form: its first part that has a file name. Nothing else of the form is kept.

    Feed it the body; ``name`` is set once the part's headers have come, ``take`` hands out the bytes read since.
    """

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or b"boundary" not in options:
            raise InvalidInput("the form has no boundary; send multipart/form-data as any HTTP client makes it")
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._part_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }
        self._parser = MultipartParser(options[b"boundary"], callbacks)
        self._field = b""
        self._value = b""
        self._disposition = b""
        self._inside = False
        self._pieces: list[bytes] = []
        self.name: str | None = None
        self.finished = False

    def feed(self, chunk: bytes) -> None:
        """Read the next piece of the body.

        Raises:
            InvalidInput: it is no well-formed form.
        """
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise InvalidInput(f"the form cannot be read: {error}") from error

    def take(self) -> bytes:
        """The file's bytes that have come since the last call."""
        content = b"".join(self._pieces)
        self._pieces.clear()
        return content

    def _part_begin(self) -> None:
        self._disposition = b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field = self._capped(self._field + data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value = self._capped(self._value + data[start:end])

    def _header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field = self._value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"filename" in options:
            if self.name is not None:
                raise InvalidInput("the form has several files; send one checkpoint at a time")
            self.name = options[b"filename"].decode("utf-8", "replace")
            self._inside = True

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._pieces.append(data[start:end])

    def _part_end(self) -> None:
        self._inside = False

    def _end(self) -> None:
        self.finished = True

    @staticmethod
    def _capped(value: bytes) -> bytes:
        if len(value) > _MAX_HEADER_BYTES:
            raise InvalidInput("a header inside the form is too long")
        return value


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the file is larger than the {limit} bytes that this server takes")
