"""What can go wrong before an image exists.

InvalidInput
├── PromptTooLong        422
├── UnusableSettings     422
└── UnusableBase         422
Conflict
└── CardTooSmall         409
MissingWeights
└── BaseNotFound         503
"""

from __future__ import annotations

from service.errors import Conflict, InvalidInput, MissingWeights


class PromptTooLong(InvalidInput):
    """A prompt has more tokens than the base takes; it would be cut, or change the shape of its batch."""


class UnusableSettings(InvalidInput):
    """Generation settings that no image can be made with."""


class UnusableBase(InvalidInput):
    """A base model that is there, but is of no family that is known, or is incomplete."""


class CardTooSmall(Conflict):
    """The graphics card's memory does not suffice for one picture."""


class BaseNotFound(MissingWeights):
    """A base model that is not on this machine and could not be fetched."""
