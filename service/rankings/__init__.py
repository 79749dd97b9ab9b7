"""Pure statistics over outcomes: rates, intervals, order, ties and the recommendation. Imports no other domain."""

from service.rankings.answering import answer
from service.rankings.comparison import (
    PairedComparison,
    compare_with_leader,
    failures_needed,
    mcnemar_exact,
)
from service.rankings.intervals import Tally, wilson
from service.rankings.leaderboard import LeaderboardEntry, build_leaderboard, control_entry
from service.rankings.outcomes import (
    APART_CHECKS,
    CONTROL,
    HIT_RATE_CHECKS,
    SEVERITIES,
    SEVERITY_WEIGHTS,
    CellOutcome,
    FindingRow,
    Grade,
    Judgement,
    State,
    grade_of,
    judge,
)
from service.rankings.ranking import Ranking, rank
from service.rankings.recommendation import (
    MIN_MEASURED_SHARE,
    Recommendation,
    how_sure,
    name_entries,
    percent,
    recommend,
    shown_standing,
)
from service.rankings.runs import Flip, RateDifference, compare_runs, flipped
from service.rankings.schemas import LeaderboardAnswer
from service.rankings.table_of_outcomes import NOBODY, Checkpoint, OutcomeTable
from service.rankings.tables import SeedTable, seed_table, state_word
from service.rankings.uses import USES, ScenarioFacts, Scoring, UnknownUse, Use, parse_use

__all__ = [
    "APART_CHECKS",
    "CONTROL",
    "HIT_RATE_CHECKS",
    "MIN_MEASURED_SHARE",
    "NOBODY",
    "SEVERITIES",
    "SEVERITY_WEIGHTS",
    "USES",
    "CellOutcome",
    "Checkpoint",
    "FindingRow",
    "Flip",
    "Grade",
    "Judgement",
    "LeaderboardAnswer",
    "LeaderboardEntry",
    "OutcomeTable",
    "PairedComparison",
    "Ranking",
    "RateDifference",
    "Recommendation",
    "ScenarioFacts",
    "Scoring",
    "SeedTable",
    "State",
    "Tally",
    "UnknownUse",
    "Use",
    "answer",
    "build_leaderboard",
    "compare_runs",
    "compare_with_leader",
    "control_entry",
    "failures_needed",
    "flipped",
    "grade_of",
    "how_sure",
    "judge",
    "mcnemar_exact",
    "name_entries",
    "parse_use",
    "percent",
    "rank",
    "recommend",
    "seed_table",
    "shown_standing",
    "state_word",
    "wilson",
]
