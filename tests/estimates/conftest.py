"""What these tests share."""

from tests.evaluations.fixtures import base, models, space

__all__ = ["base", "models", "space"]
