"""What an evaluation will take, before it starts: images, hours, disk and rent, from seconds of measuring."""

from __future__ import annotations

from service.estimates.figures import Estimate, Measurement
from service.estimates.plans import Candidate, Plan, ladder

__all__ = ["Candidate", "Estimate", "Measurement", "Plan", "ladder"]
