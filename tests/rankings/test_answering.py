"""The answer as data and in words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from service.rankings import CellOutcome, LeaderboardAnswer, OutcomeTable, ScenarioFacts, answer, parse_use, schemas
from service.rankings.schemas import Part
from tests.rankings.test_ranking import FACTS, breaking, looks
from tests.rankings.worlds import checkpoint, outcome, row


def ask(outcomes: list[CellOutcome], **given: object) -> LeaderboardAnswer:
    return answer(OutcomeTable.from_outcomes(outcomes), **given)  # type: ignore[arg-type]


def test_the_answer_has_the_agreed_keys() -> None:
    data = ask([*checkpoint("hhf?", "v1", 4), *checkpoint("hhhh", "v2", 8)]).model_dump(mode="json")
    entry = data["leaderboard"][0]
    assert {"run", "epoch", "images", "failure_rate", "interval", "checks"} <= entry.keys()
    assert entry["checks"]["hands"].keys() >= {"fails", "minor", "holds", "not_measurable", "rate", "interval"}
    assert LeaderboardAnswer.model_validate(json.loads(json.dumps(data))).model_dump(mode="json") == data


def test_every_field_is_explained() -> None:
    parts = [each for each in vars(schemas).values() if isinstance(each, type) and issubclass(each, Part)]
    unexplained = [
        f"{part.__name__}.{name}"
        for part in parts
        if issubclass(part, BaseModel)
        for name, field in part.model_fields.items()
        if not field.description
    ]
    assert len(parts) > 20
    assert unexplained == []


def test_every_field_is_in_the_docs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "leaderboard.md").read_text()
    missing = [
        name
        for part in vars(schemas).values()
        if isinstance(part, type) and issubclass(part, Part)
        for name in part.model_fields
        if f"`{name}`" not in text
    ]
    assert sorted(set(missing)) == []


def test_a_breaking_run_in_words() -> None:
    result = ask(breaking(), scenarios=FACTS, measures=looks())
    text = " ".join(result.summary)
    assert result.summary[0] in ("Use: v2 epoch 140.", "Best so far, but tied: v2 epoch 140.")
    assert "From epoch 144 on, v2 fails more often in hands (0% before, 50% after): this one is before that." in text
    assert "The look of v2 is locked from epoch 136 on, so it is here." in text
    assert (result.sweet_spot.run, result.sweet_spot.epoch, result.sweet_spot.locked_from) == ("v2", 140, 136)
    assert result.recommendation.epoch == 140
    assert [entry.standing for entry in result.leaderboard].count("recommended") == 1
    assert {"run": "v2", "epoch": 140} in [each.model_dump() for each in result.not_separable]
    assert result.all_equal.p is not None
    assert result.all_equal.p < 0.001
    assert any(
        onset.sentence.startswith("In piggyback v2 is lost in hands more often from epoch 144:")
        for onset in result.onsets
    )


def test_a_use_is_named_first() -> None:
    result = ask(breaking(), scenarios=FACTS, use=parse_use("hard-contact"))
    assert result.use == "hard-contact"
    first = r"Best (so far, but|guess among those) tied for hard contact with crossing hands: v2 epoch \d+\."
    assert re.fullmatch(first, result.summary[0])
    assert set(result.leaderboard[0].scenarios) == {"piggyback"}


def test_a_use_without_a_scenario_says_so() -> None:
    result = ask(checkpoint("hhhh"), use=parse_use("hard-contact"))
    assert result.leaderboard == []
    assert result.recommendation.run is None
    assert result.summary == ["For hard contact with crossing hands: There are no checkpoint images yet."]


def test_two_runs_are_compared_and_flips_listed() -> None:
    result = ask([*checkpoint("hhhh", "v1", 4), *checkpoint("hLfh", "v2", 4)])
    assert result.runs is not None
    assert (result.runs.first, result.runs.second, result.runs.flipped_total) == ("v1", "v2", 2)
    assert [(flip.seed, flip.first, flip.second) for flip in result.runs.flipped] == [
        (1, "holds", "lost"),
        (2, "holds", "fails"),
    ]
    assert ask(checkpoint("hh")).runs is None


def test_pinned_seeds_are_shown_and_not_counted() -> None:
    pinned = CellOutcome("v1", 4, "hug", 13, False, (row("L"),), pinned=True)
    result = ask([*checkpoint("hh"), pinned])
    assert [each.model_dump() for each in result.pinned] == [
        {"run": "v1", "epoch": 4, "scenario": "hug", "seed": 13, "state": "lost"}
    ]
    assert (result.leaderboard[0].images, result.leaderboard[0].fails) == (2, 0)


def test_phrasings_are_set_side_by_side_in_words() -> None:
    facts = [ScenarioFacts("sentence"), ScenarioFacts("tags", variant_of="sentence")]
    outcomes = [
        CellOutcome("v1", 4, name, seed, False, (row("h"), row(pose, "pose", None)))
        for name, poses in (("sentence", "f" * 14 + "hh"), ("tags", "h" * 14 + "ff"))
        for seed, pose in enumerate(poses)
    ]
    result = ask(outcomes, scenarios=facts)
    assert (result.phrasings[0].original.hits, result.phrasings[0].variant.hits) == (2, 14)
    assert any(
        text.startswith("Ask for it as in tags: the pose comes out on 88% of the images") for text in result.summary
    )


def test_good_pictures_hang_on_their_checkpoint() -> None:
    result = ask([*checkpoint("hhff", epoch=4), *checkpoint("ffff", epoch=8)])
    assert result.leaderboard[0].good_pictures["hug"].keepers == [0, 1]
    assert result.leaderboard[0].good_pictures["hug"].needed == 5
    assert result.leaderboard[1].good_pictures["hug"].needed is None


@pytest.mark.parametrize(
    ("outcomes", "says"),
    [
        ([], "There are no checkpoint images yet."),
        (checkpoint("h"), "It is the only checkpoint, so there is nothing to compare it with."),
        (
            [*checkpoint("h", epoch=4), *checkpoint("h", epoch=8)],
            "With 1 images to compare, no difference could be told",
        ),
        (
            [*checkpoint("f" * 8, epoch=4), *checkpoint("f" * 8, epoch=8)],
            "none of these checkpoints is good at this suite",
        ),
        ([*checkpoint("h" * 8, epoch=4), *checkpoint("h" * 8, epoch=8)], "0 of 8 judged images failed"),
        (
            [*checkpoint("?" * 8, epoch=4), *checkpoint("x" * 8, epoch=8)],
            "Not enough data: no checkpoint got a verdict",
        ),
        ([outcome("h", run="control", epoch=None)], "There are no checkpoint images yet."),
    ],
)
def test_edges_get_an_answer_that_says_so(outcomes: list[CellOutcome], says: str) -> None:
    assert says in " ".join(ask(outcomes).summary)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["v1", "v2", "control"]), st.sampled_from([4, 8]), st.text("hmfFL?x", max_size=5)),
        max_size=6,
        unique_by=lambda group: group[:2],
    )
)
def test_whatever_the_outcomes_the_answer_is_plain_json(groups: list[tuple[str, int, str]]) -> None:
    outcomes = [image for run, epoch, letters in groups for image in checkpoint(letters, run, epoch)]
    result = ask(outcomes)
    assert json.loads(json.dumps(result.model_dump(mode="json"), allow_nan=False))
    assert result.summary
    assert all(text.endswith(".") for text in result.summary)
