"""Pictures of two characters, composed of solo pictures of each."""

from __future__ import annotations

from service.composer.composing import ComposedPair, PairReport, compose_pairs

__all__ = ["ComposedPair", "PairReport", "compose_pairs"]
