"""The judge of the tiny Anima, on drawings whose answers are known."""

from __future__ import annotations

import numpy as np

from benchmarks.miniature.captions import caption
from benchmarks.miniature.drawing import draw
from benchmarks.miniature.judge import judge_pictures, rates
from benchmarks.miniature.scenes import sample_scene


def test_it_reads_drawings_of_the_asked_scenes_and_notices_others() -> None:
    rng = np.random.default_rng(5)
    scenes = [sample_scene(rng, pose=pose) for pose in ("standing", "hug", "piggyback", "lap sit")]
    texts = [caption(scene, rng) for scene in scenes]
    pictures = [draw(scene).image for scene in scenes]
    right = rates(judge_pictures(scenes, texts, pictures))
    assert right["person count"]["rate"] == right["pose"]["rate"] == 1.0
    moved = rates(judge_pictures(scenes, texts, [*pictures[1:], pictures[0]]))
    assert moved["person count"]["rate"] < 1.0
    assert moved["pose"]["rate"] == 0.0
