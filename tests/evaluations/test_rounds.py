"""Evaluations that plan in rounds: the budget is kept, a killed one goes on where it was, the answer says why."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from service.errors import InvalidInput
from service.evaluations import repository
from service.evaluations.executor import Progress, Status
from service.evaluations.requests import EvaluationRequest
from service.evaluations.rounds import RoundPlan, seed_of
from service.evaluations.workspace import Workspace
from tests.evaluations.test_resume import pictures, start_process
from tests.evaluations.world import SmallModels, ask, open_space, register, small_suite

BUDGET = 30


def asked(space: Workspace, loras: list[Path], max_images: int | None = BUDGET) -> EvaluationRequest:
    request = ask(space, register(space, loras))
    return request.model_copy(update={"until": "decided", "max_images": max_images})


def plans_of(space: Workspace, evaluation_id: str) -> list[RoundPlan]:
    with space.database.reading() as session:
        return [RoundPlan.model_validate(each.plan) for each in repository.rounds(session, evaluation_id)]


def test_it_spends_its_budget_in_rounds_and_says_how_it_ended(
    space: Workspace, loras: list[Path], models: SmallModels
) -> None:
    evaluation = space.evaluations.start(asked(space, loras))
    seen: list[Progress] = []
    assert space.executor.run(evaluation.id, seen.append) is Status.FINISHED
    plans = plans_of(space, evaluation.id)
    assert [plans[0].phase, plans[-1].phase] == ["race", "over"]
    assert len(plans) > 3
    assert models.generated == seen[-1].total <= BUDGET
    assert seen[-1].judged == seen[-1].total > 2 * 3 * 2
    made = set(pictures(space, evaluation.id))
    assert {key for key in made if key[0] == "control"} == {("control", None, "hug", 7), ("control", None, "solo", 13)}
    for plan in plans[:-1]:  # the same cells for all that play
        cells = {(name, seed) for name, seeds in plan.seeds.items() for seed in seeds}
        assert {("kk", 4 * place, *cell) for place in plan.playing for cell in cells} <= made
    board = space.evaluations.leaderboard(evaluation.id)
    told = board["decision"]
    assert told["ended"] == "budget spent"
    assert told["images"] == models.generated
    assert board["summary"][: len(told["sentences"])] == told["sentences"]
    assert (board["leaderboard"][0]["run"], board["leaderboard"][0]["epoch"]) == (told["run"], told["epoch"])
    assert told["sentences"][0].startswith(f"The budget of {BUDGET} images is spent. The best guess is kk epoch ")
    assert len(told["rounds"]) == len(plans)
    view = space.evaluations.report(evaluation.id, str)
    advice = board["recommendation"]
    assert view.recommendation.to_json()["sentences"] == advice["sentences"]
    assert [(row.entry.run, row.entry.epoch) for row in view.rows] == [
        (entry["run"], entry["epoch"]) for entry in board["leaderboard"]
    ]


def test_asking_again_finds_the_decision(space: Workspace, loras: list[Path], models: SmallModels) -> None:
    request = asked(space, loras)
    first = space.evaluations.start(request)
    assert first.status == Status.PLANNED
    space.executor.run(first.id)
    made, before = models.generated, space.evaluations.leaderboard(first.id)
    again = space.evaluations.start(request)
    assert (again.id, again.status) == (first.id, Status.FINISHED)
    assert models.generated == made
    assert space.evaluations.leaderboard(first.id) == before
    assert space.evaluations.start(asked(space, loras, BUDGET + 6)).id != first.id


def test_seeds_are_the_suites_own_and_then_fresh_ones_that_never_change() -> None:
    suite = small_suite()
    hug, solo = ([seed_of(suite, suite.content_hash, place, number) for number in range(6)] for place in (0, 1))
    assert (hug[:3], solo[:3]) == ([7, 13, 99], [13, 99, 7])
    assert len({*hug, *solo[3:]}) == 9
    assert hug == [seed_of(suite, suite.content_hash, 0, number) for number in range(6)]
    assert hug[3:] != [seed_of(suite, "another", 0, number) for number in range(3, 6)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"until": None, "max_images": 10}, "needs a goal"),
        ({"max_images": 5}, "takes 6 images; allow more"),
        ({"checkpoints": ("one",)}, "nothing to decide between"),
    ],
)
def test_a_budget_that_can_decide_nothing_is_refused(
    space: Workspace, loras: list[Path], change: dict[str, object], words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        space.evaluations.start(asked(space, loras).model_copy(update=change))


def test_stopped_between_two_rounds_it_is_still_open(space: Workspace, loras: list[Path]) -> None:
    request = asked(space, loras)
    evaluation = space.evaluations.start(request)
    with space.database.transaction() as session:  # as a process leaves it that dies between two rounds
        row = repository.get(session, evaluation.id)
        row.status = Status.RUNNING
    assert space.evaluations.start(request).status == Status.PLANNED
    space.executor.run(evaluation.id)
    assert plans_of(space, evaluation.id)[-1].phase == "over"


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_killed_in_the_middle_of_a_round_it_goes_on_in_the_same_round(
    tmp_path: Path, base: Path, loras: list[Path]
) -> None:
    calm, troubled = (open_space(tmp_path / name, base) for name in ("calm", "troubled"))
    undisturbed = calm.evaluations.start(asked(calm, loras))
    output, _ = start_process(calm, base, undisturbed.id).communicate(timeout=600)
    assert output.splitlines()[-1] == Status.FINISHED
    evaluation = troubled.evaluations.start(asked(troubled, loras))
    for lines_before_death in (3, 6, 4):
        process = start_process(troubled, base, evaluation.id)
        assert process.stdout is not None
        for _ in range(lines_before_death):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert troubled.evaluations.state(evaluation.id).evaluation.status == Status.RUNNING
    assert plans_of(troubled, evaluation.id)[-1].phase != "over"
    output, _ = start_process(troubled, base, evaluation.id).communicate(timeout=600)
    assert output.splitlines()[-1] == Status.FINISHED
    assert plans_of(troubled, evaluation.id) == plans_of(calm, undisturbed.id)
    assert pictures(troubled, evaluation.id) == pictures(calm, undisturbed.id)
    ours, theirs = (s.evaluations.leaderboard(e.id) for s, e in ((troubled, evaluation), (calm, undisturbed)))
    assert ours["decision"] == theirs["decision"]
    calm.close()
    troubled.close()
