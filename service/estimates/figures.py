"""The arithmetic: from one measured machine and one plan to hours, bytes and money."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from service.errors import InvalidInput
from service.estimates.plans import Plan

_HOUR_S = 3600.0


@dataclass(frozen=True)
class Measurement:
    """What this machine did in the warm-up, with the real generator and the real detectors.

    Attributes:
        device: the GPU's model, or ``cpu`` with its number of cores.
        batch_size: images generated at once.
        overlaps: whether detectors look at one batch while the next is generated without slowing it down: on a GPU.
            On a CPU both need the same cores.
        open_s: seconds until the second batch could begin: loading, first fold, compiling. Paid once a process.
        generate_s: seconds an image, of a whole batch after the first.
        judge_s: seconds an image in the detectors.
        store_s: seconds an image to encode it.
        swap_s: seconds to read a checkpoint and fold it into the base.
        image_bytes: of one stored image.
        fingerprint: of the generator, for knowing which images exist; ``None`` of older measurements.
    """

    device: str
    batch_size: int
    overlaps: bool
    open_s: float
    generate_s: float
    judge_s: float
    store_s: float
    swap_s: float
    image_bytes: float
    fingerprint: dict[str, Any] | None = None

    @property
    def image_s(self) -> float:
        """Seconds an image takes all in all."""
        looking = self.judge_s + self.store_s
        return max(self.generate_s, looking) if self.overlaps else self.generate_s + looking

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: the figures alone."""
        figures = {name: value for name, value in asdict(self).items() if name != "fingerprint"}
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}


@dataclass(frozen=True)
class Estimate:
    """What a plan takes on a measured machine; one in rounds, at most.

    Attributes:
        plan: what would be generated.
        measured: on what the figures stand.
        there: images of the plan that exist already.
        free_bytes: on the disk of the data folder.
        price: of an hour of this machine, in whatever currency it was stated; ``None`` if it was not.
        is_begun: an evaluation of this plan was begun and is not finished.
    """

    plan: Plan
    measured: Measurement
    there: int
    free_bytes: int
    price: float | None = None
    is_begun: bool = False

    @property
    def to_make(self) -> int:
        """Images that have to be generated."""
        return max(self.plan.images - self.there, 0)

    @property
    def hours(self) -> float:
        """Hours until the answer, with nothing else running on the machine."""
        if self.to_make == 0:
            return 0.0
        swaps = self.plan.swaps * self.measured.swap_s
        return (self.measured.open_s + swaps + self.to_make * self.measured.image_s) / _HOUR_S

    @property
    def disk_bytes(self) -> int:
        """Bytes of the images that have to be generated."""
        return round(self.to_make * self.measured.image_bytes)

    @property
    def cost(self) -> float | None:
        """What the hours cost at the stated price."""
        return None if self.price is None else self.hours * self.price

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "plan": self.plan.to_json(),
            "images": self.plan.images,
            "images_there": min(self.there, self.plan.images),
            "hours": round(self.hours, 4),
            "seconds_per_image": round(self.measured.image_s, 4),
            "disk_bytes": self.disk_bytes,
            "disk_free_bytes": self.free_bytes,
            "disk_enough": self.disk_bytes < self.free_bytes,
            "price_per_hour": self.price,
            "cost": None if self.cost is None else round(self.cost, 2),
            "measured": self.measured.to_json(),
        }


def duration(hours: float) -> str:
    """Hours in words.

    >>> duration(0.004), duration(0.4), duration(7.25)
    ('14 s', '24 min', '7 h 15 min')
    """
    seconds = round(hours * 3600)
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def largest_that_fits(estimates: list[Estimate], max_hours: float) -> Estimate:
    """The first of ``estimates``, ordered from the fullest plan to the smallest, that ends in time.

    Raises:
        InvalidInput: not even the smallest does.
    """
    for estimate in estimates:
        if estimate.hours <= max_hours:
            return estimate
    smallest = estimates[-1]
    raise InvalidInput(
        f"even the smallest plan ({smallest.plan.images} images) takes {duration(smallest.hours)} here, more than "
        f"{max_hours:g} hours: allow more time, choose fewer epochs or a smaller size, or use a faster machine"
    )


def fitting_budget(estimate: Estimate, max_hours: float | None) -> Estimate:
    """An evaluation in rounds that ends in time even if it spends its whole budget.

    Raises:
        InvalidInput: it may not; the message says how many images would.
    """
    if max_hours is None or estimate.hours <= max_hours:
        return estimate
    measured, plan = estimate.measured, estimate.plan
    an_image = measured.image_s + measured.swap_s / len(plan.suite.scenarios)
    fits = estimate.there + max(int((max_hours * _HOUR_S - measured.open_s) / an_image), 0)
    raise InvalidInput(
        f"{plan.images} images may take {estimate.hours:.2f} hours here, more than {max_hours:g}: allow more time, or "
        f"{fits} images at most"
    )
