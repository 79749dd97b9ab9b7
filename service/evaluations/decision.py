"""What the rounds of an evaluation come to: the decision, why each checkpoint was dropped, and how they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from service.evaluations.rounds import Drop, RoundPlan
from service.rankings import CONTROL, Checkpoint, OutcomeTable, Tally, answer, percent
from service.rankings.allocation import NEAR, Rules

ENDINGS = {"leader": "leader", "tie": "tie", "budget": "budget spent"}


def decision(
    plans: Sequence[RoundPlan], checkpoints: Mapping[int, Checkpoint], *, max_images: int, images: int
) -> dict[str, Any]:
    """The decision as plain JSON values, also while it is still open.

    Args:
        plans: the rounds, in order.
        checkpoints: run and epoch by contender's position.
        max_images: what may be made, the control's included.
        images: what has been planned so far.
    """
    last = plans[-1]
    over = last.phase == "over"
    pick = checkpoints[last.pick] if over and last.pick is not None else None
    tally = _confirmed(last)
    rules = Rules()
    return {
        "until": "decided",
        "max_images": max_images,
        "images": images,
        "ended": ENDINGS[last.ending] if last.ending else None,
        "run": pick[0] if pick else None,
        "epoch": pick[1] if pick else None,
        "still_in": [_name(checkpoints[place]) for place in order(plans, racing_only=True)],
        "confirmed": tally.to_json() if tally else None,
        "promise": {"level": rules.level, "margin": rules.margin, "near": NEAR},
        "rounds": [_round(number, plan, checkpoints) for number, plan in enumerate(plans, start=1)],
        "sentences": sentences(plans, checkpoints, max_images),
    }


def order(plans: Sequence[RoundPlan], racing_only: bool = False) -> list[int]:
    """Contenders' positions, best first: those still racing, then those set aside, then those shown to be worse.

    Empty before the first round is done. Within each group the smoothed rate counts, and the pick is first.
    """
    standing = next((plan.standing for plan in reversed(plans) if plan.standing), [])
    fate: dict[int, int] = {}
    for plan in plans:
        fate |= {drop.contender: 1 if drop.how == "set aside" else 2 for drop in plan.dropped}
        fate |= dict.fromkeys(plan.returned, 0)
    rank = {
        each.contender: (fate.get(each.contender, 0), each.contender != plans[-1].pick, each.rate) for each in standing
    }
    ordered = sorted(rank, key=lambda place: rank[place])
    return [place for place in ordered if rank[place][0] == 0] if racing_only else ordered


def sentences(plans: Sequence[RoundPlan], checkpoints: Mapping[int, Checkpoint], max_images: int) -> list[str]:
    """The decision for people, most important first."""
    last = plans[-1]
    if last.phase != "over":
        racing = order(plans, racing_only=True) or last.playing
        what = "confirming the finalists on fresh seeds" if last.phase == "confirm" else "not decided yet"
        return [
            f"Round {len(plans)}: {what}; {len(racing)} of {len(checkpoints) - 1} checkpoints are still in the race."
        ]
    if last.pick is None:
        return ["Not decided: no image could be judged. Look at what is marked as not measurable first."]
    label = _label(checkpoints[last.pick])
    said = [_headline(last, label, checkpoints, max_images)]
    tally = _confirmed(last)
    if tally is not None and tally.interval is not None and tally.rate is not None:
        low, high = map(percent, tally.interval)
        said.append(
            f"On fresh seeds that only the finalists got: {tally.fails} of {tally.measured} images of {label} failed "
            f"({percent(tally.rate)}; 95% interval {low} to {high})."
        )
    said += _why(plans, checkpoints)
    return said


def race_order(plans: Sequence[RoundPlan], checkpoints: Mapping[int, Checkpoint]) -> dict[Checkpoint, int]:
    """Each checkpoint's place in the race; empty where there is none, or its first round is not done."""
    return {checkpoints[place]: rank for rank, place in enumerate(order(plans))} if plans else {}


def dropped(plans: Sequence[RoundPlan], checkpoints: Mapping[int, Checkpoint]) -> dict[Checkpoint, str]:
    """Checkpoints that are out of the race, and how: worse, set aside or not measurable."""
    racing = {checkpoints[place] for place in order(plans, racing_only=True)}
    fates = {checkpoints[drop.contender]: drop.how for plan in plans for drop in plan.dropped}
    return {name: how for name, how in fates.items() if name not in racing}


def advise(
    found: dict[str, Any],
    table: OutcomeTable,
    plans: Sequence[RoundPlan],
    checkpoints: Mapping[int, Checkpoint],
    max_images: int,
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """What rounds change in an answer: advice comes from those that were not dropped, and the decision is first.

    A lucky first round is no lead: a dropped checkpoint has few images, and must not be recommended for them.
    """
    racing = {checkpoints[place] for place in order(plans, racing_only=True)} or set(checkpoints.values())
    kept = [place in racing or place[0] == CONTROL for place in table.checkpoints]
    among = answer(table.keep(np.array(kept, dtype=bool)[table.checkpoint]), **given).model_dump(mode="json")
    fates = {(each["run"], each["epoch"]): each for each in among["leaderboard"]}
    drops = {checkpoints[drop.contender]: drop.how for plan in plans for drop in plan.dropped}
    told = decision(plans, checkpoints, max_images=max_images, images=len(table))
    return {
        "leaderboard": [
            {**entry, "standing": (fates.get(name) or {}).get("standing", drops.get(name, entry["standing"]))}
            for entry in found["leaderboard"]
            for name in [(entry["run"], entry["epoch"])]
        ],
        "not_separable": among["not_separable"],
        "recommendation": among["recommendation"],
        "sweet_spot": among["sweet_spot"],
        "decision": told,
        "summary": [*told["sentences"], *among["summary"]],
    }


def _headline(last: RoundPlan, label: str, checkpoints: Mapping[int, Checkpoint], max_images: int) -> str:
    rules = Rules()
    others = ", ".join(_label(checkpoints[place]) for place in last.tied)
    if last.ending == "leader":
        return (
            f"Decided: {label}. Each other checkpoint was shown to be worse, by a test that drops the best one with a "
            f"probability of at most {percent(rules.level)}, however often one looks."
        )
    if last.ending == "tie":
        points = f"{100 * rules.margin:g} points"
        return (
            f"A tie: {label}, {others}. With {percent(NEAR)} probability each, these fail at most {points} more often "
            "than the best one: take any of them."
        )
    rest = f" Still in the race: {others}." if others else ""
    chance = next((each.chance_best for each in last.standing if each.contender == last.pick), None)
    sure = f" (chance of being the best of those still in the race: {percent(chance)})" if chance is not None else ""
    return f"The budget of {max_images} images is spent. The best guess is {label}{sure}; that is no proof.{rest}"


def _why(plans: Sequence[RoundPlan], checkpoints: Mapping[int, Checkpoint]) -> list[str]:
    """Why each dropped checkpoint is out, those that came back left out."""
    drops: dict[int, tuple[int, Drop]] = {}
    for number, plan in enumerate(plans):
        drops |= {drop.contender: (number, drop) for drop in plan.dropped}
        for place in plan.returned:
            drops.pop(place, None)
    said = [
        f"{_label(checkpoints[place])} was dropped after round {number}: {_reason(drop, checkpoints)}."
        for place, (number, drop) in drops.items()
        if drop.how != "set aside"
    ]
    aside = [(number, drop) for number, drop in drops.values() if drop.how == "set aside"]
    if aside:
        names = ", ".join(f"{_label(checkpoints[drop.contender])} (round {number})" for number, drop in aside)
        said.append(f"Set aside as unlikely to be the best, to save images, which proves nothing: {names}.")
    return said


def _reason(drop: Drop, checkpoints: Mapping[int, Checkpoint]) -> str:
    if drop.how == "not measurable":
        return "none of its images could be judged"
    best = _label(checkpoints[drop.against])
    counts = (
        f"of {drop.pairs} images on the same prompts and seeds, {drop.only_this} failed where {best} passed and "
        f"{drop.only_against} the other way round"
    )
    if drop.how == "set aside":
        return f"its chance of being the best was {percent(drop.chance_best)}; {counts}"
    return f"shown to be worse; {counts}"


def _round(number: int, plan: RoundPlan, checkpoints: Mapping[int, Checkpoint]) -> dict[str, Any]:
    return {
        "number": number,
        "phase": plan.phase,
        "checkpoints": [_name(checkpoints[place]) for place in plan.playing],
        "seeds": plan.seeds,
        "images": len(plan.playing) * sum(map(len, plan.seeds.values())),
        "dropped_before": [
            {**_name(checkpoints[drop.contender]), "how": drop.how, "why": _reason(drop, checkpoints)}
            for drop in plan.dropped
        ],
        "returned_before": [_name(checkpoints[place]) for place in plan.returned],
        "standing": [
            {**_name(checkpoints[each.contender]), **each.model_dump(exclude={"contender"})} for each in plan.standing
        ],
    }


def _confirmed(last: RoundPlan) -> Tally | None:
    """What became of the pick on the finalists' fresh seeds."""
    if last.pick is None or last.pick not in last.confirmed:
        return None
    fails, measured = last.confirmed[last.pick]
    return Tally(fails=fails, holds=measured - fails)


def _name(checkpoint: Checkpoint) -> dict[str, Any]:
    return {"run": checkpoint[0], "epoch": checkpoint[1]}


def _label(checkpoint: Checkpoint) -> str:
    run, epoch = checkpoint
    return run if epoch is None else f"{run} epoch {epoch}"
