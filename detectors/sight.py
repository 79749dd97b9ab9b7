"""Running the networks over a batch of images and gathering what they see into one context an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detectors.arms import decode, ends_here, owners, paint, state_of
from detectors.assignment import TOPICS, Assignment, Scores, ahoge_scores, assign, attribute_scores
from detectors.captions import caption, words_of
from detectors.closer_look import CloserLook
from detectors.context import Contact, Context, Hand, Head, Person
from detectors.crops import (
    BODY_SIZE,
    FACE_SIZE,
    HEAD_SIZE,
    PAIR_SIZE,
    PERSON_SIZE,
    Box,
    Window,
    body_window,
    cut,
    face_window,
    head_window,
    person_window,
    to_frame,
    union_window,
    window_box,
)
from detectors.errors import InvalidInput
from detectors.expectations import Character, Expectation, changed
from detectors.landmarks import Landmarks
from detectors.likeness import Likeness
from detectors.segmentation import Found, Segmentation
from detectors.sharpness import sharpness
from detectors.thresholds import Thresholds
from detectors.vocabulary import HEAD_PARTS

if TYPE_CHECKING:
    from torch import Tensor

Image = NDArray[np.uint8]

# Of 150 validation drawings one has a place that looks this little like a head; a crowd has them by the dozen.
_FAINT_HEAD = 0.1


@dataclass(frozen=True)
class Sight:
    """The loaded networks. ``landmarks`` is ``None`` where MediaPipe's bundle is not on this machine."""

    segmentation: Segmentation
    heads: Any
    hands: Any
    ends: CloserLook
    contact: Any
    bodies: Any
    faces: Any
    likeness: Likeness
    landmarks: Landmarks | None
    thresholds: Thresholds
    device: str
    known: dict[tuple[str, ...], NDArray[np.float32]] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path, bundle: Path | None, thresholds: Thresholds, device: str) -> Sight:
        """Load every network from ``folder``.

        Raises:
            MissingWeights: one of the files is not there.
        """
        from detectors.networks import load_reader, load_unet

        heads, hands, contact = (
            load_unet(folder / f"{name}.safetensors", device)[0] for name in ("heads", "hands", "contact")
        )
        return cls(
            segmentation=Segmentation.load(folder / "people.safetensors", device),
            heads=heads,
            hands=hands,
            ends=CloserLook.load(folder / "ends.safetensors", device),
            contact=contact,
            bodies=load_reader(folder / "bodies.safetensors", device),
            faces=load_reader(folder / "faces.safetensors", device),
            likeness=Likeness.load(folder / "likeness.safetensors", device, folder / "clip"),
            landmarks=Landmarks.load(bundle) if bundle else None,
            thresholds=thresholds,
            device=device,
        )

    def look(self, images: Sequence[Image], expectations: Sequence[Expectation]) -> list[Context]:
        """Look at a batch.

        Args:
            images: (H, W, 3) RGB each, of any size.
            expectations: what each was asked to show; decides who is matched and which networks run.
        """
        import torch

        from detectors.networks import normalise

        frames = [to_frame(image) for image in images]
        stacked = np.stack([frame for frame, _ in frames])
        with torch.inference_mode():
            pictures = normalise(torch.from_numpy(stacked).to(self.device).permute(0, 3, 1, 2).float() / 255)
            found = self.segmentation.find(pictures)
            people, loose = self._people(pictures, found)
            hands = self._hands(pictures, ["hands" in e.checks for e in expectations], people, found)
            who = [self._assign(p, e) for p, e in zip(people, expectations, strict=True)]
            contacts = self._contacts(pictures, expectations, people, who)
        contexts = []
        for i, (image, (_, factor), expectation) in enumerate(zip(images, frames, expectations, strict=True)):
            everybody = (*expectation.cast, *expectation.others)
            context = Context(
                size=(image.shape[0], image.shape[1]),
                factor=factor,
                expectation=expectation,
                people=tuple(people[i]),
                assignment=who[i],
                loose_heads=loose[i],
                faint_heads=sum(_FAINT_HEAD <= f.score < self.thresholds.head for f in found[i]["head"]),
                hands=tuple(hands[i]),
                contact=contacts[i],
                mediapipe=self.landmarks is not None,
                blind={topic: self._assign(people[i], expectation, names) for topic, names in TOPICS.items()},
                resemblance={c.name: self._resemblance(people[i], wanted(expectation, c)) for c in everybody},
                references={c.name: self._likeness_to(people[i], c) for c in everybody if c.references},
                sharpness=sharpness(image, [person.mask for person in people[i]], factor),
            )
            contexts.append(replace(context, hands=self._second_opinion(image, context)))
        return contexts

    # People and heads -----------------------------------------------------------------------------------------------

    def _people(
        self, pictures: Tensor, objects: list[dict[str, list[Found]]]
    ) -> tuple[list[list[Person]], list[tuple[Box, ...]]]:
        """Everybody in each picture, and the heads that lie on nobody's body."""
        limits = self.thresholds
        everybody, loose = [], []
        for found in objects:
            bodies = [f for f in found["person"] if f.score >= limits.person]
            faces = [f for f in found["head"] if f.score >= limits.head]
            heads = pair_heads(bodies, faces)
            everybody.append([
                Person(b.box, b.score, b.mask, Head(faces[h].box, faces[h].score) if h is not None else None)
                for b, h in zip(bodies, heads, strict=True)
            ])  # fmt: skip
            loose.append(tuple(face.box for h, face in enumerate(faces) if h not in heads))
        return self._bodies(pictures, self._likenesses(pictures, self._heads(pictures, everybody))), loose

    def _heads(self, pictures: Tensor, everybody: list[list[Person]]) -> list[list[Person]]:
        """The same people with what the head network says about each head."""
        import torch

        rows = [(i, p) for i, people in enumerate(everybody) for p, person in enumerate(people) if person.head]
        if not rows:
            return everybody
        windows = [head_window(person.head.box) for person in _of(everybody, rows) if person.head]
        # Without their masks: where a thin thing stands behind a head, the mask takes it for her strand.
        maps, answers = self.heads(self._crops(pictures, everybody, rows, windows, HEAD_SIZE)[0])
        faces = [face_window(person.head.box) for person in _of(everybody, rows) if person.head]
        answers |= self.faces(torch.cat(self._crops(pictures, everybody, rows, faces, FACE_SIZE), 1))
        painted = maps.argmax(1).cpu().numpy()
        odds = {name: logits.float().softmax(1).cpu().numpy() for name, logits in answers.items()}
        result = [list(people) for people in everybody]
        for k, (i, p) in enumerate(rows):
            person = result[i][p]
            assert person.head is not None
            head = replace(
                person.head,
                answers={name: tuple(float(v) for v in values[k]) for name, values in odds.items()},
                areas=_areas(painted[k], windows[k], person.head),
                strand=_strand(painted[k], windows[k]),
            )
            result[i][p] = replace(person, head=head)
        return result

    def _bodies(self, pictures: Tensor, everybody: list[list[Person]]) -> list[list[Person]]:
        """The same people with what the body network says about each."""
        import torch

        rows = [(i, p) for i, people in enumerate(everybody) for p in range(len(people))]
        if not rows:
            return everybody
        windows = [body_window(person.box) for person in _of(everybody, rows)]
        answers = self.bodies(torch.cat(self._crops(pictures, everybody, rows, windows, BODY_SIZE), 1))
        odds = {name: logits.float().softmax(1).cpu().numpy() for name, logits in answers.items()}
        result = [list(people) for people in everybody]
        for k, (i, p) in enumerate(rows):
            own = {name: tuple(float(v) for v in values[k]) for name, values in odds.items()}
            result[i][p] = replace(result[i][p], answers=own)
        return result

    def _likenesses(self, pictures: Tensor, everybody: list[list[Person]]) -> list[list[Person]]:
        """The same people with their embeddings; everybody else is painted grey in each one's crop."""
        rows = [(i, p) for i, people in enumerate(everybody) for p in range(len(people))]
        if not rows:
            return everybody
        windows = [person_window(person.box) for person in _of(everybody, rows)]
        crops, masks = self._crops(pictures, everybody, rows, windows, PERSON_SIZE)
        embeddings = self.likeness.crops(crops * masks)
        result = [list(people) for people in everybody]
        for k, (i, p) in enumerate(rows):
            result[i][p] = replace(result[i][p], likeness=tuple(float(v) for v in embeddings[k]))
        return result

    def _crops(
        self, pictures: Tensor, everybody: list[list[Person]], rows: list[tuple[int, int]], windows: list[Window],
        size: int,
    ) -> list[Tensor]:  # fmt: skip
        """Colours (M, 3, size, size) and the person's own mask (M, 1, size, size) in each window."""
        import torch

        places = torch.tensor(windows, dtype=torch.float32, device=self.device)
        index = torch.tensor([i for i, _ in rows], device=self.device)
        masks = torch.from_numpy(np.stack([person.mask for person in _of(everybody, rows)])).to(self.device)
        own = torch.arange(len(rows), device=self.device)
        return [cut(pictures, index, places, size), cut(masks[:, None].float(), own, places, size)]

    # Who is who -----------------------------------------------------------------------------------------------------

    def _assign(self, people: Sequence[Person], expectation: Expectation, judged: Sequence[str] = ()) -> Assignment:
        """Match people with the cast; what a prompt changes is no evidence, and what is ``judged`` counts for little.

        A likeness to all of her words would bring what is judged in again, so its words are left out.
        """
        cast = [replace(c, attributes=c.attributes.without(expectation.changed(c.name))) for c in expectation.cast]
        quality = [float(np.log(p.score)) for p in people]
        seen = [p.seen for p in people]
        fit = attribute_scores(seen, cast, judged) + ahoge_scores(seen, cast, judged)
        words = [words_of(c.attributes.without(judged)) for c in cast]
        return assign(cast, fit + self._word_scores(people, words), seen, quality)

    def _resemblance(self, people: Sequence[Person], character: Character) -> tuple[float, ...]:
        """For each person the mean over the words for a character of how much she looks like them, 0..1."""
        own, wardrobe = words_of(character.attributes.without(["outfit"])), character.attributes.wardrobe
        texts = self.likeness.texts([caption([word]) for word in (*own, *wardrobe)])
        if not len(texts):
            return ()
        slope, centre = self.likeness.slope, self.likeness.centre
        likely = [1 / (1 + np.exp(-slope * (texts @ np.array(p.likeness) - centre))) for p in people]
        return tuple(
            float(np.mean([*values[: len(own)], *([values[len(own) :].max()] if wardrobe else [])]))
            for values in likely
        )

    def _likeness_to(self, people: Sequence[Person], character: Character) -> tuple[float, ...]:
        """For each person the highest cosine with somebody in a character's reference pictures."""
        known = self._references(character.references)
        return tuple(float(np.max(known @ np.array(p.likeness))) for p in people) if len(known) else ()

    def _references(self, paths: tuple[str, ...]) -> NDArray[np.float32]:
        """Embeddings (N, D) of the largest person in each reference picture that shows one; kept per set of paths."""
        import torch
        from PIL import Image as Pillow

        from detectors.networks import normalise

        if paths not in self.known:
            rows = []
            for path in paths:
                try:
                    with Pillow.open(path) as file:
                        frame, _ = to_frame(np.asarray(file.convert("RGB"), np.uint8))
                except (OSError, ValueError, Pillow.DecompressionBombError) as error:
                    raise InvalidInput(f"the reference picture {path} cannot be read: {error}") from error
                with torch.inference_mode():
                    picture = normalise(torch.from_numpy(frame[None]).to(self.device).permute(0, 3, 1, 2).float() / 255)
                    bodies = [
                        f for f in self.segmentation.find(picture)[0]["person"] if f.score >= self.thresholds.person
                    ]
                    people = [[Person(b.box, b.score, b.mask) for b in bodies]]
                    seen = self._likenesses(picture, people)[0]
                if seen:
                    rows.append(max(seen, key=lambda person: int(person.mask.sum())).likeness)
            self.known[paths] = np.array(rows, np.float32)
        return self.known[paths]

    def _word_scores(self, people: Sequence[Person], words: Sequence[Sequence[str]]) -> Scores:
        """Log-likelihood that each person looks like each character's words, (people, characters)."""
        scores = np.zeros((len(people), len(words)))
        if not people:
            return scores
        seen = np.array([person.likeness for person in people])
        for c, own in enumerate(words):
            if own:
                cosines = seen @ self.likeness.texts([caption(own)])[0]
                scores[:, c] = -np.logaddexp(0, -self.likeness.slope * (cosines - self.likeness.centre))
        return scores

    # Hands and contact ----------------------------------------------------------------------------------------------

    def _hands(
        self, pictures: Tensor, wanted: list[bool], everybody: list[list[Person]], objects: list[dict[str, list[Found]]]
    ) -> list[list[Hand]]:
        rows = [i for i, asked in enumerate(wanted) if asked]
        result: list[list[Hand]] = [[] for _ in wanted]
        if rows:
            seen, least = pictures[rows], min(self.thresholds.faint, self.thresholds.broken_heat)
            for i, hands in zip(rows, self.ends.at(seen, decode(paint(self.hands, seen), least)), strict=True):
                whose = owners(hands, everybody[i])
                result[i] = [
                    replace(hand, owner=owner, seen=seen_at(hand.point, objects[i]["hand"]))
                    for hand, owner in zip(hands, whose, strict=True)
                ]
        return result

    def _contacts(
        self, pictures: Tensor, asked: Sequence[Expectation], everybody: list[list[Person]], who: list[Assignment]
    ) -> list[Contact | None]:
        """Where bodies touch: of everybody, or of the cast alone where bystanders are allowed."""
        import torch

        rows = [i for i, each in enumerate(asked) if "fusion" in each.checks and everybody[i]]
        result: list[Contact | None] = [None] * len(asked)
        if rows:
            members = {
                i: [everybody[i][p] for p in who[i].matches.values()] if asked[i].bystanders else everybody[i]
                for i in rows
            }
            windows = [union_window([person.box for person in members[i]]) for i in rows]
            places = torch.tensor(windows, dtype=torch.float32, device=self.device)
            _, answers = self.contact(cut(pictures, torch.tensor(rows, device=self.device), places, PAIR_SIZE))
            odds = answers["fused"].float().softmax(1)[:, 1].cpu().tolist()
            for i, window, fused in zip(rows, windows, odds, strict=True):
                x0, y0, x1, y1 = window_box(window)
                result[i] = Contact(fused, (x0, y0, x1, y1))
        return result

    def _second_opinion(self, image: Image, context: Context) -> tuple[Hand, ...]:
        """Ask MediaPipe about hands that look fused or lost."""
        if self.landmarks is None:
            return context.hands
        limits = self.thresholds
        doubtful = [
            i
            for i, hand in enumerate(context.hands)
            if ends_here(hand, limits) and state_of(hand, limits) in ("lost", "fused")
        ]
        x0y0x1y1 = [tuple(v / context.factor for v in context.hands[i].box) for i in doubtful]
        found = dict(zip(doubtful, self.landmarks.finds(image, x0y0x1y1), strict=True))  # type: ignore[arg-type]
        return tuple(replace(hand, landmarks=found.get(i)) for i, hand in enumerate(context.hands))


def wanted(expectation: Expectation, character: Character) -> Character:
    """A character as asked for: with what the prompt changes about her."""
    return replace(character, attributes=changed(character.attributes, expectation.changed(character.name)))


def _of(everybody: list[list[Person]], rows: list[tuple[int, int]]) -> list[Person]:
    return [everybody[i][p] for i, p in rows]


def seen_at(point: tuple[float, float], found: Sequence[Found]) -> float:
    """The highest score of what was found around a point; 0 if nothing was."""
    x, y = point
    around = (f.score for f in found if f.box[0] <= x <= f.box[2] and f.box[1] <= y <= f.box[3])
    return max(around, default=0.0)


def pair_heads(bodies: Sequence[Found], heads: Sequence[Found]) -> list[int | None]:
    """For each body the index of its head: one-to-one, by the share of the head that lies on the body."""
    from scipy.optimize import linear_sum_assignment

    result: list[int | None] = [None] * len(bodies)
    if bodies and heads:
        shares = np.array([[np.mean(body.mask[head.mask]) for head in heads] for body in bodies])
        for b, h in zip(*linear_sum_assignment(shares, maximize=True), strict=True):
            if shares[b, h] > 0.5:
                result[b] = int(h)
    return result


def _areas(painted: NDArray[np.int64], window: Window, head: Head) -> Mapping[str, float]:
    """Share of the head's box that is painted as each part."""
    x0, y0, x1, y1 = head.box
    cell = (window[2] / HEAD_SIZE) ** 2
    box = max((x1 - x0) * (y1 - y0), 1.0)
    counts = np.bincount(painted.ravel(), minlength=len(HEAD_PARTS))
    return {name: float(counts[k] * cell / box) for k, name in enumerate(HEAD_PARTS)}


def _strand(painted: NDArray[np.int64], window: Window) -> tuple[float, float, float, float] | None:
    """Box around the pixels painted as this head's own ahoge."""
    ys, xs = np.nonzero(painted == HEAD_PARTS.index("ahoge"))
    if not len(xs):
        return None
    x, y, side = window
    left, top, cell = x - side / 2, y - side / 2, side / HEAD_SIZE
    return (
        float(left + xs.min() * cell),
        float(top + ys.min() * cell),
        float(left + (xs.max() + 1) * cell),
        float(top + (ys.max() + 1) * cell),
    )
