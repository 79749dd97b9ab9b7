"""The base's drawings: the same for the same seed, of other characters only, with weights where it matters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.miniature.dataset import (
    WEIGHT_UNIT,
    draw_training_picture,
    held_out,
    is_reserved,
    loss_weights,
    open_drawings,
    render_drawings,
    sample_training_scene,
)
from benchmarks.miniature.names import TRIGGERS, named_cast
from benchmarks.miniature.scenes import CONTACT_POSES, KANA, KEI


def test_the_same_seed_gives_the_same_files_whatever_the_workers(tmp_path: Path) -> None:
    said: list[str] = []
    render_drawings(tmp_path / "one", 70, seed=4, workers=1, report=said.append)
    render_drawings(tmp_path / "two", 70, seed=4, workers=2, report=said.append)
    for name in ("images.u8", "weights.u8", "captions.jsonl"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    render_drawings(tmp_path / "two", 70, seed=4, workers=2, report=said.append)
    assert "already holds" in said[-1]
    drawings = open_drawings(tmp_path / "one")
    drawing, _, captions = draw_training_picture(4, 69)
    assert np.array_equal(drawings.images[69], drawing.image)
    assert drawings.captions[69] == captions
    render_drawings(tmp_path / "two", 70, seed=5, workers=2, report=said.append)
    assert not np.array_equal(open_drawings(tmp_path / "two").images, drawings.images)


def test_an_unfinished_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_drawings(tmp_path)


def test_the_base_never_meets_kei_or_kana() -> None:
    cast = named_cast()
    assert len(cast) == len({known.name for known in cast}) == 300
    assert named_cast() == cast
    scenes = [sample_training_scene(np.random.default_rng(i), cast) for i in range(2000)]
    assert not any(is_reserved(look) for s in scenes for look in s.scene.people)
    assert not any(name in TRIGGERS for s in scenes for name in s.names)
    assert is_reserved(KEI)
    assert is_reserved(KANA)


def test_what_is_hard_is_drawn_often() -> None:
    cast = named_cast()
    known = {k.name: k.look for k in cast}
    scenes = [sample_training_scene(np.random.default_rng(i), cast) for i in range(2000)]
    pairs = [s for s in scenes if len(s.names) == 2]
    contact = [s for s in pairs if s.scene.pose in CONTACT_POSES]
    assert len(contact) / len(scenes) > 0.55
    assert np.mean([s.scene.pose == "princess carry" for s in pairs]) > 0.15
    assert 0.5 < np.mean([len({p.ahoge for p in s.scene.people}) == 2 for s in pairs]) < 0.8
    named = [any(n in known for n in s.names) for s in scenes]
    assert 0.3 < np.mean(named) < 0.42
    for s in scenes:
        for name, look in zip(s.names, s.scene.people, strict=True):
            if name in known:
                assert (look.hair_color, look.ahoge) == (known[name].hair_color, known[name].ahoge)


def test_heads_and_hands_weigh_three_times_the_background() -> None:
    drawing, _, _ = draw_training_picture(1, 3)
    weights = loss_weights(drawing)
    assert weights.shape == (32, 32)
    assert set(np.unique(weights)) <= {WEIGHT_UNIT, int(1.5 * WEIGHT_UNIT), 3 * WEIGHT_UNIT}
    head = drawing.people[0].parts["head"]
    rows, columns = np.nonzero(head)
    assert weights[rows[0] // 8, columns[0] // 8] == 3 * WEIGHT_UNIT
    nobody = ~np.any([person.mask for person in drawing.people], axis=0)
    empty = nobody.reshape(32, 8, 32, 8).all(axis=(1, 3))
    assert (weights[empty] == WEIGHT_UNIT).all()
    assert empty.any()


def test_some_drawings_are_kept_for_measuring() -> None:
    assert held_out(160_000) == 256
    assert held_out(80) == 10
