"""Alembic's entry: migrations run on the connection that :class:`service.database.engine.Database` hands over."""

from __future__ import annotations

from alembic import context

from service.database.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    compare_type=True,
)
context.run_migrations()
