"""Pure statistics over outcomes: rates, intervals, order, ties and the recommendation. Imports no other domain."""

from service.rankings.comparison import (
    PairedComparison,
    RateDifference,
    compare_runs,
    compare_with_leader,
    failures_needed,
    mcnemar_exact,
)
from service.rankings.intervals import Tally, wilson
from service.rankings.leaderboard import LeaderboardEntry, build_leaderboard, control_entry
from service.rankings.outcomes import (
    CONTROL,
    SEVERITIES,
    SEVERITY_WEIGHTS,
    CellOutcome,
    FindingRow,
    Judgement,
    State,
    judge,
)
from service.rankings.recommendation import MIN_MEASURED_SHARE, Recommendation, name_entries, percent, recommend
from service.rankings.tables import SeedTable, seed_table, state_word

__all__ = [
    "CONTROL",
    "MIN_MEASURED_SHARE",
    "SEVERITIES",
    "SEVERITY_WEIGHTS",
    "CellOutcome",
    "FindingRow",
    "Judgement",
    "LeaderboardEntry",
    "PairedComparison",
    "RateDifference",
    "Recommendation",
    "SeedTable",
    "State",
    "Tally",
    "build_leaderboard",
    "compare_runs",
    "compare_with_leader",
    "control_entry",
    "failures_needed",
    "judge",
    "mcnemar_exact",
    "name_entries",
    "percent",
    "recommend",
    "seed_table",
    "state_word",
    "wilson",
]
