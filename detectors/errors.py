"""What the detectors refuse, each kind with the HTTP status it becomes where there is HTTP.

DetectorError            500
├── InvalidInput         422
│   └── UnreadablePicture 422
├── UnknownWeights       404
├── MissingWeights       503
├── ChangedWeights       409
└── UnusableWeights      422
"""

from __future__ import annotations

from typing import ClassVar


class DetectorError(Exception):
    """Something the detectors cannot do, said in one sentence that also says what to do about it."""

    status: ClassVar[int] = 500


class InvalidInput(DetectorError):
    """An image, an expectation or the name of a profile cannot be used as it is."""

    status = 422


class UnreadablePicture(InvalidInput):
    """A file is no readable picture; the message names it."""


class UnknownWeights(DetectorError):
    """The manifest has no weights of that name."""

    status = 404


class MissingWeights(DetectorError):
    """A network's weights are not on this machine; the message says which file to put where."""

    status = 503


class ChangedWeights(DetectorError):
    """A file of weights is not the one that was published, or not the one that was used before."""

    status = 409


class UnusableWeights(DetectorError):
    """A file of weights is no model of the expected kind."""

    status = 422
