"""The table of ``docs/profiles.md``: which model and method answers each check in each profile.

``python -m detectors.profiles.table`` prints it; a test holds the committed page to it.
"""

from __future__ import annotations

from detectors.profiles import PROFILES
from detectors.weights import entry

CHECKS = (
    "cast",
    "ahoge_bleed",
    "ahoge_missing",
    "hair_bleed",
    "eye_bleed",
    "outfit_bleed",
    "fusion",
    "hands",
    "limbs",
    "identity",
    "face",
    "ghost",
    "pose",
    "follow_through",
)


def methods_table() -> str:
    """Checks down, profiles across, as Markdown."""
    lines = [f"| check | {' | '.join(f'`{name}`' for name in PROFILES)} |", "|---" * (len(PROFILES) + 1) + "|"]
    for check in CHECKS:
        cells = []
        for profile in PROFILES.values():
            method = profile.methods.get(check)
            if method is None:
                reason = profile.missing.get(check)
                cells.append("*not measurable*" + (f": {reason}" if reason else ""))
            else:
                cells.append(method.how + ("" if method.measured else " (*unverified*)"))
        lines.append(f"| `{check}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def files_table() -> str:
    """Every fetched file with its source, licence, size and hash, as Markdown."""
    lines = ["| name | file | source | licence | size | sha256 |", "|---|---|---|---|---|---|"]
    names = dict.fromkeys(name for profile in PROFILES.values() for name in (*profile.weights, *profile.optional))
    for item in (entry(name) for name in names):
        if not item.shipped:
            size = f"{'about ' if item.approximate else ''}{item.size / 1e6:.3g} MB"
            known = (
                item.sha256[:16] + "…" if item.sha256 else "of its parts" if item.members else "recorded at first use"
            )
            lines.append(f"| `{item.name}` | `{item.file}` | {item.source} | {item.licence} | {size} | {known} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(f"{methods_table()}\n\n{files_table()}")
