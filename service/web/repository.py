"""SQL for answers that may be asked for again."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, delete, or_
from sqlalchemy.orm import Session

from service.database.models import IdempotentAnswer


def find_answer(session: Session, key: str) -> IdempotentAnswer | None:
    """What was answered to a request with that key, or that one is being worked on."""
    return session.get(IdempotentAnswer, key)


def settle_answer(session: Session, key: str, request_hash: str, answer: dict[str, Any] | None) -> None:
    """Keep the answer to a request, or with ``None`` forget that there was one."""
    row = session.get(IdempotentAnswer, key)
    if row is None:
        return
    if answer is None:
        session.delete(row)
        return
    row.request_hash, row.status = request_hash, answer["status"]
    row.headers, row.body = answer["headers"], answer["body"]


def forget_answers(session: Session, *, finished_before: float, unfinished_before: float) -> None:
    """Drop answers that are older than these times (seconds since 1970)."""
    created, done = IdempotentAnswer.created_at, IdempotentAnswer.status.is_not(None)
    old = or_(and_(done, created < finished_before), and_(~done, created < unfinished_before))
    session.execute(delete(IdempotentAnswer).where(old))
