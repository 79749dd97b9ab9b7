"""Reading results, suites, keys and the doctor from the command line."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from sqlalchemy import select

from benchmarks.fuzz_api.world import filled_app
from service.access.keys import KeyRing
from service.database.engine import Database
from service.database.models import Detection
from service.generation.cards import Memory
from service.settings import Settings
from service.suites import load_suite
from tests.cli.test_commands import Captured, run
from tests.generation.comfyui.server import FakeComfyUI, running
from tests.generation.original.world import build_real, write_comfyui


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one finished evaluation of the run v1."""
    folder = tmp_path_factory.mktemp("filled")
    filled_app(folder)
    return folder / "data"


def said(capsys: Captured) -> dict[str, object]:
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_the_newest_leaderboard_is_shown(capsys: Captured, data: Path) -> None:
    assert run("leaderboard", "--data-dir", data, "--json") == 0
    board = said(capsys)
    assert len(board["leaderboard"]) == 2  # type: ignore[arg-type]
    assert run("leaderboard", "--run", "v1", "--data-dir", data) == 0
    assert "fuzzed: finished" in capsys.readouterr().out
    assert run("leaderboard", "nothing", "--data-dir", data) == 1
    assert run("leaderboard", "--use", "nonsense", "--data-dir", data) == 1


def test_evaluations_are_listed_and_a_wrong_id_says_how(capsys: Captured, data: Path, tmp_path: Path) -> None:
    assert run("evaluations", "--data-dir", data, "--json") == 0
    (known,) = said(capsys)["evaluations"]  # type: ignore[misc]
    assert known["status_text"] == "finished"  # type: ignore[index]
    assert run("evaluations", "--data-dir", data) == 0
    assert known["id"] in capsys.readouterr().out  # type: ignore[index]
    for command in ("leaderboard", "report", "audit"):
        assert run(command, "nothing", "--data-dir", data) == 1
        told = "there is no evaluation nothing; `bleedcheck evaluations` lists those there are"
        assert told in capsys.readouterr().err
    assert run("evaluations", "--data-dir", tmp_path) == 0
    assert "start with `bleedcheck demo`" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["leaderboard", "--run", "v9"], "there is no run 'v9'; there are v1"),
        (["compare", "control", "v1", "--check", "zz"], "suite fuzzed has no check 'zz'; it has "),
        (["conclude", "--run", "v1", "--scenario", "zz", "--check", "cast"], "has no scenario 'zz'; it has "),
        (["conclude", "--run", "v9", "--scenario", "{}", "--check", "cast"], "has no run 'v9'; it has control, v1"),
        (["conclude", "--run", "v1", "--scenario", "{}", "--check", "zz"], "has no check 'zz'; it has "),
    ],
)
def test_a_name_that_is_not_there_says_which_are(capsys: Captured, data: Path, asked: list[str], told: str) -> None:
    assert run("evaluations", "--data-dir", data, "--json") == 0
    scenario = said(capsys)["evaluations"][0]["scenarios"][0]  # type: ignore[index]
    assert run(*(each.format(scenario) for each in asked), "--data-dir", data) == 1
    assert told in capsys.readouterr().err


def test_a_finished_evaluation_whose_pictures_failed_says_so(capsys: Captured, data: Path, tmp_path: Path) -> None:
    copied = tmp_path / "data"
    shutil.copytree(data, copied)
    database = Database(f"sqlite:///{copied / 'bleedcheck.db'}")
    with database.transaction() as session:
        broken = session.scalars(select(Detection)).first()
        assert broken is not None
        broken.findings, broken.failure, broken.verdicts = [], "out of memory", None
    database.close()
    assert run("leaderboard", "--data-dir", copied) == 0
    assert "fuzzed: finished, 1 failed" in capsys.readouterr().out


def test_nothing_evaluated_yet_says_how_to_begin(capsys: Captured, tmp_path: Path) -> None:
    assert run("leaderboard", "--data-dir", tmp_path) == 1
    assert "bleedcheck demo" in capsys.readouterr().err


def test_two_sides_are_compared(capsys: Captured, data: Path) -> None:
    assert run("compare", "control", "v1", "--second-epoch", "136", "--data-dir", data, "--json") == 0
    found = said(capsys)
    assert found["pairs"] == 2
    assert run("compare", "control", "v1", "--data-dir", data) == 0
    assert "pairs flipped" in capsys.readouterr().out
    assert run("compare", "v1", "v1", "--data-dir", data) == 1
    assert run("compare", "control", "v1", "--second-epoch", "7", "--data-dir", data) == 1


def test_a_report_that_cannot_be_written_says_so(capsys: Captured, data: Path, tmp_path: Path) -> None:
    assert run("report", "--format", "zip", "--out", tmp_path / "nowhere" / "a.zip", "--data-dir", data) == 1
    told = capsys.readouterr().err
    assert "a.zip cannot be written: No such file or directory; name another file with --out" in told
    assert "unexpected" not in told
    assert run("report", "--format", "html", "--out", tmp_path / "a.html", "--data-dir", data) == 2
    assert "--format single-page or --format zip" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("form", ["single-page", "zip", "csv", "findings", "markdown", "json"])
def test_reports_are_written(capsys: Captured, data: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / "report"
    assert run("report", "--format", form, "--out", out, "--data-dir", data, "--json") == 0
    assert said(capsys)["bytes"] == out.stat().st_size > 0
    if form == "zip":
        assert "report.html" in zipfile.ZipFile(out).namelist()


def test_a_suite_is_asked_for_on_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "asked.yaml"
    answers = [
        "Ann",
        "annchan",
        "blonde",
        "medium",
        "long",
        "no",
        "blue",
        "",
        "y",
        "Bea",
        "beachan",
        "",
        "",
        "yes",
        "",
        "",
    ]
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "service.cli", "suite", "new", str(path)]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, text=True) as asking:
        os.write(ours, "".join(f"{each}\n" for each in answers).encode())
        said, _ = asking.communicate(timeout=120)
    for end in (ours, theirs):
        os.close(end)
    assert "write short or long, or nothing" in said  # and no answer before it is lost
    ann, bea = load_suite(path).characters
    assert (ann.attributes.hair_length, ann.attributes.eye_color, ann.attributes.ahoge) == ("long", "blue", False)
    assert (bea.attributes.hair_length, bea.attributes.ahoge) == (None, True)


def test_the_version_is_told(capsys: Captured) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("bleedcheck ")


def test_a_suite_of_ones_own_is_written_and_can_be_used(capsys: Captured, tmp_path: Path) -> None:
    path = tmp_path / "my-pair.yaml"
    people = ["--first", "Ann:annchan", "--first-looks", "ahoge=no,hair_color=blonde", "--second", "Bea:beachan"]
    assert run("suite", "new", path, *people, "--size", "512x768") == 0
    assert "bleedcheck evaluate" in capsys.readouterr().out
    suite = load_suite(path)
    assert [each.trigger for each in suite.characters] == ["annchan", "beachan"]
    assert (suite.generation.width, suite.generation.height) == (512, 768)
    assert "ahoge_bleed" in suite.scenario("hug").checks
    assert "annchan" in suite.scenario("piggyback").prompt
    assert run("suite", "validate", path) == 0
    assert run("suite", "new", path, *people) == 1  # never over a file that is there
    alone = tmp_path / "alone.yaml"
    assert run("suite", "new", alone, "--first", "Ann:annchan") == 0
    assert [each.name for each in load_suite(alone).scenarios] == ["Ann-solo"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--first", "Ann"],
        ["--first", "Ann:a", "--first-looks", "tall"],
        ["--first", "Ann:a", "--first-looks", "ahoge=perhaps"],
        ["--first", "Ann:a", "--second", "Ann:a"],
        ["--first", "Ann:a", "--size", "big"],
    ],
)
def test_a_suite_that_cannot_be_made(tmp_path: Path, arguments: list[str]) -> None:
    assert run("suite", "new", tmp_path / "x.yaml", *arguments) == 1
    assert not (tmp_path / "x.yaml").exists()


def test_faults_of_a_suite_have_lines(capsys: Captured, tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("name: x\nversion: one\n")
    assert run("suite", "validate", path, "--json") == 1
    verdict = said(capsys)
    assert {"line": 2, "field": "version"}.items() <= verdict["errors"][-1].items() or any(  # type: ignore[index]
        each["line"] == 2 and each["field"] == "version"
        for each in verdict["errors"]  # type: ignore[attr-defined]
    )
    assert run("suite", "validate", path) == 1
    assert "broken.yaml:2: version" in capsys.readouterr().err


def test_suites_are_listed_and_shown(capsys: Captured, data: Path) -> None:
    assert run("suite", "list", "--data-dir", data, "--json") == 0
    assert {"fuzzed", "keikana", "starter"} <= {each["name"] for each in said(capsys)["suites"]}  # type: ignore[attr-defined]
    assert run("suite", "show", "fuzzed", "--data-dir", data) == 0
    assert "keichan" in capsys.readouterr().out
    assert run("suite", "show", "keikana", "--json", "--data-dir", data) == 0
    assert said(capsys)["name"] == "keikana"


def test_keys_are_made_listed_and_revoked(capsys: Captured, tmp_path: Path) -> None:
    assert run("keys", "create", "--name", "laptop", "--scope", "read", "--data-dir", tmp_path, "--json") == 0
    made = said(capsys)
    database = Database(Settings(data_dir=tmp_path).url)
    assert KeyRing(database).caller(str(made["key"])).key_id == made["id"]
    database.close()
    assert run("keys", "list", "--data-dir", tmp_path) == 0
    assert "laptop" in capsys.readouterr().out
    assert run("keys", "revoke", str(made["id"]), "--data-dir", tmp_path, "--json") == 0
    assert run("keys", "revoke", str(made["id"]), "--data-dir", tmp_path) == 1
    assert run("keys", "create", "--name", "x", "--scope", "everything", "--data-dir", tmp_path) == 2


def test_it_does_not_serve_others_without_a_key(capsys: Captured, tmp_path: Path) -> None:
    assert run("serve", "--host", "0.0.0.0", "--data-dir", tmp_path) == 1
    assert "bleedcheck keys create" in capsys.readouterr().err


def test_the_doctor_looks_at_single_files(capsys: Captured, tmp_path: Path) -> None:
    comfyui = write_comfyui(tmp_path / "ComfyUI", build_real())
    asked = ["doctor", "--data-dir", tmp_path / "data", "--base", f"comfyui:{comfyui}", "--json"]
    assert run(*asked) == 0
    assert f"comfyui:{comfyui}: Anima, files complete" in capsys.readouterr().out
    (comfyui / "models" / "vae" / "qwen_image_vae.safetensors").unlink()
    assert run(*asked) == 1
    assert "needs Anima's VAE" in capsys.readouterr().out


def test_the_doctor_asks_a_running_comfyui(capsys: Captured, tmp_path: Path) -> None:
    with running(FakeComfyUI()) as host:
        asked = ["doctor", "--data-dir", tmp_path / "data", "--base", f"comfyui+http://{host}", "--json"]
        assert run(*asked) == 0
        assert "ComfyUI 0.3.75 answers, on cuda:0 NVIDIA GeForce RTX 4090" in capsys.readouterr().out
        assert run(*asked[:-2], f"comfyui+http://{host};workflow={tmp_path / 'none.json'}", "--json") == 1
        assert "there is no workflow file" in capsys.readouterr().out
    assert run(*asked) == 1
    assert "does not answer (ConnectError): start it" in capsys.readouterr().out


def test_the_doctor_says_what_is_missing(capsys: Captured, tmp_path: Path) -> None:
    assert run("doctor", "--data-dir", tmp_path / "data", "--json") == 0
    found = {each["name"]: each for each in said(capsys)["findings"]}  # type: ignore[attr-defined]
    assert found["database"]["state"] == "ok"
    assert found["base model"]["state"] == "ok"
    assert run("doctor", "--data-dir", tmp_path / "data", "--base", "/nowhere", "--json") == 1
    wrong = [each for each in said(capsys)["findings"] if each["state"] == "missing"]  # type: ignore[attr-defined]
    assert any("/nowhere" in each["told"] for each in wrong)


def test_the_doctor_says_which_setting_the_card_gets_and_why(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def card(free: int, *options: object) -> dict[str, str]:
        memory = Memory(24 << 30, free << 30)
        for module in ("cards", "opening"):
            monkeypatch.setattr(f"service.generation.{module}.memory_of", lambda device: memory)
        assert run("doctor", "--data-dir", tmp_path / "data", *options, "--json") == 0
        findings = said(capsys)["findings"]
        return next(each for each in findings if each["name"] == "card")  # type: ignore[attr-defined,no-any-return]

    monkeypatch.setattr("service.generation.cards.has_gpu", lambda device: True)
    usual = card(23)
    assert (usual["state"], usual["cure"]) == ("ok", "")
    assert usual["told"].startswith("24gb by its memory: 23.0 of 24.0 GiB are free; 4 pictures of 1024 x 1024 at once")
    taken = card(13)
    assert (taken["state"], taken["cure"][:5]) == ("note", "close")
    assert taken["told"].startswith("12gb by what is free: 13.0 of 24.0 GiB are free, others hold 11.0 GiB; 2 pictures")
    assert card(13, "--card", "24gb")["told"].startswith("24gb as --card says; 13.0 of 24.0 GiB are free")


def test_a_hand_table_is_concluded_from(capsys: Captured, tmp_path: Path) -> None:
    table = tmp_path / "hands.csv"
    table.write_text(
        "seed,140,144,148,150\n7,holds,holds,minor,minor\n13,holds,lost,lost,lost\n99,holds,holds,holds,minor\n"
    )
    assert run("conclude", table) == 0
    text = capsys.readouterr().out
    assert "worsens from epoch 140 to 150" in text
    assert "That epoch 140 is safe: no failure on 3 seeds" in text
    assert run("conclude", table, "--json") == 0
    assert said(capsys)["seeds"] == [7, 13, 99]
    table.write_text("seed,140\n7,broken\n")
    assert run("conclude", table) == 1
    assert "the words are holds, minor" in capsys.readouterr().err
    assert run("conclude", tmp_path / "none.csv") == 1
    assert run("conclude") == 2


def test_an_evaluation_is_concluded_from(capsys: Captured, data: Path) -> None:
    asked = ("conclude", "--run", "v1", "--scenario", "hug", "--check", "cast")
    assert run(*asked, "--data-dir", data, "--json") == 0
    assert said(capsys)["can"] == []
