"""SQL for suites that were handed in."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.database.models import SuiteVersion


def list_versions(session: Session) -> Sequence[SuiteVersion]:
    """Every version of every suite, by name, newest first."""
    return session.scalars(select(SuiteVersion).order_by(SuiteVersion.name, SuiteVersion.version.desc())).all()


def versions_of(session: Session, name: str) -> Sequence[SuiteVersion]:
    """The versions of one suite, newest first."""
    query = select(SuiteVersion).where(SuiteVersion.name == name)
    return session.scalars(query.order_by(SuiteVersion.version.desc())).all()
