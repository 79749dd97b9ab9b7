"""SQLAlchemy models, migrations, and short transactions."""
