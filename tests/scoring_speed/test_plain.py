"""The plain way gives the same verdicts, one thing at a time, and the stopwatch misses nothing."""

from __future__ import annotations

import time
from pathlib import Path

from PIL import Image

from benchmarks.miniature.drawing import draw
from benchmarks.scoring_speed.plain import Timed, Watch, score_files, watched
from detectors import open_detectors
from tests.detectors.cases import expectation, scene


def test_one_at_a_time_gives_the_same_verdicts(tmp_path: Path) -> None:
    pictures = [scene("together"), scene("piggyback", ("ahoge_bleed", 0))]
    images, asked = [draw(one).image for one in pictures], [expectation(one) for one in pictures]
    together = open_detectors().detect(images, asked)
    plain, watch = open_detectors(), Watch()
    plain.look(images[:1], asked[:1])
    models = watched(plain, watch, singly=True)
    assert models >= 5
    singly = [plain.detect([image], [one])[0] for image, one in zip(images, asked, strict=True)]
    for one, other in zip(together, singly, strict=True):
        assert [(f.check, f.character, f.verdict) for f in one] == [(f.check, f.character, f.verdict) for f in other]

    paths = [tmp_path / f"{number}.png" for number in range(2)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    watch.seconds.clear()
    seconds, cpu = score_files(plain, paths, asked, 1, models, watch)
    assert cpu > 0
    assert 0.8 * seconds < sum(watch.seconds.values()) <= 1.01 * seconds
    assert {"reading files", "segmentation", "heads", "checks"} <= set(watch.seconds)


def test_time_inside_of_a_part_is_not_counted_twice() -> None:
    watch = Watch()
    with watch.part("outer"):
        time.sleep(0.02)
        with watch.part("inner"):
            time.sleep(0.05)
    assert 0.015 < watch.seconds["outer"] < 0.045
    assert watch.seconds["inner"] >= 0.05


def test_a_timed_network_joins_what_it_gave_one_by_one() -> None:
    import torch
    from torch import nn

    class Two(nn.Module):
        def forward(self, batch: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
            return batch * 2, {"sum": batch.sum(1)}

    batch = torch.arange(6.0).reshape(3, 2)
    doubled, named = Timed(Two(), "two", Watch(), singly=True)(batch)
    assert torch.equal(doubled, batch * 2)
    assert torch.equal(named["sum"], batch.sum(1))
