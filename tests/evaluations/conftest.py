"""What these tests share."""

from tests.evaluations.fixtures import base, loras, models, space

__all__ = ["base", "loras", "models", "space"]
