"""The one tree of errors, each with the HTTP status it becomes.

BleedcheckError                     500
├── InvalidInput                    422   what was handed in cannot be used
│   ├── UnreadableCheckpoint        422
│   ├── UnmappedKeys                422
│   ├── UnreadableImage             422
│   ├── UnknownSuite                422
│   │   └── InvalidSuite            422   with line and field of every fault
│   └── KeyReused                   422   an Idempotency-Key for two different requests
├── Unauthorized                    401   a key is needed
├── NotAllowed                      403   the operator's settings forbid it
│   └── CrossSite                   403   another site's page sent it
├── WrongHost                       421   it was meant for another server
├── NotFound                        404
├── Conflict                        409   somebody else is at work, or the thing is in another state
│   └── CheckpointChanged           409
├── TooLarge                        413
├── MissingWeights                  503   a model file has to be put somewhere first
├── NotReady                        503   the server cannot do its work at the moment
└── StorageFailed                   507   the disk is full or cannot be written

Domains derive their own errors from these. The detectors know nothing of the service and have a tree of their own in
:mod:`detectors.errors`; :data:`KNOWN` is both. One handler in :mod:`service.web.problems` turns any of them into
``application/problem+json``; the command line prints the message in one line and ends with code 1.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from detectors.errors import DetectorError


class BleedcheckError(Exception):
    """Something Bleedcheck cannot do, said in one sentence that also says what to do about it."""

    status: ClassVar[int] = 500


class InvalidInput(BleedcheckError):
    """What was handed in cannot be used as it is."""

    status = 422


class UnreadableCheckpoint(InvalidInput):
    """The file is no readable safetensors file, or breaks one of the limits on headers."""


class UnmappedKeys(InvalidInput):
    """Tensors of an adapter have no place in the base model, so it would be applied only in part."""


class UnreadableImage(InvalidInput):
    """The file is no readable image."""


class UnknownSuite(InvalidInput):
    """There is no suite of that name, or the suite file breaks its own rules."""


@dataclass(frozen=True)
class SuiteFault:
    """One fault in a suite's text: its line (from 1), the field as a path, and what is wrong."""

    line: int
    field: str
    message: str


class InvalidSuite(UnknownSuite):
    """A suite's text breaks the rules; ``faults`` says where."""

    def __init__(self, message: str, faults: Sequence[SuiteFault] = ()) -> None:
        super().__init__(message)
        self.faults = tuple(faults)


class UnreadableRequest(InvalidInput):
    """A header says something that it cannot say."""

    status = 400


class KeyReused(InvalidInput):
    """An Idempotency-Key came with another request than the first time."""


class Unauthorized(BleedcheckError):
    """A key is needed, or the key is not known."""

    status = 401


class NotAllowed(BleedcheckError):
    """The operator's settings forbid it."""

    status = 403


class CrossSite(NotAllowed):
    """Another site's page sent something that changes things."""


class WrongHost(BleedcheckError):
    """The request was meant for another host."""

    status = 421


class NotFound(BleedcheckError):
    """There is no such run, checkpoint, evaluation or image."""

    status = 404


class Conflict(BleedcheckError):
    """It cannot be done in the state things are in, for instance while somebody else works on it."""

    status = 409


class CheckpointChanged(Conflict):
    """A registered file is not what it was when it was registered."""


class TooLarge(BleedcheckError):
    """More bytes than the operator allows."""

    status = 413


class MissingWeights(BleedcheckError):
    """A model's weights are not on this machine; the message says which file to put where."""

    status = 503


class NotReady(BleedcheckError):
    """The server cannot do its work at the moment."""

    status = 503


class StorageFailed(BleedcheckError):
    """The disk is full or cannot be written."""

    status = 507


# Errors that were foreseen: their message is for people, and they have a status.
KNOWN = (BleedcheckError, DetectorError)


NAMES_TOLD = 20
"""Names that a message lists at most."""


def refuse_unknown(owner: str, kind: str, asked: Collection[object] | None, known: Collection[object]) -> None:
    """Refuse a name that its owner does not have: a mistyped one is a mistake, and no empty result.

    Args:
        owner: whose names they are, in words.
        kind: what is named, such as ``check``.
        asked: the names that are asked for; ``None`` asks for none.
        known: the names there are, in the order in which the message lists them.

    Raises:
        InvalidInput: one is not known; the message says which are.

    >>> refuse_unknown("suite demo", "check", ["hand"], ["fusion", "hands"])
    Traceback (most recent call last):
    service.errors.InvalidInput: suite demo has no check 'hand'; it has fusion, hands
    """
    for name in asked or ():
        if name not in known:
            told = repr(name[:80]) if isinstance(name, str) else name
            first = ", ".join(str(each) for each in list(known)[:NAMES_TOLD]) or "none"
            more = f" and {len(known) - NAMES_TOLD} more" if len(known) > NAMES_TOLD else ""
            raise InvalidInput(f"{owner} has no {kind} {told}; it has {first}{more}")


def title_of(error: BleedcheckError | DetectorError) -> str:
    """The error's kind in words: ``CheckpointChanged`` becomes ``Checkpoint changed``."""
    name = type(error).__name__
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
    return words.capitalize()
