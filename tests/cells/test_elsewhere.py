"""What is lost because it is not there: the other pictures of the same prompt and seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fastapi.testclient import TestClient

from detectors import Expectation, Finding, Severity, Verdict
from detectors.findings import MISSING_BOX
from service.app import create_app
from service.generation.port import Pixels
from service.settings import Settings
from tests.evaluations.world import SUITE, Brightness, SmallModels, build_base, write_lora
from tests.service.world import upload, wait


class Absence(Brightness):
    """Where brightness fails, it is because something is not there."""

    def _judge(self, image: Pixels, wanted: Expectation) -> list[Finding]:
        gone = {MISSING_BOX: [1.0, 1.0, 9.0, 9.0]}
        return [
            replace(each, severity=Severity.LOST, evidence=gone) if each.verdict is Verdict.FAILS else each
            for each in super()._judge(image, wanted)
        ]


def test_a_cell_says_which_other_pictures_show_what_it_lacks(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", base=str(build_base(tmp_path / "nano")), device="cpu")
    app = create_app(settings.model_copy(update={"dtype": "float32"}), SmallModels(Absence()))
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        for epoch in (4, 8, 12):
            upload(client, "kk", write_lora(tmp_path / f"kk_epoch{epoch}.safetensors", seed=epoch))
        evaluation = client.post("/v1/evaluations", json={"runs": ["kk"], "suite_yaml": SUITE}).json()["id"]
        wait(client, evaluation)
        address = f"/v1/evaluations/{evaluation}/cells"
        cells = client.get(address, params={"limit": 1000}).json()["cells"]
        seen = {each["id"]: client.get(f"{address}/{each['id']}").json() for each in cells}
    absent = 0
    for cell in seen.values():
        others = [
            each
            for each in seen.values()
            if (each["scenario"], each["seed"]) == (cell["scenario"], cell["seed"]) and each is not cell
        ]
        for told in cell["elsewhere"]:
            showing = [each for each in others if (told["check"], "holds") in said(each)]
            assert (told["shown"], told["pictures"]) == (len(showing), 3)
            absent += 1
        assert len(cell["elsewhere"]) == sum(verdict == "fails" for _, verdict in said(cell))
    assert absent > 0


def said(cell: dict[str, object]) -> list[tuple[str, str]]:
    return [(each["check"], each["verdict"]) for each in cell["evidence"]]  # type: ignore[attr-defined]
