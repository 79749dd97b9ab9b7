"""SQL for API keys."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.database.models import ApiKey


def find_key(session: Session, key_id: str) -> ApiKey | None:
    """The key with that id, revoked or not."""
    return session.get(ApiKey, key_id)


def list_keys(session: Session) -> Sequence[ApiKey]:
    """Every key, oldest first."""
    return session.scalars(select(ApiKey).order_by(ApiKey.created_at, ApiKey.id)).all()


def count_valid(session: Session) -> int:
    """How many keys have not been revoked."""
    return session.scalar(select(func.count(ApiKey.id)).where(ApiKey.revoked_at.is_(None))) or 0
