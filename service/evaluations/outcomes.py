"""The table of outcomes that ranking works on, straight from the columns of the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from service.evaluations.repository import OutcomeRow
from service.evaluations.requests import EvaluationRequest
from service.evaluations.trust import unanswered_checks
from service.evaluations.verdicts import unpack
from service.rankings import Checkpoint, OutcomeTable


def outcome_table(
    rows: Sequence[OutcomeRow], checkpoints: Mapping[int, Checkpoint], request: EvaluationRequest
) -> OutcomeTable:
    """Build the table of an evaluation's images.

    Args:
        rows: from :func:`service.evaluations.repository.outcome_rows`.
        checkpoints: run and epoch of each contender by its position, the control's included.
        request: says which checks a scenario asks for, and which seeds are pinned.
    """
    suite, unanswered = request.suite, unanswered_checks(request).keys()
    positions, scenarios, seeds, invalid, texts = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    contenders = {position: code for code, position in enumerate(checkpoints)}
    names: dict[str, int] = {}
    scenario = [names.setdefault(name, len(names)) for name in scenarios]
    seed = np.array(seeds, dtype=np.int64)
    found = unpack(texts)
    return OutcomeTable.from_columns(
        checkpoints=list(checkpoints.values()),
        scenarios=list(names),
        checks=found.checks,
        characters=found.characters,
        checkpoint=np.array([contenders[position] for position in positions], dtype=np.int64),
        scenario=np.array(scenario, dtype=np.int64),
        seed=seed,
        invalid=np.array([reason is not None for reason in invalid], dtype=bool),
        image=found.image,
        check=found.check,
        character=found.character,
        grade=found.grade,
        absent=found.absent,
        expected={scenario.name: set(scenario.checks) - unanswered for scenario in suite.scenarios},
        pinned=np.isin(seed, suite.pinned_seeds) if suite.pinned_seeds else None,
    )
