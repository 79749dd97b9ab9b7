"""Captions of solo pictures, and the one caption of two of them side by side, in left-to-right order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_SUBJECT = re.compile(r"(\d+)(girl|boy|other)s?")
_SOLO = {"solo", "solo focus"}
_SAFETY = ("safe", "general", "sensitive", "questionable", "nsfw", "explicit")
_QUALITY = re.compile(
    r"masterpiece|(best|great|good|normal|amazing) quality|score \d+( up)?|(very )?aesthetic|highres|absurdres"
    r"|newest|recent|year \d{4}"
)
_POSES = (
    "standing,sitting,kneeling,squatting,lying,on back,on side,on stomach,walking,running,jumping,leaning forward,"
    "arms up,arm up,waving,hands on own hips,crossed arms,arms behind back,outstretched arms,full body,upper body,"
    "cowboy shot,portrait,close-up,from side,from behind,from above,from below,facing left,facing right,profile,"
    "looking at viewer,looking back,looking to the side"
)
POSE_TAGS = frozenset(_POSES.split(","))


@dataclass(frozen=True)
class Caption:
    """A solo picture's caption taken apart; tags keep their own spelling and order.

    Attributes:
        quality: quality, year and safety tags.
        subjects: kind of subject to how many, such as ``{"girl": 1}``.
        background: tags that name the background.
        general: everything else, the trigger word among it.
    """

    quality: tuple[str, ...]
    subjects: dict[str, int]
    background: tuple[str, ...]
    general: tuple[str, ...]

    @property
    def is_solo(self) -> bool:
        """Whether the caption speaks of one person at most."""
        return sum(self.subjects.values()) <= 1


def normal(tag: str) -> str:
    """The form in which tags are compared.

    >>> normal("  Long_Hair ")
    'long hair'
    """
    return re.sub(r"[_\s]+", " ", tag.strip()).casefold()


def read_caption(text: str) -> Caption:
    """Take a comma-separated caption apart; repeated tags count once.

    >>> read_caption("masterpiece, 1girl, solo, kei, blonde hair, white background").general
    ('kei', 'blonde hair')
    """
    tags = {normal(tag): " ".join(tag.split()) for tag in reversed(text.split(",")) if tag.strip()}
    quality: list[str] = []
    background: list[str] = []
    general: list[str] = []
    subjects: dict[str, int] = {}
    for key, tag in reversed(tags.items()):
        subject = _SUBJECT.fullmatch(key)
        if subject:
            subjects[subject[2]] = subjects.get(subject[2], 0) + int(subject[1])
        elif key.startswith("multiple "):
            subjects[key] = 2
        elif key in _SAFETY or _QUALITY.fullmatch(key):
            quality.append(tag)
        elif key == "background" or key.endswith(" background"):
            background.append(tag)
        elif key not in _SOLO:
            general.append(tag)
    return Caption(tuple(quality), subjects, tuple(background), tuple(general))


def merge_captions(
    left: Caption, right: Caption, left_trigger: str, right_trigger: str, background: Sequence[str]
) -> str:
    """One caption for two people side by side.

    Order: quality once, who is there (``1girl`` and ``1girl`` become ``2girls``), the left one's trigger and own tags,
    the right one's, what both share once, the background.

    >>> merge_captions(read_caption("1girl, solo, kei, blonde hair, standing"),
    ...                read_caption("1girl, solo, kana, ahoge, standing"), "kei", "kana", ["white background"])
    '2girls, kei, blonde hair, kana, ahoge, standing, white background'
    """
    shared = {normal(tag) for tag in left.general} & {normal(tag) for tag in right.general}
    shared -= {normal(left_trigger), normal(right_trigger)}

    def own(caption: Caption, trigger: str) -> list[str]:
        skip = shared | {normal(left_trigger), normal(right_trigger)}
        return [trigger, *(tag for tag in caption.general if normal(tag) not in skip)]

    counts = {kind: left.subjects.get(kind, 0) + right.subjects.get(kind, 0) for kind in ("girl", "boy", "other")}
    who = [f"{count}{kind}{'s' if count > 1 else ''}" for kind, count in counts.items() if count]
    both = [tag for tag in left.general if normal(tag) in shared]
    groups = (_quality(left, right), who, own(left, left_trigger), own(right, right_trigger), both, background)
    return ", ".join(tag for group in groups for tag in group)


def infer_trigger(own: Sequence[Caption], others: Sequence[Caption]) -> str | None:
    """The tag that all captions of a character have and none of the other's, the foremost if there are several.

    >>> infer_trigger([read_caption("1girl, kei, blonde hair")], [read_caption("1girl, kana, dark hair")])
    'kei'
    """
    if not own:
        return None
    everywhere = set.intersection(*({normal(tag) for tag in caption.general} for caption in own))
    elsewhere = {normal(tag) for caption in others for tag in caption.general}
    candidates = [tag for tag in own[0].general if normal(tag) in everywhere - elsewhere]

    def place(tag: str) -> int:
        return sum([normal(other) for other in caption.general].index(normal(tag)) for caption in own)

    return min(candidates, key=place, default=None)


def similarity(left: Caption, right: Caption) -> float:
    """How alike two captions are, 0..1: shared ÷ all tags, where tags of pose and framing count three times."""
    first, second = ({normal(tag) for tag in caption.general} for caption in (left, right))
    weights = {tag: 3.0 if tag in POSE_TAGS else 1.0 for tag in first | second}
    # A pose that only one of them has separates; two pictures without any tag are not alike, they are unknown.
    return sum(weights[tag] for tag in first & second) / sum(weights.values()) if weights else 0.0


def _quality(left: Caption, right: Caption) -> list[str]:
    found = {normal(tag): tag for tag in (*left.quality, *right.quality)}
    ratings = [key for key in _SAFETY if key in found]
    # Of two ratings the stricter reading holds for the picture that shows both.
    return [tag for key, tag in found.items() if key not in ratings[:-1]]
