"""What makes two requests the same, and how people's words become one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from service.checkpoints import inspect_checkpoint
from service.errors import InvalidInput, UnmappedKeys
from service.evaluations import repository as evaluation_rows
from service.evaluations.asking import as_before, epoch_range, make_request, with_seeds
from service.evaluations.keys import detector_key, digest, image_key
from service.evaluations.lease import is_alive, own_name
from service.evaluations.requests import EvaluationRequest, parse_extra
from service.generation.original import lora_folder
from tests.evaluations.world import open_space, register, small_suite, write_lora


def test_every_part_of_an_image_key_counts() -> None:
    asked = [{"base": "a"}, "c" * 64, 1.0, "1girl", 7]
    others = [{"base": "b"}, "d" * 64, 0.5, "2girls", 8]
    key = image_key(*asked)  # type: ignore[arg-type]
    for place, other in enumerate(others):
        changed = [*asked[:place], other, *asked[place + 1 :]]
        assert image_key(*changed) != key  # type: ignore[arg-type]
    assert image_key({"base": "a"}, "c" * 64, 1, "1girl", 7) == key


def test_the_control_has_no_scale() -> None:
    assert image_key({}, None, 1.0, "p", 1) == image_key({}, None, 0.5, "p", 1)


def test_what_was_asked_counts_for_findings() -> None:
    suite = small_suite()
    hug, solo = (suite.expectation(name) for name in ("hug", "solo"))
    assert detector_key({"a": "1"}, hug) != detector_key({"a": "1"}, solo)
    assert detector_key({"a": "1"}, hug) != detector_key({"a": "2"}, hug)
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


def test_a_request_survives_storage(base: Path) -> None:
    request = EvaluationRequest(suite=small_suite(), checkpoints=("a", "b"), base=str(base))
    restored = EvaluationRequest.restore(request.model_dump(mode="json"))
    assert restored == request
    assert restored.key == request.key


@pytest.mark.parametrize(
    "change", [{"checkpoints": ("a",)}, {"scale": 0.5}, {"device": "cuda"}, {"batch_size": 2}, {"dtype": "bfloat16"}]
)
def test_another_request_is_another_evaluation(base: Path, change: dict[str, object]) -> None:
    request = EvaluationRequest(suite=small_suite(), checkpoints=("a", "b"), base=str(base))
    assert request.model_copy(update=change).key != request.key


def test_who_chose_the_batch_size_makes_no_other_request(base: Path) -> None:
    request = EvaluationRequest(suite=small_suite(), checkpoints=("a", "b"), base=str(base))
    chosen = request.model_copy(update={"batch_chosen": True})
    assert (chosen.key, chosen.speed_key) == (request.key, request.speed_key)


def test_a_batch_size_that_was_chosen_stays_while_the_free_memory_of_the_card_changes(
    tmp_path: Path, base: Path, loras: list[Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    space = open_space(tmp_path / "data", base)
    checkpoints = register(space, loras)

    def asked(fits: int, **wanted: Any) -> EvaluationRequest:
        monkeypatch.setattr("service.evaluations.asking.fitting_batch", lambda *_, **__: fits)
        request = make_request(space.settings, wanted.pop("suite", small_suite()), checkpoints, **wanted)
        return as_before(space, request)

    # Without a card nothing changes, and nothing is looked up.
    first = space.evaluations.start(asked(8))
    assert asked(2).batch_size == 2
    monkeypatch.setattr("service.evaluations.asking.has_gpu", lambda device: True)
    with caplog.at_level("WARNING", logger="service.evaluations.asking"):
        again = asked(2)
    assert again.batch_size == 8
    assert "8 pictures are made at once, as before; what is free of the card now suggests 2" in caplog.text
    assert space.evaluations.start(again).id == first.id
    # Of more checkpoints or seeds too, whose pictures are partly the same; not of another size or by another word.
    assert asked(2, suite=with_seeds(small_suite(), "2")).batch_size == 8
    assert asked(2, suite=small_suite().override(width=128)).batch_size == 2
    assert asked(8, batch_size=4).batch_size == 4
    with space.database.transaction() as session:
        evaluation_rows.get(session, first.id).fingerprint = {"device": "cuda of another kind"}
    assert asked(2).batch_size == 2
    space.close()


def test_a_batch_size_that_was_asked_for_is_no_choice(
    tmp_path: Path, base: Path, loras: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    space = open_space(tmp_path / "data", base)
    checkpoints = register(space, loras)
    space.evaluations.start(make_request(space.settings, small_suite(), checkpoints, batch_size=1))
    monkeypatch.setattr("service.evaluations.asking.has_gpu", lambda device: True)
    assert as_before(space, make_request(space.settings, small_suite(), checkpoints)).batch_size == 4
    named = space.settings.model_copy(update={"card": "12gb"})
    assert not make_request(named, small_suite(), checkpoints).batch_chosen
    space.close()


def test_a_changed_base_is_another_evaluation(tmp_path: Path) -> None:
    (tmp_path / "modular_model_index.json").write_text("{}")
    request = EvaluationRequest(suite=small_suite(), checkpoints=("a",), base=str(tmp_path))
    before = request.key
    (tmp_path / "weights").write_text("changed")
    assert request.key != before


@pytest.mark.parametrize(("text", "expected"), [("120-150", range(120, 151)), ("148", range(148, 149))])
def test_epochs(text: str, expected: range) -> None:
    assert epoch_range(text) == expected
    assert 10_000 in epoch_range("120-")


@pytest.mark.parametrize("text", ["", "-", "a", "-5", "9-3", "1-2-3"])
def test_no_epochs(text: str) -> None:
    with pytest.raises(InvalidInput):
        epoch_range(text)


@pytest.mark.parametrize(("text", "seeds"), [(None, (7, 13, 99)), ("2", (7, 13)), ("5,", (5,)), ("1, 2", (1, 2))])
def test_seeds(text: str | None, seeds: tuple[int, ...]) -> None:
    assert with_seeds(small_suite(), text).seeds == seeds


@pytest.mark.parametrize("text", ["0", "4", "-1", "a", "1,1", ",", str(2**63) + ",", "1,-2"])
def test_no_seeds(text: str) -> None:
    with pytest.raises(InvalidInput):
        with_seeds(small_suite(), text)


def test_extra_loras(tmp_path: Path) -> None:
    path = write_lora(tmp_path / "a:b.safetensors", seed=1)
    for text, scale in ((str(path), 1.0), (f"{path}:0.5", 0.5), (f"{path}:-1", -1.0)):
        lora = parse_extra(text)
        assert (lora.path, lora.scale) == (str(path.resolve()), scale)


def test_a_fixed_lora_is_looked_for_where_comfyui_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loras = tmp_path / "ComfyUI" / "models" / "loras"
    (tmp_path / "ComfyUI" / "models" / "diffusion_models").mkdir(parents=True)
    loras.mkdir()
    monkeypatch.chdir(tmp_path)
    kept = write_lora(loras / "turbo.safetensors", seed=1)
    for base in ("comfyui:ComfyUI", "comfyui:ComfyUI/models", "ComfyUI/models/diffusion_models/anima.safetensors"):
        assert parse_extra("turbo.safetensors:0.5", lora_folder(base)).path == str(kept)
    for base in ("miniature", "comfyui:elsewhere", "comfyui+http://127.0.0.1:8188"):
        assert lora_folder(base) is None
    with pytest.raises(InvalidInput, match=r"there is no file other\.safetensors, nor in .*loras"):
        parse_extra("other.safetensors:1.0", lora_folder("comfyui:ComfyUI"))
    with pytest.raises(InvalidInput, match=r"'abc' is no scale for turbo\.safetensors"):
        parse_extra("turbo.safetensors:abc", lora_folder("comfyui:ComfyUI"))
    here = write_lora(tmp_path / "turbo.safetensors", seed=2)
    assert parse_extra("turbo.safetensors", lora_folder("comfyui:ComfyUI")).path == str(here)


def test_a_fixed_lora_that_is_none_is_named_for_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "turbo.safetensors"
    save_file({"decoder.upsamples.0.residual.0.gamma": torch.ones(4, 1, 1, 1)}, path)
    with pytest.raises(InvalidInput, match=r"turbo\.safetensors is the VAE of .*; what belongs here is a LoRA file"):
        parse_extra(f"{path}:1.0")


def test_a_fixed_lora_of_another_model_is_refused_before_anything_is_loaded(base: Path, tmp_path: Path) -> None:
    key = "lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_k"
    alien = tmp_path / "turbo.safetensors"
    save_file({f"{key}.lora_down.weight": torch.ones(2, 2048), f"{key}.lora_up.weight": torch.ones(640, 2)}, alien)
    space = open_space(tmp_path / "data", base)
    own = write_lora(tmp_path / "kk_epoch4.safetensors", seed=1)
    kept = space.registry.register("kk", inspect_checkpoint(own))
    words = r"turbo\.safetensors is a LoRA for SDXL, and the base is Anima: choose the base it was trained on"
    for text, refused in ((f"{alien}:1.0", True), (f"{own}:1.0", False)):
        settings = space.settings.model_copy(update={"extra_loras": (text,)})
        if refused:
            with pytest.raises(UnmappedKeys, match=words):
                make_request(settings, small_suite(), [kept])
        else:
            assert make_request(settings, small_suite(), [kept]).extra[0].scale == 1.0
    space.close()


def test_only_a_living_process_holds_an_evaluation() -> None:
    own = own_name()
    host, pid, started, part = own.rsplit(":", 3)
    assert is_alive(own, None)
    assert not is_alive(f"{host}:{pid}:1.00:{part}", None), "a later process with the same number"
    assert not is_alive(f"{host}:999999999:{started}:{part}", None)
    assert not is_alive("elsewhere:1:1.00:abcd", 0.0)
