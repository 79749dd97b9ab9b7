"""What these tests share."""

from tests.service.two_runs import two_runs

__all__ = ["two_runs"]
