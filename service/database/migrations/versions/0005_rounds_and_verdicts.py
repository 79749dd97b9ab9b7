"""rounds and verdicts"""

from __future__ import annotations

from itertools import groupby

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_LETTERS = {"holds": "h", "minor": "m", "not_measurable": "n"}
_FAILS = {"lost": "l", "fused": "f"}


def upgrade() -> None:
    """Bring the tables forward; what was found so far gets its short text too."""
    op.create_table(
        "rounds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("evaluation_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluations.id"], name=op.f("fk_rounds_evaluation_id_evaluations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rounds")),
        sa.UniqueConstraint("evaluation_id", "number", name=op.f("uq_rounds_evaluation_id")),
    )
    op.add_column("detections", sa.Column("verdicts", sa.String(), nullable=True))
    connection = op.get_bind()
    rows = connection.execute(
        sa.text(
            'select detection_id, "check", character, verdict, severity from findings order by detection_id, position'
        )
    ).all()
    texts = [
        {"id": identifier, "verdicts": " ".join(f"{row[1]}:{row[2] or ''}:{_letter(row[3], row[4])}" for row in found)}
        for identifier, found in groupby(rows, key=lambda row: row[0])
    ]
    if texts:
        connection.execute(sa.text("update detections set verdicts = :verdicts where id = :id"), texts)


def downgrade() -> None:
    """Take the change back."""
    op.drop_column("detections", "verdicts")
    op.drop_table("rounds")


def _letter(verdict: str, severity: str | None) -> str:
    return _LETTERS.get(verdict) or _FAILS.get(severity or "", "c")
