"""ComfyUI as a generator. With BLEEDCHECK_COMFYUI=127.0.0.1:8188 the first tests run against a real one.

A real one needs Anima's three files and two LoRA files for it in the folder that BLEEDCHECK_COMFYUI_LORAS names (its
own ``models/loras``). Tests of failures need the one in ``server.py``.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.errors import CheckpointChanged, UnreadableImage
from service.evaluations.asking import make_request
from service.generation import GenerationSettings, ImageRequest, open_generator
from service.generation.comfyui.address import parse_address
from service.generation.comfyui.client import ComfyUIClient, ComfyUILost, WorkflowFailed
from service.generation.comfyui.generator import ComfyUIGenerator
from service.generation.comfyui.workflow import anima_graph, read_workflow
from service.generation.errors import BaseNotFound, UnusableBase
from service.settings import Settings
from tests.evaluations.world import write_lora

from .server import FakeComfyUI, running

REAL = os.environ.get("BLEEDCHECK_COMFYUI")
SIDE = 512 if REAL else 64
SETTINGS = GenerationSettings(steps=4, width=SIDE, height=SIDE, batch_size=2)
REQUESTS = [ImageRequest("1girl, keichan", 7), ImageRequest("1girl, keichan", 8)]


@pytest.fixture
def fake() -> FakeComfyUI:
    return FakeComfyUI()


@pytest.fixture
def host(fake: FakeComfyUI) -> Iterator[str]:
    with running(fake) as address:
        yield address


@pytest.fixture
def either(fake: FakeComfyUI) -> Iterator[str]:
    """A real ComfyUI where its address is given, else the one for tests."""
    if REAL:
        yield REAL
    else:
        with running(fake) as address:
            yield address


@pytest.fixture
def loras(tmp_path: Path, either: str) -> list[Path]:
    """Two LoRA files that ComfyUI has."""
    if not REAL:
        (tmp_path / "run").mkdir()
        return [write_lora(tmp_path / "run" / f"kk_epoch{epoch}.safetensors", seed=epoch) for epoch in (4, 8)]
    names = httpx.get(f"http://{either}/models/loras").json()[:2]
    return [Path(os.environ["BLEEDCHECK_COMFYUI_LORAS"]) / name for name in names]


def own_workflow(path: Path, **titles: str) -> Path:
    """A person's own graph, with everything said by titles and nothing by placeholders."""
    models = {
        "model": "anima-base-v1.0.safetensors",
        "clip": "qwen_3_06b_base.safetensors",
        "vae": "qwen_image_vae.safetensors",
    }
    graph: dict[str, Any] = anima_graph(models, [], "er_sde", "simple")
    values = {
        "{prompt}": "old",
        "{negative}": "bad",
        "{seed}": 1,
        "{width}": 640,
        "{height}": 640,
        "{steps}": 3,
        "{cfg}": 1.0,
    }
    values |= {"{lora}": "kk_epoch4.safetensors", "{strength}": 0.5}
    for node in graph.values():
        node["inputs"] = {
            name: values.get(value, value) if isinstance(value, str) else value
            for name, value in node["inputs"].items()
        }
    for identifier, title in titles.items():
        graph[identifier]["_meta"] = {"title": title}
    path.write_text(json.dumps(graph))
    return path


TITLES = {
    "positive": "Bleedcheck: prompt",
    "sampler": "bleedcheck: seed",
    "lora": "bleedcheck: lora",
    "size": "bleedcheck: size",
}


def opened(host: str, workflow: Path | None = None, **options: Any) -> ComfyUIGenerator:
    settings = options.pop("settings", SETTINGS)
    base = f"comfyui+http://{host}" + (f";workflow={workflow}" if workflow else "")
    return ComfyUIGenerator(parse_address(base), settings, client=ComfyUIClient(host, back_s=2.0), **options)


def test_seed_prompt_and_checkpoint_change_the_picture_and_nothing_else_does(either: str, loras: list[Path]) -> None:
    generator = open_generator(f"comfyui+http://{either}", SETTINGS)
    generator.use(None)
    control = generator.generate(REQUESTS)
    assert [image.pixels.shape for image in control] == [(SIDE, SIDE, 3)] * 2
    assert not np.array_equal(control[0].pixels, control[1].pixels)
    assert np.array_equal(generator.generate(REQUESTS)[0].pixels, control[0].pixels)
    other = generator.generate([ImageRequest("1girl, kanachan", 7)])
    assert not np.array_equal(other[0].pixels, control[0].pixels)
    generator.use(loras[0], 1.0)
    first = generator.generate(REQUESTS[:1])
    assert not np.array_equal(first[0].pixels, control[0].pixels)
    generator.use(loras[0], 0.0)
    assert np.array_equal(generator.generate(REQUESTS[:1])[0].pixels, control[0].pixels)
    assert generator.fingerprint()["generator"].startswith("comfyui")
    json.dumps(generator.fingerprint())


@pytest.mark.skipif(bool(REAL), reason="names the models of the test server")
def test_a_workflow_of_ones_own_is_filled_by_titles(
    host: str, fake: FakeComfyUI, loras: list[Path], tmp_path: Path
) -> None:
    generator = opened(host, own_workflow(tmp_path / "mine.json", **TITLES))
    generator.use(loras[1], 0.8)
    generator.generate([ImageRequest("1girl, {seed} keichan", 2**53 + 1)])
    graph = fake.graphs[-1]
    assert graph["positive"]["inputs"]["text"] == "1girl, {seed} keichan"
    assert graph["negative"]["inputs"]["text"] == "bad"
    assert graph["sampler"]["inputs"]["seed"] == 2**53 + 1
    assert graph["sampler"]["inputs"]["steps"] == 3
    assert graph["lora"]["inputs"]["lora_name"] == "run/kk_epoch8.safetensors"
    assert graph["lora"]["inputs"]["strength_model"] == 0.8
    assert (graph["size"]["inputs"]["width"], graph["size"]["inputs"]["height"]) == (SIDE, SIDE)
    generator.use(None)
    generator.generate(REQUESTS[:1])
    assert "lora" not in fake.graphs[-1]
    assert fake.graphs[-1]["sampler"]["inputs"]["model"] == ["model", 0]


def test_fixed_loras_lie_under_the_swept_one(host: str, fake: FakeComfyUI, tmp_path: Path) -> None:
    turbo = write_lora(tmp_path / "kk_epoch4.safetensors", seed=4)
    generator = opened(host, extra=[(turbo, 0.7)])
    generator.generate(REQUESTS[:1])
    graph = fake.graphs[-1]
    assert graph["extra0"]["inputs"]["strength_model"] == 0.7
    assert graph["sampler"]["inputs"]["model"] == ["extra0", 0]
    with pytest.raises(UnusableBase, match="into your workflow"):
        opened(host, own_workflow(tmp_path / "mine.json", **TITLES), extra=[(turbo, 0.7)])


@pytest.mark.parametrize(
    ("titles", "words"),
    [
        ({"positive": "bleedcheck: prompt", "lora": "bleedcheck: lora"}, "no place for seed"),
        ({**TITLES, "save": "bleedcheck: picture"}, "there are prompt"),
        ({**TITLES, "save": "bleedcheck: seed"}, "no own input seed"),
    ],
)
def test_a_workflow_without_places_says_what_to_title(tmp_path: Path, titles: dict[str, str], words: str) -> None:
    with pytest.raises(UnusableBase, match=words):
        read_workflow(own_workflow(tmp_path / "mine.json", **titles))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "JSON"),
        ("[]", "API format"),
        ('{"nodes": [], "links": []}', r"Export \(API\)"),
        ('{"1": {"class_type": "KSampler"}}', "API format"),
    ],
)
def test_a_file_that_is_no_workflow_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(UnusableBase, match=words):
        read_workflow(tmp_path / "mine.json")


def test_a_missing_lora_says_where_to_put_it(host: str, tmp_path: Path) -> None:
    missing = write_lora(tmp_path / "kk_epoch12.safetensors", seed=1)
    with pytest.raises(BaseNotFound, match="ComfyUI/models/loras"):
        opened(host).use(missing)


def test_another_file_of_the_same_name_is_noticed(host: str, fake: FakeComfyUI, tmp_path: Path) -> None:
    lora = write_lora(tmp_path / "kk_epoch4.safetensors", seed=4)
    fake.metadata["kk_epoch4.safetensors"] = {"ss_network_dim": "999"}
    with pytest.raises(CheckpointChanged, match="metadata differ"):
        opened(host).use(lora)


def test_a_node_that_fails_is_named_in_words_and_nothing_stays_queued(host: str, fake: FakeComfyUI) -> None:
    with pytest.raises(
        WorkflowFailed, match=r"node positive \(CLIPTextEncode\) failed: torch\.OutOfMemoryError: Alloc"
    ):
        opened(host).generate([ImageRequest("OOM", 1), ImageRequest("SLOW", 2)])
    wait_until(lambda: fake.running is None and not fake.pending)


def test_a_refused_workflow_is_explained(host: str, tmp_path: Path) -> None:
    path = own_workflow(tmp_path / "mine.json", **TITLES)
    graph = json.loads(path.read_text())
    graph["sampler"]["inputs"]["sampler_name"] = "unheard_of"
    path.write_text(json.dumps(graph))
    with pytest.raises(
        WorkflowFailed, match=r"node sampler \(KSampler\): Value not in list: sampler_name: 'unheard_of'"
    ):
        opened(host, path).generate(REQUESTS[:1])
    graph["save"]["class_type"] = "SomebodysSaver"
    path.write_text(json.dumps(graph))
    with pytest.raises(WorkflowFailed, match="SomebodysSaver does not exist"):
        opened(host, path).generate(REQUESTS[:1])


def test_a_workflow_that_runs_in_part_says_what_was_left_out(
    host: str, fake: FakeComfyUI, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = own_workflow(tmp_path / "mine.json", **TITLES, save="bleedcheck: output")
    graph = json.loads(path.read_text())
    graph["other"] = {"class_type": "VAELoader", "inputs": {"vae_name": "gone.safetensors"}}
    graph["decode2"] = {"class_type": "VAEDecode", "inputs": {"samples": ["sampler", 0], "vae": ["other", 0]}}
    graph["save2"] = {"class_type": "SaveImage", "inputs": {"images": ["decode2", 0], "filename_prefix": "b"}}
    path.write_text(json.dumps(graph))
    assert len(opened(host, path).generate(REQUESTS[:1])) == 1
    assert "only in part: node other (VAELoader): Value not in list: vae_name: 'gone.safetensors'" in caplog.text
    del graph["save"]["_meta"]
    graph["save2"]["_meta"] = {"title": "bleedcheck: output"}
    path.write_text(json.dumps(graph))
    with pytest.raises(WorkflowFailed, match=r"only in part: node other \(VAELoader\): Value not in list"):
        opened(host, path).generate(REQUESTS[:1])


def test_a_workflow_that_is_nowhere_to_be_seen_for_a_moment_is_not_lost(host: str, fake: FakeComfyUI) -> None:
    fake.hidden = 3
    assert len(opened(host).generate(REQUESTS[:1])) == 1
    assert len(fake.graphs) == 1


def test_a_workflow_whose_answer_got_lost_is_not_queued_twice(
    host: str, fake: FakeComfyUI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.generation.comfyui.client.ANSWER_S", 1.5)
    generator = opened(host)
    fake.late_s = 4.0
    assert len(generator.generate(REQUESTS[:1])) == 1
    assert len(fake.graphs) == 1


def test_a_broken_line_is_opened_again(host: str, fake: FakeComfyUI) -> None:
    fake.drop_lines = 2
    images = opened(host).generate(REQUESTS)
    assert len(images) == 2
    assert fake.connections >= 2


def test_a_lost_message_is_no_hang(host: str, fake: FakeComfyUI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.generation.comfyui.client.SILENCE_S", 0.1)
    fake.silent = True
    assert len(opened(host).generate(REQUESTS)) == 2


def test_a_workflow_that_a_restart_has_lost_is_queued_again_once(host: str, fake: FakeComfyUI) -> None:
    fake.forget = 1
    assert len(opened(host).generate(REQUESTS[:1])) == 1
    assert len(fake.graphs) == 2
    fake.forget = 2
    with pytest.raises(ComfyUILost, match="forgotten"):
        opened(host).generate(REQUESTS[:1])


def test_stopping_interrupts_our_own_workflow(host: str, fake: FakeComfyUI, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = opened(host)

    def interrupt(*_: Any) -> Any:
        wait_until(lambda: fake.running is not None)
        raise KeyboardInterrupt

    monkeypatch.setattr(generator._client, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        generator.generate([ImageRequest("SLOW", 1), ImageRequest("SLOW", 2)])
    wait_until(lambda: fake.running is None and not fake.pending)
    assert len(fake.interrupted) == 1


def test_somebody_elses_interrupt_is_said(host: str, fake: FakeComfyUI) -> None:
    def press() -> None:
        wait_until(lambda: fake.running is not None)
        httpx.post(f"http://{host}/interrupt", json={})

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(WorkflowFailed, match="interrupted in ComfyUI"):
        opened(host).generate([ImageRequest("SLOW", 1)])
    thread.join()


def test_a_long_queue_is_respected(host: str, fake: FakeComfyUI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.generation.comfyui.generator._LOOK_AGAIN_S", 0.02)
    fake.hold.clear()
    other = anima_graph({"model": "other.safetensors", "clip": "", "vae": ""}, [], "euler", "simple")
    other["sampler"]["inputs"]["steps"] = 1
    other["size"]["inputs"] |= {"width": 8, "height": 8}
    fake.pending = [(number, f"other{number}", other, "somebody") for number in range(20)]
    made: list[Any] = []
    thread = threading.Thread(target=lambda: made.append(opened(host).generate(REQUESTS)))
    thread.start()
    threading.Event().wait(0.3)
    assert fake.graphs == []
    fake.hold.set()
    thread.join(30)
    assert len(made[0]) == 2


def test_progress_is_told(host: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="service.generation.comfyui.generator"):
        opened(host).generate(REQUESTS)
    assert "image 1 of 2, step 1 of 4" in caplog.text


def test_what_is_no_single_lossless_image_of_the_size_is_refused(host: str, fake: FakeComfyUI, tmp_path: Path) -> None:
    without_size = {name: title for name, title in TITLES.items() if name != "size"}
    path = own_workflow(tmp_path / "mine.json", **without_size)
    with pytest.raises(UnreadableImage, match=r"640x640, and 64x64 .*--size 640x640"):
        opened(host, path).generate(REQUESTS[:1])
    graph = json.loads(path.read_text())
    graph["size"]["inputs"] = {"width": SIDE, "height": SIDE, "batch_size": 2}
    path.write_text(json.dumps(graph))
    with pytest.raises(UnreadableImage, match="2 images instead of one"):
        opened(host, path).generate(REQUESTS[:1])
    fake.saves = "JPEG"
    with pytest.raises(UnreadableImage, match="JPEG"):
        opened(host).generate(REQUESTS[:1])


def test_a_comfyui_that_does_not_run_says_so() -> None:
    with pytest.raises(ComfyUILost, match="start it"):
        opened("127.0.0.1:9")


ELSEWHERE = ["example.org:8188", "10.0.0.2", "", "[::1", "127.0.0.1:1/x", "user@127.0.0.1"]


@pytest.mark.parametrize("place", ELSEWHERE)
def test_only_this_machine_is_asked(place: str) -> None:
    with pytest.raises(UnusableBase, match="address"):
        parse_address(f"comfyui+http://{place}")


def test_the_workflow_counts_in_the_request(tmp_path: Path) -> None:
    path = own_workflow(tmp_path / "mine.json", **TITLES)
    from tests.evaluations.world import small_suite

    settings = Settings(data_dir=tmp_path, base="comfyui+http://127.0.0.1:8188", workflow=path)
    from service.database.models import Checkpoint

    request = make_request(settings, small_suite(), [Checkpoint(id="a")])
    assert request.base == f"comfyui+http://127.0.0.1:8188;workflow={path}"
    key = request.key
    path.write_text(path.read_text() + "\n")
    assert request.key != key


def wait_until(ready: Any, seconds: float = 10.0) -> None:
    for _ in range(int(seconds / 0.01)):
        if ready():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen")
