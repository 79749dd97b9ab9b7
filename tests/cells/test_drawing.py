"""Drawing evidence, and the pieces that are worth enlarging."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from detectors import Finding, Severity, Verdict
from service.cells.drawing import LAYERS, Outline, _word, draw, fit_mask
from service.cells.pieces import pieces_of

FINDINGS = [
    Finding("hands", Verdict.FAILS, "hands", "1", "Kei", Severity.LOST, evidence={"hand_box": [40, 60, 60, 80]}),
    Finding("ahoge_bleed", Verdict.HOLDS, "ahoge", "1", "Kei", evidence={"strand_box": [100, 20, 110, 40]}),
    Finding("fusion", Verdict.HOLDS, "fusion", "1", evidence={"contact_box": [10, 10, 190, 190], "odds": 0.1}),
]


def drawn(*layers: str) -> np.ndarray:
    picture = np.full((200, 200, 3), 255, np.uint8)
    mask = np.zeros((200, 200), bool)
    mask[120:180, 120:180] = True
    content = draw(picture, FINDINGS, [Outline("Kei", mask)], layers, ["Kei"], transparent=True)
    return np.asarray(Image.open(BytesIO(content)))[:, :, 3] > 0


def test_each_layer_draws_its_own_and_nothing_else() -> None:
    assert not drawn().any()
    whole = drawn(*LAYERS)
    enlarged = whole.shape[0] // 200
    places = {"hands": (70, 40), "strands": (30, 100), "boxes": (10, 100), "masks": (150, 150)}
    for layer, (y, x) in places.items():
        for other in LAYERS:
            assert drawn(other)[y * enlarged, x * enlarged] == (layer == other), (layer, other)


def test_a_failure_is_named_and_what_holds_is_only_framed() -> None:
    hand = drawn("hands")
    factor = hand.shape[0] // 200
    assert hand[: 58 * factor].any()  # the word above the box
    strand = drawn("strands")
    assert not strand[: 18 * factor].any()


def test_a_mask_of_the_frame_fits_the_picture() -> None:
    frame = np.zeros((256, 256), bool)
    frame[:64, :128] = True  # a picture of 512 x 256 fills the upper half of the frame
    fitted = fit_mask(frame, 0.5, 512, 256)
    assert fitted.shape == (256, 512)
    assert fitted[:120, :250].all()
    assert not fitted[136:].any()


def test_pieces_lie_inside_the_picture_and_are_square() -> None:
    pieces = pieces_of(FINDINGS, 200, 200)
    assert [(piece.part, piece.character) for piece in pieces] == [("hand", "Kei"), ("contact", None)]
    corner = Finding("hands", Verdict.FAILS, "hands", "1", "Kei", evidence={"hand_box": [0, 0, 9, 30]})
    for piece in (*pieces, *pieces_of([corner], 200, 100)):
        x0, y0, x1, y1 = piece.box
        assert 0 <= x0 < x1 <= 200
        assert 0 <= y0 < y1 <= 200
        assert x1 - x0 == y1 - y0


def test_evidence_without_boxes_has_no_pieces() -> None:
    odd = Finding("x", Verdict.HOLDS, "x", "1", evidence={"head_box": [5, 5, 5, 9], "hand_box": "no", "box": [1, 2]})
    assert pieces_of([odd], 100, 100) == []


@pytest.mark.parametrize(
    ("verdict", "severity", "word"),
    [("fails", "clear", "fails"), ("fails", "fused", "fused"), ("fails", "lost", "lost"), ("minor", "minor", "minor")],
)
def test_a_clear_fault_is_not_called_clear(verdict: str, severity: str, word: str) -> None:
    finding = Finding("ahoge_bleed", Verdict(verdict), "heads", "1", "Kei", Severity(severity))
    assert _word(finding, "head_box") == f"Kei head: {word}"
