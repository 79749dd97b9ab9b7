"""Drawing, judging, taking back: what counts, and what stays in the history."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from service.audits.questions import Answer
from service.audits.views import AuditView
from service.errors import Conflict, InvalidInput, NotFound
from service.evaluations.workspace import Workspace


def judge_all(space: Workspace, evaluation: str, second: bool = False, wrong: int = 0) -> list[AuditView]:
    """Label everything that waits: as the machine says, but for every ``wrong``-th item."""
    views = []
    while (view := space.audits.next(evaluation, second)[0]) is not None:
        space.audits.label(evaluation, view.id, Answer.HOLDS, "aya", second)
        told = space.audits.item(evaluation, view.id).machine or {}
        contrary = bool(wrong) and len(views) % wrong == 0
        answer = Answer.FAILS if (told.get("verdict") == "fails") != contrary else Answer.HOLDS
        views.append(space.audits.label(evaluation, view.id, answer, "aya", second))
    return views


def test_draws_log_their_chances_and_never_draw_twice(space: Workspace, evaluation: str) -> None:
    first = space.audits.draw(evaluation, 20)
    second = space.audits.draw(evaluation, 30)
    assert abs(first.size - 20) <= 1
    items = space.audits.items(evaluation)
    assert len(items) == first.size + second.size
    assert len({(each.image, each.check, each.run, each.epoch, each.seed, each.scenario) for each in items}) == len(
        items
    )
    assert {each.run for each in items} == {"kk", "control"}
    assert {each.epoch for each in items} == {4, 8, None}
    assert sum(stratum["size"] for stratum in first.strata.values()) == 96
    assert all(0 < each.chance <= 1 for each in items if each.chance is not None)
    # The first items of a draw are as random as all of it: they do not come stratum by stratum.
    assert len({(each.run, each.epoch) for each in items[:8]}) > 1


def test_the_machine_is_not_told_before_the_label(space: Workspace, evaluation: str) -> None:
    space.audits.draw(evaluation, 5, "cast")
    view, waiting = space.audits.next(evaluation)
    assert view is not None
    assert (view.machine, view.label, waiting) == (None, None, 5)
    assert view.question == "Are exactly Kei in the picture, each of them once, and nobody else?".replace(
        "Kei", "Kei and Kana" if view.scenario == "hug" else "Kei"
    )
    assert view.control
    told = space.audits.label(evaluation, view.id, Answer.MINOR, "aya")
    assert told.machine is not None
    assert told.machine["detector"] == "brightness"
    assert (told.label, told.person) == ("minor", "aya")
    assert space.audits.next(evaluation)[1] == 4


def test_a_label_is_replaced_taken_back_and_remembered(space: Workspace, evaluation: str) -> None:
    space.audits.draw(evaluation, 3)
    view, _ = space.audits.next(evaluation)
    assert view is not None
    space.audits.label(evaluation, view.id, Answer.HOLDS, "aya")
    space.audits.label(evaluation, view.id, Answer.FAILS, "aya")
    undone = space.audits.undo(evaluation, "aya")
    assert (undone.id, undone.label, undone.machine) == (view.id, None, None)
    assert space.audits.next(evaluation)[0] == undone
    history = space.audits.item(evaluation, view.id).history
    assert [each["verdict"] for each in history] == ["holds", "fails"]
    assert all(each["undone_at"] for each in history)
    with pytest.raises(NotFound, match="aya has no label"):
        space.audits.undo(evaluation, "aya")


def test_people_do_not_overwrite_each_other(space: Workspace, evaluation: str) -> None:
    space.audits.draw(evaluation, 3)
    view, _ = space.audits.next(evaluation)
    assert view is not None
    with pytest.raises(Conflict, match="no first label"):
        space.audits.label(evaluation, view.id, Answer.HOLDS, "ben", second=True)
    space.audits.label(evaluation, view.id, Answer.HOLDS, "aya")
    with pytest.raises(Conflict, match="label by aya"):
        space.audits.label(evaluation, view.id, Answer.FAILS, "ben")
    told = space.audits.label(evaluation, view.id, Answer.FAILS, "ben", second=True)
    assert (told.label, told.second) == ("holds", "fails")


def test_second_labels_measure_agreement(space: Workspace, evaluation: str) -> None:
    space.audits.draw(evaluation, 20)
    judge_all(space, evaluation)
    judge_all(space, evaluation, second=True)
    found = space.audits.results(evaluation).agreement
    assert found.pairs >= 19
    assert found.share == 1.0
    assert found.kappa_interval is not None
    assert found.kappa_interval[0] < 1


def test_results_correct_what_was_judged(space: Workspace, evaluation: str) -> None:
    space.audits.draw(evaluation, 60)
    assert space.audits.results(evaluation).sentences[0].startswith("Nobody has labelled")
    judge_all(space, evaluation, wrong=4)
    found = space.audits.results(evaluation)
    assert found.overall is not None
    assert found.overall.pooled.corrected is not None
    assert found.overall.quality.precision is not None
    assert found.overall.quality.precision < 0.95
    assert {each.check for each in found.checks} == {"ahoge_bleed", "cast", "fusion"}
    assert [(each.run, each.epoch) for each in found.checks[0].rates] == [("kk", 4), ("kk", 8), ("control", None)]
    assert "label whole pictures" in found.sentences[-1]
    assert space.audits.results(evaluation) == found


def test_labels_of_everything_that_agree_change_nothing(space: Workspace, evaluation: str) -> None:
    space.audits.draw(evaluation, 1000)
    judge_all(space, evaluation)
    found = space.audits.results(evaluation)
    assert found.overall is not None
    assert found.labelled == 96
    assert found.overall.pooled.corrected == pytest.approx(found.overall.pooled.uncorrected, abs=0.01)
    assert (found.overall.quality.precision, found.overall.quality.recall) == (1.0, 1.0)
    with pytest.raises(InvalidInput, match="nothing left to draw"):
        space.audits.draw(evaluation, 1)


def test_cannot_tell_enters_no_rate(space: Workspace, evaluation: str) -> None:
    space.audits.draw(evaluation, 30)
    for view in space.audits.items(evaluation):
        space.audits.label(evaluation, view.id, Answer.CANT_TELL)
    found = space.audits.results(evaluation)
    assert (found.labelled, found.cant_tell) == (len(space.audits.items(evaluation)),) * 2
    assert found.overall is not None
    assert (found.overall.pooled.labels, found.overall.pooled.corrected) == (0, None)


def test_whole_pictures_correct_the_order(space: Workspace, evaluation: str) -> None:
    space.audits.draw(evaluation, 48, "picture")
    judge_all(space, evaluation)
    found = space.audits.results(evaluation)
    assert found.picture is not None
    board = {entry["epoch"]: entry for entry in space.evaluations.leaderboard(evaluation)["leaderboard"]}
    for each in found.picture.rates[:2]:
        assert each.rate.uncorrected == pytest.approx(board[each.epoch]["failure_rate"])
    assert "fails least" in found.sentences[-1]


def test_a_check_without_a_detector_keeps_no_picture_from_being_audited(space: Workspace, evaluation: str) -> None:
    profile = "update evaluations set request = json_set(request, '$.detector_profile', 'anime')"  # none for fusion
    with space.database.transaction() as session:
        session.execute(text(profile))
        session.execute(text("update detections set verdicts = 'cast::m' where verdicts like '%fusion%'"))
    space.audits.draw(evaluation, 1000, "picture")
    assert {each.scenario for each in space.audits.items(evaluation)} == {"hug", "solo"}
    judge_all(space, evaluation)
    found = space.audits.results(evaluation)
    assert found.picture is not None
    board = {entry["epoch"]: entry for entry in space.evaluations.leaderboard(evaluation)["leaderboard"]}
    for each in found.picture.rates[:2]:
        assert each.rate.uncorrected == pytest.approx(board[each.epoch]["failure_rate"])


def test_free_questions_are_asked_of_whole_pictures(space: Workspace, evaluation: str) -> None:
    asked = "Are all shadows possible?"
    space.audits.draw(evaluation, 12, "question", question=asked)
    view, _ = space.audits.next(evaluation)
    assert view is not None
    assert (view.question, view.check, view.character) == (asked, "question", None)
    for each in space.audits.items(evaluation):
        told = space.audits.label(evaluation, each.id, Answer.FAILS if each.run == "control" else Answer.HOLDS)
        assert told.machine is None
    [found] = space.audits.results(evaluation).questions
    by_run = {each.run: each for each in found.rates}
    assert (by_run["control"].rate, by_run["kk"].rate) == (1.0, 0.0)
    assert by_run["control"].interval is not None
    assert space.audits.results(evaluation).checks == ()
    space.audits.draw(evaluation, 6, "question", question="Is the lettering real?")
    assert len({each.question for each in space.audits.items(evaluation)}) == 2


@pytest.mark.parametrize(
    ("size", "about", "question", "words"),
    [
        (0, "findings", None, "1 to 2000 items"),
        (5, "shadows", None, "cannot be audited; choose"),
        (5, "question", None, "ask a question"),
        (5, "question", " x ", "ask a question"),
        (5, "cast", "Is it?", "about=question"),
    ],
)
def test_a_draw_that_cannot_be_is_refused(
    space: Workspace, evaluation: str, size: int, about: str, question: str | None, words: str
) -> None:
    with pytest.raises(InvalidInput, match=words):
        space.audits.draw(evaluation, size, about, question=question)
    assert space.audits.items(evaluation) == []


def test_what_is_not_there_is_said(space: Workspace, evaluation: str) -> None:
    with pytest.raises(NotFound, match="no evaluation nothing"):
        space.audits.draw("nothing", 5)
    with pytest.raises(NotFound, match="no audit item 99"):
        space.audits.label(evaluation, 99, Answer.HOLDS)


def test_a_running_evaluation_is_not_drawn_from(space: Workspace, evaluation: str) -> None:
    with space.database.transaction() as session:
        session.execute(text("update evaluations set status = 'running'"))
    with pytest.raises(Conflict, match="draw when it has finished"):
        space.audits.draw(evaluation, 5)


def test_a_finding_that_changed_is_left_out(space: Workspace, evaluation: str) -> None:
    space.audits.draw(evaluation, 1000)
    judge_all(space, evaluation)
    with space.database.transaction() as session:
        changed = text(
            "update findings set verdict = 'minor', body = json_set(body, '$.verdict', 'minor') where id = 1"
        )
        session.execute(changed)
    found = space.audits.results(evaluation)
    assert found.changed == 1
    assert any("have changed since" in each for each in found.warnings)


def test_an_error_that_differs_between_checkpoints_is_warned_of(space: Workspace, evaluation: str) -> None:
    space.audits.draw(evaluation, 1000, "cast")
    for view in space.audits.items(evaluation):
        told = space.audits.label(evaluation, view.id, Answer.HOLDS, "aya").machine or {}
        fails = (told["verdict"] == "fails") != (view.epoch == 8 and view.seed % 2 == 0)
        space.audits.label(evaluation, view.id, Answer.FAILS if fails else Answer.HOLDS, "aya")
    found = space.audits.results(evaluation)
    assert found.checks[0].p_adjusted is not None
    assert found.checks[0].p_adjusted < 0.05
    assert any("differs between checkpoints" in each and "kk epoch 8" in each for each in found.warnings)


def test_deleting_an_evaluation_takes_its_audits_along(space: Workspace, evaluation: str) -> None:
    space.audits.draw(evaluation, 5)
    judge_all(space, evaluation)
    with space.database.transaction() as session:
        for table in ("cells", "batches", "contenders", "evaluations"):
            session.execute(text(f"delete from {table}"))
    with space.database.reading() as session:
        for table in ("audit_draws", "audit_items", "audit_labels"):
            assert session.execute(text(f"select count(*) from {table}")).scalar() == 0


def test_pinned_seeds_are_never_drawn(space: Workspace, evaluation: str) -> None:
    with space.database.transaction() as session:
        lists = "'$.suite.pinned_seeds', json('[0, 1]'), '$.suite.seeds', json('[2, 3, 4, 5, 6, 7]')"
        session.execute(text(f"update evaluations set request = json_set(request, {lists})"))
    for about in ("findings", "picture", "question"):
        space.audits.draw(evaluation, 1000, about, question="Is all well?" if about == "question" else None)
    assert {each.seed for each in space.audits.items(evaluation)} == {2, 3, 4, 5, 6, 7}
    judge_all(space, evaluation)
    found = space.audits.results(evaluation)
    assert found.overall is not None
    assert found.overall.pooled.corrected == pytest.approx(found.overall.pooled.uncorrected, abs=0.01)
