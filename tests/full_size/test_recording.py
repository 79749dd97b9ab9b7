"""An evaluation is recorded while it runs, and everything is put back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from benchmarks.full_size import components as anima
from benchmarks.full_size.models import the_suite
from benchmarks.full_size.ours import evaluate
from benchmarks.full_size.recording import Record, recorded
from detectors import open_detectors
from service.evaluations import local
from service.generation import GenerationSettings
from service.generation.anima import AnimaGenerator


def test_threads_are_told_apart_and_what_is_inside_knows_it() -> None:
    record = Record(torch.device("cpu"))
    record.start()
    with record.doing("outer"), record.doing("inner"), ThreadPoolExecutor(1, "pool") as pool:

        def work() -> None:
            with record.doing("work"):
                pass

        pool.submit(work).result()
    record.stop()
    found = {mark.activity: mark for mark in record.marks}
    assert found["outer"].parent is None
    assert record.marks[found["inner"].parent or 0] is found["outer"]
    assert (found["work"].thread, found["work"].parent) == ("pool", None)
    assert found["outer"].thread == threading.current_thread().name
    assert all(mark.began <= mark.ended <= record.wall for mark in record.marks)


@pytest.mark.slow
def test_a_whole_evaluation_is_recorded_and_nothing_stays_wrapped(tmp_path: Path) -> None:
    parts = anima.nano_components(torch.device("cpu"), 0)
    anima.give_contrast(parts)  # flat pictures are not judged
    settings = GenerationSettings(steps=2, sampler="euler", width=64, height=64, batch_size=2)
    generator = AnimaGenerator.from_components(parts, settings, identity="random", device="cpu")
    lora = tmp_path / "run_epoch4.safetensors"
    anima.write_lora(lora, parts["transformer"], 8, 4.0, 1)
    suite = the_suite(64, 2, 2, steps=2, sampler="euler")
    before = (vars(local._Work)["_claim"], local.ThreadPoolExecutor, local.find_images, "_batch" in vars(generator))
    done = evaluate(generator, parts["transformer"], open_detectors("miniature"), suite, [lora], tmp_path, True)
    after = (vars(local._Work)["_claim"], local.ThreadPoolExecutor, local.find_images, "_batch" in vars(generator))
    assert before == after
    assert not parts["transformer"]._forward_hooks
    assert done.images == 8
    waits = done.waits
    assert waits is not None
    assert len(waits["batches"]) == 4
    assert waits["parts"]["denoiser"]["times"] == 8
    assert waits["parts"]["fold"]["times"] == 2
    assert waits["parts"]["text"]["times"] == 2
    assert waits["idle_ms"]["after the last batch"] > 0
    assert {"claim", "launch: batch", "wait for another thread"} <= set(waits["processor_s"]["MainThread"])
    assert {"detect", "fetch", "store"} <= set(waits["processor_s"]["detectors"])
    assert "encode and write" in waits["processor_s"]["encoders"]
    parts_ms = sum(each["all_ms"] for each in waits["parts"].values()) + sum(waits["idle_ms"].values())
    assert parts_ms == pytest.approx(1000 * waits["wall_s"], abs=2.0)


def test_a_name_that_is_no_more_is_an_error_and_undoes_what_was_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = anima.nano_components(torch.device("cpu"), 0)
    generator = AnimaGenerator.from_components(parts, GenerationSettings(steps=2), identity="random", device="cpu")
    claim = local._Work._claim
    monkeypatch.delattr(local._Work, "_plan_on")
    with pytest.raises(AttributeError), recorded(Record(torch.device("cpu")), generator, parts["transformer"]):
        pass
    assert local._Work._claim is claim
    assert "_load" not in vars(generator)
