"""What an evaluation will take, said before it starts, and the choice of what part of the grid to make."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.cli.printing import print_json, say
from service.database.models import Checkpoint
from service.estimates.figures import Estimate, duration
from service.estimates.measuring import is_measurable
from service.estimates.service import EstimateService, planned_request
from service.evaluations.requests import EvaluationRequest
from service.evaluations.workspace import Workspace

_WIDTH_OF_LOGS = 120


@dataclass(frozen=True)
class PlanOptions:
    """What the command line says about the plan; see the options of ``bleedcheck evaluate``."""

    stop: bool = False
    full: bool = False
    max_hours: float | None = None
    price: float | None = None
    all_epochs: bool = False
    all_seeds: bool = False


@dataclass(frozen=True)
class Planned:
    """What to do, and what was foreseen of it; nothing where the images exist or all is done."""

    request: EvaluationRequest
    estimate: dict[str, Any] | None


def planned(
    space: Workspace,
    request: EvaluationRequest,
    checkpoints: Sequence[Checkpoint],
    options: PlanOptions,
    *,
    as_json: bool,
) -> Planned | None:
    """Choose the plan and say what it takes; ``None`` if that was all that was asked.

    Raises:
        InvalidInput: no plan ends in the hours that are allowed.
    """
    if not is_measurable(request) and not options.stop:
        return Planned(request, None)
    service = EstimateService(space)
    with redirect_stdout(sys.stderr):
        # Whoever opens the base says what is to be known of it.
        notices = service.notices(request) if options.stop and service.is_measured(request) else []
        estimates = service.choose(
            request,
            checkpoints,
            full=options.full,
            max_hours=options.max_hours,
            price=options.price,
            all_epochs=options.all_epochs,
            all_seeds=options.all_seeds,
        )
    taken, others = estimates[0], estimates[1:]
    facts = {**taken.to_json(), "other_plans": [other.to_json() for other in others]}
    if not options.stop:
        for sentence in sentences(taken):
            say(sentence)
        return Planned(planned_request(request, taken.plan, taken.measured), facts)
    for notice in notices:
        say(notice)
    if as_json:
        print_json(facts)
    else:
        _print(taken, others)
    return None


def sentences(estimate: Estimate) -> list[str]:
    """An estimate for people.

    Returns:
        What it takes, what is left out, and whether the disk is too small.
    """
    plan, measured = estimate.plan, estimate.measured
    size = f"{len(plan.checkpoints)} checkpoints and the base x {len(plan.suite.scenarios)} scenarios x "
    said = [f"plan '{plan.name}': {plan.images} images ({size}{len(plan.suite.seeds)} seeds)"]
    if plan.budget is not None:
        size = f"{len(plan.checkpoints)} checkpoints and the base, {len(plan.suite.scenarios)} scenarios"
        said = [f"plan '{plan.name}': at most {plan.images} images in rounds ({size})"]
    there = f", {estimate.there} of them exist" if estimate.there else ""
    cost = f", {estimate.cost:.2f} at {estimate.price:g} an hour" if estimate.cost is not None else ""
    said[0] += f"{there}; {duration(estimate.hours)}, {megabytes(estimate.disk_bytes)}{cost}"
    said.append(
        f"measured on {measured.device}: {measured.image_s:.3g} s an image (generating {measured.generate_s:.3g}, "
        f"judging {measured.judge_s:.3g}, storing {measured.store_s:.2g}; {measured.batch_size} at once), "
        f"{measured.swap_s:.2g} s a checkpoint"
    )
    if plan.left_out:
        said.append(f"left out: {'; '.join(plan.left_out)} (--full takes everything)")
    if estimate.disk_bytes >= estimate.free_bytes:
        said.append(f"the disk has only {megabytes(estimate.free_bytes)} left: free some space, or use --data-dir")
    return said


def megabytes(size: float) -> str:
    """Bytes in words.

    >>> megabytes(1_234_000), megabytes(98_700_000_000)
    ('1.2 MB', '98.7 GB')
    """
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _print(taken: Estimate, others: Sequence[Estimate]) -> None:
    console = Console(width=None if sys.stdout.isatty() else _WIDTH_OF_LOGS)
    for sentence in sentences(taken):
        console.print(Text(sentence[0].upper() + sentence[1:] + "."))
    table = Table(pad_edge=False)
    for name in ("", "plan", "checkpoints", "scenarios", "seeds", "images", "time", "disk", "cost"):
        table.add_column(name, justify="left" if name in ("", "plan") else "right")
    for each in sorted((taken, *others), key=lambda each: -each.plan.images):
        plan = each.plan
        seeds = "" if plan.budget is not None else len(plan.suite.seeds)  # rounds draw as many as they need
        counts = [len(plan.checkpoints), len(plan.suite.scenarios), seeds, plan.images]
        cost = "" if each.cost is None else f"{each.cost:.2f}"
        mark = ">" if each is taken else ""
        table.add_row(mark, plan.name, *map(str, counts), duration(each.hours), megabytes(each.disk_bytes), cost)
    console.print(table)
    if taken.plan.budget is None:
        console.print(Text("Without --plan the marked one is made; --full makes everything, --max-hours what fits."))
    else:
        console.print(Text("That is the most it takes; it ends as soon as it is decided. --max-images allows less."))
