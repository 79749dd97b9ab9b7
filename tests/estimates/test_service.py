"""Measuring a small but real machine, once, and what the command line and the API say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from service.cli.planning import PlanOptions, planned
from service.cli.working import answer, registered
from service.errors import Conflict, InvalidInput
from service.estimates.service import EstimateService, planned_request
from service.evaluations.asking import make_request
from service.evaluations.executor import Progress
from service.evaluations.workspace import Workspace
from service.settings import Settings
from service.suites import load_suite
from tests.evaluations.world import SmallModels, TightModels, open_space, small_suite, write_lora
from tests.service.world import open_client, upload

EPOCHS = (4, 8)


@pytest.fixture(scope="session")
def loras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loras")
    for epoch in EPOCHS:
        write_lora(folder / f"kk_epoch{epoch}.safetensors", seed=epoch)
    return folder


def test_the_machine_is_measured_once_with_two_batches(space: Workspace, loras: Path, models: SmallModels) -> None:
    checkpoints = registered(space, loras, None, None)
    request = make_request(space.settings, small_suite(), checkpoints)
    measured = EstimateService(space).measured(request, checkpoints)
    assert models.generated == 2 * request.batch_size
    assert min(measured.open_s, measured.generate_s, measured.judge_s, measured.swap_s, measured.store_s) > 0
    assert measured.image_bytes > 100
    assert measured.device.startswith("cpu")
    assert not measured.overlaps

    again = EstimateService(space).measured(request, checkpoints)
    assert again == measured
    assert models.generated == 2 * request.batch_size

    larger = request.model_copy(update={"suite": request.suite.override(width=96)})
    assert EstimateService(space).measured(larger, checkpoints) != measured
    assert models.generated == 4 * request.batch_size


def test_a_warm_up_that_finds_the_card_too_small_plans_smaller_batches(tmp_path: Path, base: Path, loras: Path) -> None:
    space = open_space(tmp_path / "tight", base, TightModels())
    checkpoints = registered(space, loras, None, None)
    request = make_request(space.settings, small_suite(), checkpoints)
    for _ in range(2):  # measured, and remembered
        plan = planned(space, request, checkpoints, PlanOptions(), as_json=False)
        assert plan is not None
        assert (request.batch_size, plan.request.batch_size) == (4, 1)
    evaluation = space.evaluations.start(plan.request)
    space.executor.run(evaluation.id)
    assert space.evaluations.state(evaluation.id).notes == ()
    space.close()


def test_another_format_and_another_placing_are_measured_anew(
    tmp_path: Path, base: Path, loras: Path, models: SmallModels
) -> None:
    sizes, made = [], []
    common = {"data_dir": tmp_path / "data", "base": str(base), "device": "cpu", "dtype": "float32"}
    for way in ({}, {"image_format": "webp"}, {"card": "8gb"}, {"card": "6gb"}, {}):
        settings = Settings(**common, **way)
        space = Workspace(settings, models)
        checkpoints = registered(space, loras, None, None)
        request = make_request(space.settings, small_suite(), checkpoints)
        before = models.generated
        sizes.append(EstimateService(space).measured(request, checkpoints).image_bytes)
        made.append(models.generated - before > 0)
        space.close()
    assert sizes[0] == sizes[-1] != sizes[1]
    assert made == [True, True, True, True, False]


def test_other_scenarios_need_no_new_measurement(space: Workspace, loras: Path) -> None:
    request = make_request(space.settings, small_suite(), registered(space, loras, None, None))
    fewer = request.suite.model_copy(update={"seeds": (1,)})
    assert request.model_copy(update={"suite": fewer}).speed_key == request.speed_key
    assert request.model_copy(update={"batch_size": 2}).speed_key != request.speed_key


def test_a_broken_memory_is_measured_again(space: Workspace, loras: Path, models: SmallModels) -> None:
    checkpoints = registered(space, loras, None, None)
    request = make_request(space.settings, small_suite(), checkpoints)
    EstimateService(space).measured(request, checkpoints)
    (space.settings.data_dir / "measurements.json").write_text("nonsense")
    EstimateService(space).measured(request, checkpoints)
    assert models.generated == 4 * request.batch_size


def test_measuring_does_not_disturb_a_running_evaluation(space: Workspace, loras: Path) -> None:
    checkpoints = registered(space, loras, None, None)
    request = make_request(space.settings, small_suite(), checkpoints)
    with space.executor.busy, pytest.raises(Conflict, match="running"):
        EstimateService(space).measured(request, checkpoints)


def test_what_was_made_is_not_counted_again(space: Workspace, loras: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoints = registered(space, loras, None, None)
    request = make_request(space.settings, small_suite(), checkpoints)
    before, *_ = EstimateService(space).choose(request, checkpoints)
    assert (before.to_make, before.there) == (18, 0)
    answer(space, request, as_json=True, estimate=before.to_json())
    assert json.loads(capsys.readouterr().out)["estimate"]["images"] == 18
    after, *_ = EstimateService(space).choose(request, checkpoints)
    assert (after.to_make, after.hours) == (0, 0.0)


def test_images_of_a_smaller_plan_are_not_counted_again(space: Workspace, loras: Path) -> None:
    checkpoints = registered(space, loras, None, None)
    whole = make_request(space.settings, small_suite(), checkpoints)
    part = whole.model_copy(update={"suite": whole.suite.model_copy(update={"seeds": whole.suite.seeds[:1]})})
    answer(space, part, as_json=True)
    estimate, *_ = EstimateService(space).choose(whole, checkpoints)
    assert (estimate.plan.images, estimate.there, estimate.is_begun) == (18, 6, False)


def test_with_a_limit_of_time_what_was_begun_is_gone_on_with(space: Workspace, loras: Path) -> None:
    checkpoints = registered(space, loras, None, None)
    suite = load_suite("keikana").override(width=64, height=64)
    request = make_request(space.settings, suite, checkpoints)
    service = EstimateService(space)
    fullest, *others = service.choose(request, checkpoints, max_hours=100.0)
    assert fullest.plan.name == "full"
    small = next(each.plan for each in others if each.plan.name == "small")
    begun = space.evaluations.start(planned_request(request, small, fullest.measured))

    def stop(progress: Progress) -> None:
        if progress.generated:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        space.executor.run(begun.id, stop)
    again, *_ = service.choose(request, checkpoints, max_hours=100.0)
    assert (again.plan.name, again.is_begun) == ("small", True)
    assert 0 < again.there < small.images
    assert service.choose(request, checkpoints, full=True, max_hours=100.0)[0].plan.name == "full"


def test_images_of_another_plan_begin_nothing(space: Workspace, loras: Path) -> None:
    checkpoints = registered(space, loras, None, None)
    whole = make_request(space.settings, small_suite(), checkpoints)
    part = whole.model_copy(update={"suite": whole.suite.model_copy(update={"seeds": whole.suite.seeds[:1]})})
    answer(space, part, as_json=True)
    first, *_ = EstimateService(space).choose(whole, checkpoints)
    planned_only = space.evaluations.start(planned_request(whole, first.plan, first.measured))
    estimate, *_ = EstimateService(space).choose(whole, checkpoints)
    assert (estimate.there, estimate.is_begun) == (6, False)

    def stop(progress: Progress) -> None:
        if progress.generated:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        space.executor.run(planned_only.id, stop)
    assert EstimateService(space).choose(whole, checkpoints)[0].is_begun


def test_the_plan_is_printed_and_nothing_is_started(
    space: Workspace, loras: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints = registered(space, loras, None, None)
    request = make_request(space.settings, small_suite(), checkpoints)
    assert planned(space, request, checkpoints, PlanOptions(stop=True, price=0.9), as_json=True) is None
    facts = json.loads(capsys.readouterr().out)
    assert facts["images"] == 18
    assert facts["cost"] == pytest.approx(0.9 * facts["hours"], abs=0.01)
    assert facts["plan"]["name"] == "full"
    assert planned(space, request, checkpoints, PlanOptions(stop=True), as_json=False) is None
    said = capsys.readouterr()
    assert "18 images" in said.out
    assert "--max-hours" in said.out
    assert "non-commercial" in said.err  # though the base was not opened again
    assert space.evaluations.list_all() == []


def test_max_hours_cuts_the_plan_or_refuses(space: Workspace, loras: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoints = registered(space, loras, None, None)
    request = make_request(space.settings, small_suite(), checkpoints)
    chosen = planned(space, request, checkpoints, PlanOptions(max_hours=100.0), as_json=True)
    assert chosen is not None
    assert chosen.request == request
    assert "18 images" in capsys.readouterr().err
    with pytest.raises(InvalidInput, match="hours"):
        planned(space, request, checkpoints, PlanOptions(max_hours=0.0), as_json=True)


def test_the_api_says_the_same(tmp_path: Path, base: Path, loras: Path) -> None:
    with open_client(tmp_path / "data", base, work=False) as client:
        for epoch in EPOCHS:
            assert upload(client, "v2", loras / f"kk_epoch{epoch}.safetensors").status_code < 300
        answered = client.post("/v1/estimates", json={"runs": ["v2"], "suite": "demo", "seeds": 2, "price": 0.5})
        assert answered.status_code == 200, answered.text
        facts = answered.json()
        assert facts["images"] == 3 * 4 * 2
        assert facts["cost"] is not None
        assert any("non-commercial" in notice for notice in facts["notices"])
        assert any("without a speed LoRA" in notice for notice in facts["notices"])
        assert facts["hours"] > 0
        assert client.get("/v1/evaluations").json()["evaluations"] == []
        unknown = {"runs": ["v2"], "suite": "demo", "suite_version": 999}
        told = [client.post(f"/v1/{what}", json=unknown).json() for what in ("estimates", "evaluations")]
        assert [each["status"] for each in told] == [422, 422]
        assert "999" in told[0]["detail"]
        refused = client.post("/v1/estimates", json={"runs": ["v2"], "suite": "demo", "max_hours": 0})
        assert refused.status_code == 422


def test_rounds_are_estimated_by_their_budget(
    space: Workspace, loras: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints = registered(space, loras, None, None)
    request = make_request(space.settings, small_suite(), checkpoints, until="decided", max_images=12)
    assert planned(space, request, checkpoints, PlanOptions(stop=True), as_json=False) is None
    said = capsys.readouterr().out
    assert "at most 12 images in rounds" in said
    assert "--max-images" in said
    assert space.evaluations.list_all() == []
    chosen = planned(space, request, checkpoints, PlanOptions(), as_json=True)
    assert chosen is not None
    assert chosen.request == request
    with pytest.raises(InvalidInput, match="images at most"):
        planned(space, request, checkpoints, PlanOptions(max_hours=0.0), as_json=True)
    few = request.model_copy(update={"max_images": 2})
    with pytest.raises(InvalidInput, match="too small"):
        planned(space, few, checkpoints, PlanOptions(stop=True), as_json=True)


def test_the_api_estimates_rounds(tmp_path: Path, base: Path, loras: Path) -> None:
    with open_client(tmp_path / "data", base, work=False) as client:
        for epoch in EPOCHS:
            assert upload(client, "v2", loras / f"kk_epoch{epoch}.safetensors").status_code < 300
        asked = {"runs": ["v2"], "suite": "demo", "until": "decided", "max_images": 20}
        facts = client.post("/v1/estimates", json=asked).json()
        assert (facts["images"], facts["plan"]["until"], facts["other_plans"]) == (20, "decided", [])
        whole = client.post("/v1/estimates", json={**asked, "max_images": None}).json()
        assert whole["images"] > 20
