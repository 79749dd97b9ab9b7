"""From a folder of LoRA files to an answer on standard output."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.cli import working
from service.cli.working import Incomplete, answer, chosen_suite, registered
from service.errors import BleedcheckError
from service.evaluations.asking import make_request
from service.evaluations.executor import Detectors, Progress
from service.evaluations.requests import EvaluationRequest
from service.evaluations.workspace import Workspace
from service.generation.port import Generator
from tests.evaluations.world import SUITE, Brightness, SmallModels, build_base, open_space, write_lora

Captured = pytest.CaptureFixture[str]


class Talkative(Brightness):
    """Prints, as libraries do."""

    def detect(self, images: Any, expectations: Any) -> Any:
        print("Looking at images ...")
        return super().detect(images, expectations)


class Interrupted(Brightness):
    """Somebody presses Ctrl-C."""

    def spec(self) -> dict[str, Any]:
        raise KeyboardInterrupt


class Choking(Brightness):
    """Cannot look at pictures of one alone."""

    def detect(self, images: Any, expectations: Any) -> Any:
        if any(len(wanted.cast) == 1 for wanted in expectations):
            raise RuntimeError("out of memory")
        return super().detect(images, expectations)


class NoModels(SmallModels):
    """Must not be asked for anything."""

    def generator(self, request: EvaluationRequest) -> Generator:
        raise AssertionError("the generator was opened")

    def detectors(self, request: EvaluationRequest) -> Detectors:
        raise AssertionError("the detectors were opened")


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_base(tmp_path_factory.mktemp("base") / "nano")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    for epoch in ("_epoch4", "_epoch8", ""):
        write_lora(folder / f"kk{epoch}.safetensors", seed=len(epoch) + 1 + ("8" in epoch))
    (folder / "suite.yaml").write_text(SUITE)
    return folder


@pytest.fixture
def space(tmp_path: Path, base: Path) -> Iterator[Workspace]:
    opened = open_space(tmp_path / "data", base, SmallModels(Talkative()))
    yield opened
    opened.close()


def ask(space: Workspace, folder: Path, final_epoch: int | None = 12) -> EvaluationRequest:
    suite = chosen_suite(space, str(folder / "suite.yaml"), "2", None)
    return make_request(space.settings, suite, registered(space, folder, None, final_epoch))


def test_json_is_one_object_and_nothing_else(
    space: Workspace, folder: Path, capsys: Captured, tmp_path: Path, base: Path
) -> None:
    answer(space, ask(space, folder), as_json=True)
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert {(entry["run"], entry["epoch"]) for entry in result["leaderboard"]} == {("kk", 4), ("kk", 8), ("kk", 12)}
    rates = [entry["failure_rate"] for entry in result["leaderboard"]]
    assert rates == sorted(rates)
    for entry in result["leaderboard"]:
        assert entry["images"] == 4
        low, high = entry["interval"]
        assert 0 <= low <= entry["failure_rate"] <= high <= 1
        assert {"fails", "minor", "holds", "not_measurable", "rate", "interval"} <= set(entry["checks"]["cast"])
    assert "Looking at images" in said.err
    assert "16/16 images, 16 judged" in said.err

    page = Path(result["report"])
    addresses = set(re.findall(r"[\w./]*/[0-9a-f]{64}\.png", page.read_text()))
    assert len(addresses) == 16
    assert all((page.parent / address).is_file() for address in addresses)

    again = open_space(tmp_path / "data", base, NoModels())
    answer(again, ask(again, folder), as_json=True)
    assert json.loads(capsys.readouterr().out) == result
    again.close()


def test_people_get_a_table_a_sentence_and_a_path(space: Workspace, folder: Path, capsys: Captured) -> None:
    answer(space, ask(space, folder), as_json=False)
    said = capsys.readouterr().out
    assert re.search(r"│ 1 +│ kk", said) or re.search(r"┃ +┃ run", said)
    assert re.search(r"(Use|Best so far, but tied|Best guess among those tied): kk epoch \d+\.", said)
    assert re.search(r"│ (recommended|best so far|best guess) +│", said)
    assert re.search(r"Report: /.*\.html\n", said)
    assert "no LoRA" in said


def test_interrupted_it_says_how_to_go_on(tmp_path: Path, base: Path, folder: Path) -> None:
    space = open_space(tmp_path / "data", base, SmallModels(Interrupted()))
    with pytest.raises(BleedcheckError, match="goes on where it was"):
        answer(space, ask(space, folder), as_json=True)
    assert len(space.evaluations.waiting()) == 1
    space.close()


def test_an_answer_with_images_missing_is_given_and_ends_with_3(
    tmp_path: Path, base: Path, folder: Path, capsys: Captured
) -> None:
    space = open_space(tmp_path / "data", base, SmallModels(Choking()))
    with pytest.raises(Incomplete, match=r"^\d+ of 16 images could not be made or judged; the same command") as told:
        answer(space, ask(space, folder), as_json=True)
    space.close()
    assert told.value.exit_code == 3
    result = json.loads(capsys.readouterr().out)
    assert result["failed"] == int(str(told.value).split()[0]) > 0
    assert result["leaderboard"]
    mended = open_space(tmp_path / "data", base, SmallModels())
    answer(mended, ask(mended, folder), as_json=True)
    assert json.loads(capsys.readouterr().out)["failed"] == 0
    mended.close()


def test_a_final_file_without_an_epoch_is_mentioned(space: Workspace, folder: Path, capsys: Captured) -> None:
    chosen = registered(space, folder, "4-100", None)
    assert [checkpoint.epoch for checkpoint in chosen] == [4, 8]
    assert "kk.safetensors is left out" in capsys.readouterr().err


def test_a_final_file_without_an_epoch_takes_part_as_the_last_and_that_is_said(
    space: Workspace, folder: Path, capsys: Captured
) -> None:
    assert [checkpoint.epoch for checkpoint in registered(space, folder, None, None)] == [4, 8, None]
    assert "kk.safetensors does not say its epoch and counts as the last one (--final-epoch" in capsys.readouterr().err
    assert [checkpoint.epoch for checkpoint in registered(space, folder, None, 12)] == [4, 8, 12]
    assert "does not say" not in capsys.readouterr().err


def test_progress_in_a_log_counts_from_the_end_of_the_first_batch(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 100.0, 120.0, 140.0, 140.0])
    monkeypatch.setattr(working.time, "monotonic", lambda: next(clock))
    tell = working._Lines()
    for images in (0, 4, 52, 100, 100):  # a hundred seconds of opening models, then 2.4 images a second
        tell(Progress(total=100, generated=images, judged=images, failed=0))
    assert [line.removeprefix("bleedcheck: ") for line in capsys.readouterr().err.splitlines()] == [
        "0/100 images, 0 judged",
        "4/100 images, 4 judged",
        "52/100 images, 52 judged, 20 s left",
        "100/100 images, 100 judged",
    ]


def test_unusable_files_are_left_out_and_said(space: Workspace, folder: Path, capsys: Captured) -> None:
    (folder / "broken.safetensors").write_text("nothing")
    assert len(registered(space, folder, None, 12)) == 3
    assert "broken.safetensors is left out" in capsys.readouterr().err


def test_files_are_registered_where_they_lie(space: Workspace, folder: Path) -> None:
    chosen = registered(space, folder, None, 12)
    assert {Path(checkpoint.path).parent for checkpoint in chosen} == {folder.resolve()}
    assert not space.settings.uploads_dir.exists()


def test_a_fixed_lora_is_no_checkpoint(tmp_path: Path, base: Path, folder: Path) -> None:
    turbo = write_lora(folder / "turbo.safetensors", seed=9)
    opened = open_space(tmp_path / "data", base)
    settings = opened.settings.model_copy(update={"extra_loras": (f"{turbo}:0.5",)})
    space = Workspace(settings)
    chosen = registered(space, folder, None, 12)
    assert turbo.name not in {Path(checkpoint.path).name for checkpoint in chosen}
    request = make_request(settings, chosen_suite(space, "demo", "1", "64x64"), chosen)
    assert [(lora.path, lora.scale) for lora in request.extra] == [(str(turbo), 0.5)]
    opened.close()
    space.close()


def test_an_unknown_use_is_refused_before_any_work(space: Workspace, folder: Path) -> None:
    with pytest.raises(BleedcheckError, match="there is no check 'paws' here"):
        answer(space, ask(space, folder), as_json=True, use="paws=2")
    assert space.evaluations.list_all() == []


def test_a_use_is_answered_in_words_and_in_json(space: Workspace, folder: Path, capsys: Captured) -> None:
    request = ask(space, folder)
    answer(space, request, as_json=True, use="no-crossing")
    data = json.loads(capsys.readouterr().out)
    assert data["use"] == "no-crossing"
    answer(space, request, as_json=False, use="no-crossing")
    said = " ".join(capsys.readouterr().out.split())
    assert "for pictures without crossing hands" in said
    assert all(" ".join(sentence.split()) in said for sentence in data["summary"])
