"""Onsets that the findings show, held against what the eye sees on pictures of the same seeds."""
