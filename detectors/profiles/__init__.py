"""Weights profiles: which models give the shared intermediate results, and what each of them can answer."""

from detectors.errors import InvalidInput
from detectors.profiles.anime import ANIME
from detectors.profiles.miniature import MINIATURE
from detectors.profiles.photo import PHOTO
from detectors.profiles.spec import Clip, Method, Profile, Sees, Setting, unverified

PROFILES: dict[str, Profile] = {profile.name: profile for profile in (MINIATURE, ANIME, PHOTO)}


def profile_of(name: str) -> Profile:
    """The profile of that name.

    Raises:
        InvalidInput: there is none; names those there are.
    """
    if name not in PROFILES:
        raise InvalidInput(f"there is no detector profile {name!r}; there are {', '.join(PROFILES)}")
    return PROFILES[name]


__all__ = ["PROFILES", "Clip", "Method", "Profile", "Sees", "Setting", "profile_of", "unverified"]
