"""The next batch is begun before the last one is here, and what goes wrong on the way loses nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from service.evaluations.executor import Detectors, Progress, Status
from service.evaluations.local import _WAITING_FOR_DETECTORS
from service.evaluations.opening import OpenedModels
from service.evaluations.requests import EvaluationRequest
from service.generation.port import Generator
from tests.evaluations.world import Brightness, SmallModels, ask, open_space, register, small_suite

BATCHES = 6
"""Three contenders with six cells each, in batches of four."""


class Late(SmallModels):
    """Every batch but the last comes only when the next one has been begun."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = 0
        self.most_open = 0
        self.fetched = 0
        self.threads: set[str] = set()
        self._next = threading.Condition()

    def carry(self, fetch: Callable[[], list[Any]]) -> Callable[[], list[Any]]:
        with self._next:
            self.begun += 1
            self.most_open = max(self.most_open, self.begun - self.fetched)
            number = self.begun
            self._next.notify_all()

        def late() -> list[Any]:
            with self._next:
                assert self._next.wait_for(lambda: self.begun > min(number, BATCHES - 1), timeout=60)
                self.fetched += 1
                self.threads.add(threading.current_thread().name)
            return fetch()

        return late


def test_the_next_batch_is_begun_before_the_last_is_here(tmp_path: Path, base: Path, loras: list[Path]) -> None:
    models = Late()
    space = open_space(tmp_path / "data", base, models)
    evaluation = space.evaluations.start(ask(space, register(space, loras)))
    assert space.executor.run(evaluation.id) is Status.FINISHED
    state = space.evaluations.state(evaluation.id)
    assert (state.progress, state.problems) == (Progress(18, 18, 18, 0), ())
    assert models.begun == models.fetched == BATCHES
    # Not more than the detectors can follow: memory for pictures is limited.
    assert 2 <= models.most_open <= _WAITING_FOR_DETECTORS + 1
    assert all(name.startswith("detectors") for name in models.threads)
    space.close()


class Lossy(SmallModels):
    """The second batch is lost on its way, once."""

    begun = 0

    def carry(self, fetch: Callable[[], list[Any]]) -> Callable[[], list[Any]]:
        self.begun += 1
        if self.begun != 2:
            return fetch

        def lose() -> list[Any]:
            raise RuntimeError("CUDA error: unspecified launch failure\nand more")

        return lose


def test_a_batch_that_is_lost_on_its_way_is_recorded_and_made_again(
    tmp_path: Path, base: Path, loras: list[Path]
) -> None:
    calm = open_space(tmp_path / "calm", base)
    undisturbed = calm.evaluations.start(ask(calm, register(calm, loras)))
    calm.executor.run(undisturbed.id)
    space = open_space(tmp_path / "lossy", base, Lossy())
    request = ask(space, register(space, loras))
    evaluation = space.evaluations.start(request)
    assert space.executor.run(evaluation.id) is Status.FINISHED
    state = space.evaluations.state(evaluation.id)
    assert state.progress.failed == 18 - state.progress.generated > 0
    assert state.problems == ("no images: RuntimeError: CUDA error: unspecified launch failure",)
    assert space.evaluations.start(request).status == Status.PLANNED
    assert space.executor.run(evaluation.id) is Status.FINISHED
    assert space.evaluations.state(evaluation.id).progress == Progress(18, 18, 18, 0)
    boards = [s.evaluations.leaderboard(e.id)["leaderboard"] for s, e in ((space, evaluation), (calm, undisturbed))]
    assert boards[0] == boards[1]
    files = [{path.stem for path in s.settings.images_dir.rglob("*.png")} for s in (space, calm)]
    assert files[0] == files[1]
    space.close()
    calm.close()


class Plain:
    """A generator that makes its images before it goes on."""

    def __init__(self, inner: Any) -> None:
        self.use, self.generate, self.fingerprint = inner.use, inner.generate, inner.fingerprint


class PlainModels(SmallModels):
    """Generators that cannot begin ahead."""

    def generator(self, request: Any) -> Any:
        return Plain(super().generator(request))


def test_a_generator_that_cannot_begin_ahead_is_used_too(tmp_path: Path, base: Path, loras: list[Path]) -> None:
    space = open_space(tmp_path / "data", base, PlainModels())
    evaluation = space.evaluations.start(ask(space, register(space, loras[:1])))
    assert space.executor.run(evaluation.id) is Status.FINISHED
    assert space.evaluations.state(evaluation.id).progress == Progress(12, 12, 12, 0)
    space.close()


class Noting(OpenedModels):
    """The real generator, which notes when it reads a prompt and when it begins a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[str] = []

    def generator(self, request: EvaluationRequest) -> Generator:
        opened: Any = super().generator(request)
        encode, batch = opened._encode, opened._batch
        opened._encode = lambda prompt: self.noted.append(prompt) or encode(prompt)  # type: ignore[func-returns-value]
        opened._batch = lambda wanted: self.noted.append("batch") or batch(wanted)  # type: ignore[func-returns-value]
        return cast(Generator, opened)

    def detectors(self, request: EvaluationRequest) -> Detectors:
        return Brightness()


def test_every_prompt_is_read_before_the_first_batch(tmp_path: Path, base: Path, loras: list[Path]) -> None:
    models = Noting()
    space = open_space(tmp_path / "data", base, models)
    evaluation = space.evaluations.start(ask(space, register(space, loras)))
    assert space.executor.run(evaluation.id) is Status.FINISHED
    prompts = [scenario.prompt for scenario in small_suite().scenarios]
    assert models.noted == [*prompts, *["batch"] * BATCHES]
    space.close()
