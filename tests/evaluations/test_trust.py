"""Existing pictures judged with the profile ``anime``: what is unverified says so, what has no model spoils no rate."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from service.errors import InvalidInput
from service.evaluations.asking import make_request
from service.evaluations.executor import Status
from service.evaluations.opening import OpenedModels
from service.evaluations.requests import parse_clip
from service.evaluations.schemas import ImageOut, LeaderboardOut
from service.evaluations.workspace import Workspace
from service.reports import render_report
from service.settings import Settings
from service.suites import parse_suite
from tests.detectors.public_models import KANA, KEI, picture, write_all
from tests.evaluations.world import register, small_suite, write_lora

SUITE = """
name: pairs
version: 1
characters:
  - {name: Kei, trigger: keichan, attributes: {hair_color: black, ahoge: false, outfit: sailor uniform}}
  - {name: Kana, trigger: kanachan, attributes: {hair_color: blonde, ahoge: true, outfit: red blazer}}
scenarios:
  - name: together
    prompt: 2girls, keichan, kanachan
    cast: [Kei, Kana]
    pose: together
    contact: true
    checks: [cast, ahoge_bleed, hair_bleed, fusion]
seeds: [7, 13]
generation: {steps: 1, width: 640, height: 640}
"""


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("BLEEDCHECK_CACHE_DIR", str(tmp_path / "cache"))
    pictures = tmp_path / "pictures"
    for folder in ("control", "kk_epoch4"):
        (pictures / folder).mkdir(parents=True)
    bled = {("kk_epoch4", 13)}
    for folder in ("control", "kk_epoch4"):
        for seed in (7, 13):
            hair = KANA.hair if (folder, seed) in bled else KEI.hair
            figures = [type(KEI)(KEI.at, hair, KEI.outfit), KANA]
            Image.fromarray(picture(figures)).save(pictures / folder / f"together_{seed}.png")
    settings = Settings(
        data_dir=tmp_path / "data",
        base=f"images:{pictures}",
        device="cpu",
        detector_profile="anime",
        detector_weights=write_all(tmp_path / "weights"),
    )
    return Workspace(settings, OpenedModels())


def test_rates_rest_on_what_is_answered_and_say_what_is_unverified(space: Workspace, tmp_path: Path) -> None:
    checkpoints = register(space, [write_lora(tmp_path / "kk_epoch4.safetensors", seed=1)])
    evaluation = space.evaluations.start(make_request(space.settings, parse_suite(SUITE), checkpoints))
    assert space.executor.run(evaluation.id) is Status.FINISHED
    assert space.evaluations.state(evaluation.id).problems == ()

    board = space.evaluations.leaderboard(evaluation.id)
    assert board["unverified"] == ["cast", "ahoge_bleed", "hair_bleed"]
    assert list(board["unanswered"]) == ["fusion"]
    assert LeaderboardOut.model_validate(board).unverified == board["unverified"]
    (entry,) = board["leaderboard"]
    assert (entry["fails"], entry["holds"], entry["not_measurable"]) == (1, 1, 0)
    assert "fusion" not in entry["checks"]
    assert entry["checks"]["hair_bleed"]["fails"] == 1

    image = space.evaluations.images(space.evaluations.state(evaluation.id).evaluation)[0]
    shown = {each.check: each.verified for each in ImageOut.of(image, board["unverified"]).findings}
    assert shown["cast"] is False
    page = render_report(space.evaluations.report(evaluation.id, str))
    assert page.count("unverified") >= 3
    assert "Unverified:" in page
    space.close()


def test_the_miniature_is_verified_on_its_own_pictures_alone(tmp_path: Path) -> None:
    for base, doubtful in (("miniature", set()), (f"images:{tmp_path}", {"cast", "fusion", "ahoge_bleed"})):
        space = Workspace(Settings(data_dir=tmp_path / "data", base=base), OpenedModels())
        checkpoints = register(space, [write_lora(tmp_path / "kk_epoch4.safetensors", seed=1)])
        evaluation = space.evaluations.start(make_request(space.settings, small_suite(), checkpoints))
        assert set(space.evaluations.leaderboard(evaluation.id)["unverified"]) == doubtful
        space.close()


def test_a_clip_model_is_a_name_and_a_file(tmp_path: Path) -> None:
    path = tmp_path / "clip.safetensors"
    path.write_bytes(b"")
    assert parse_clip(f"ViT-B-32:{path}") == ("ViT-B-32", path)
    with pytest.raises(InvalidInput, match="there is no file"):
        parse_clip(f"ViT-B-32:{tmp_path}/none.safetensors")
