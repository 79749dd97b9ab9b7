"""Tables of the experiment, with Wilson intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from service.rankings import (
    CellOutcome,
    Tally,
    build_leaderboard,
    compare_runs,
    control_entry,
    judge,
    recommend,
    seed_table,
)

Pick = Callable[[CellOutcome], bool]
HAND_EPOCHS = (140, 144, 148, 150)
QUESTIONS: tuple[tuple[str, str, str | None, Pick], ...] = (
    ("ahoge on Kei, two people", "ahoge_bleed", "Kei", lambda o: "solo" not in o.scenario),
    ("fusion in contact", "fusion", None, lambda o: True),
    ("second person in a solo picture", "cast", None, lambda o: "solo" in o.scenario),
    ("wrong cast, two people", "cast", None, lambda o: "solo" not in o.scenario),
    ("hands in contact", "hands", None, lambda o: True),
)


def cell(tally: Tally) -> str:
    """``12 % [8, 18] of 96`` or ``not measured``."""
    if tally.rate is None or tally.interval is None:
        return "not measured"
    low, high = tally.interval
    return f"{100 * tally.rate:.0f} % [{100 * low:.0f}, {100 * high:.0f}] of {tally.measured}"


def _tally(outcomes: Sequence[CellOutcome], check: str, character: str | None) -> Tally:
    asked = [o for o in outcomes if any(f.check == check and character in (None, f.character) for f in o.findings)]
    return Tally.of(judge(o, check, character) for o in asked)


def rates_by_epoch(outcomes: Sequence[CellOutcome], runs: Sequence[str], bands: Sequence[tuple[int, int]]) -> str:
    """One table a question: rows are bands of epochs, columns are runs; the control in its own row."""
    blocks = []
    for title, check, character, pick in QUESTIONS:
        lines = [f"**{title}** (`{check}`, failure rate)", "", f"| epochs | {' | '.join(runs)} |"]
        lines.append("|---" * (len(runs) + 1) + "|")
        chosen = [o for o in outcomes if pick(o)]
        for low, high in bands:
            cells = [
                cell(_tally([o for o in chosen if o.run == r and low <= (o.epoch or 0) <= high], check, character))
                for r in runs
            ]
            lines.append(f"| {low}-{high} | {' | '.join(cells)} |")
        control = cell(_tally([o for o in chosen if o.run == "control"], check, character))
        lines.append(f"\nControl (no LoRA): {control}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def leaderboard_table(outcomes: Sequence[CellOutcome], top: int = 12) -> str:
    """The first checkpoints, the control, and the recommendation in words."""
    board = build_leaderboard(outcomes)
    lines = ["| checkpoint | failure rate | not measurable | images |", "|---|---|---|---|"]
    for entry in [*board[:top], *filter(None, [control_entry(outcomes)])]:
        data = entry.to_json()
        low, high = data["interval"] or (float("nan"), float("nan"))
        rate = "not measured" if entry.failure_rate is None else f"{100 * entry.failure_rate:.0f} % "
        span = f"[{100 * low:.0f}, {100 * high:.0f}]"
        missing = f"{100 * (1 - entry.measured_share):.0f} %"
        lines.append(f"| {entry.label} | {rate}{span} | {missing} | {data['images']} |")
    advice = recommend(board)
    return "\n".join([*lines, "", *advice.sentences])


def hand_table(outcomes: Sequence[CellOutcome], run: str, scenario: str, character: str, seeds: Sequence[int]) -> str:
    """Seed by epoch: the state of the hand that grips."""
    wanted = [o for o in outcomes if o.epoch in HAND_EPOCHS and o.seed in seeds]
    table = seed_table(wanted, run, scenario, "hands", character)
    rows = table.rows()
    lines = [f"| {' | '.join(rows[0])} |", "|---" * len(rows[0]) + "|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows[1:]])


def differences(outcomes: Sequence[CellOutcome], first: str, second: str, epochs: Sequence[int]) -> str:
    """Rate differences of two runs over the same epochs, scenarios and seeds."""
    lines = [f"| check | {second} - {first}, points |", "|---|---|"]
    for check, character in (
        (None, None),
        ("ahoge_bleed", "Kei"),
        ("ahoge_missing", "Kana"),
        ("hair_bleed", None),
        ("fusion", None),
        ("cast", None),
        ("hands", None),
    ):
        found = compare_runs(outcomes, first, second, check=check, character=character, epochs=epochs)
        data = found.to_json()
        if data["difference"] is None:
            lines.append(f"| {check or 'any check'} | not measured |")
            continue
        low, high = data["interval"]
        lines.append(
            f"| {check or 'any check'} | {100 * data['difference']:+.0f} [{100 * low:+.0f}, {100 * high:+.0f}] |"
        )
    return "\n".join(lines)
