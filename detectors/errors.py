"""What the detectors refuse, each kind with the HTTP status it becomes where there is HTTP.

DetectorError            500
├── InvalidInput         422
├── UnknownWeights       404
└── MissingWeights       503
"""

from __future__ import annotations

from typing import ClassVar


class DetectorError(Exception):
    """Something the detectors cannot do, said in one sentence that also says what to do about it."""

    status: ClassVar[int] = 500


class InvalidInput(DetectorError):
    """An image, an expectation or the name of a profile cannot be used as it is."""

    status = 422


class UnknownWeights(DetectorError):
    """The manifest has no weights of that name."""

    status = 404


class MissingWeights(DetectorError):
    """A network's weights are not on this machine; the message says which file to put where."""

    status = 503
