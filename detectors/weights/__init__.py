"""Which weights the detectors use, where they lie, and how to get what is not shipped."""

from detectors.weights.fetching import fetch, listing
from detectors.weights.manifest import (
    MANIFEST,
    WeightFile,
    cache_folder,
    entry,
    find,
    place,
    sha256_of,
    shipped_folder,
)
from detectors.weights.trust import record, verify

__all__ = [
    "MANIFEST",
    "WeightFile",
    "cache_folder",
    "entry",
    "fetch",
    "find",
    "listing",
    "place",
    "record",
    "sha256_of",
    "shipped_folder",
    "verify",
]
