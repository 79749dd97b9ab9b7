"""What the commands delegate to: opening a data folder, registering files, working with a progress bar, answering."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from service.checkpoints import scan_folder
from service.checkpoints.inspection import CheckpointInfo, inspect_checkpoint
from service.cli.printing import print_answer, print_json, say
from service.database.models import Checkpoint
from service.errors import BleedcheckError, InvalidInput, NotFound
from service.evaluations import executor
from service.evaluations.asking import epoch_range, with_seeds
from service.evaluations.executor import Status
from service.evaluations.ranked_by import ranking_arguments
from service.evaluations.requests import EvaluationRequest
from service.evaluations.workspace import Workspace
from service.rankings import OutcomeTable
from service.rankings.hand_tables import UnreadableTable, read_hand_table
from service.settings import Settings
from service.storage.fitting import family_to_ask, trained_on_another
from service.suites import Suite, list_suites, load_suite

_LINE_EVERY_S = 15.0


class Stopped(BleedcheckError):
    """A person has interrupted the work; it can be gone on with."""

    exit_code = 130


class Incomplete(BleedcheckError):
    """There is an answer, but not all images that it should rest on."""

    exit_code = 3


def newest(space: Workspace, evaluation_id: str | None) -> str:
    """The evaluation with that id, or the newest one.

    Raises:
        NotFound: there is none.
    """
    if evaluation_id is not None:
        try:
            return space.evaluations.state(evaluation_id).evaluation.id
        except NotFound as error:
            raise NotFound(f"{error}; `bleedcheck evaluations` lists those there are") from None
    for evaluation in space.evaluations.page(None, 1):
        return evaluation.id
    raise NotFound("nothing has been evaluated here yet; start with `bleedcheck demo` or `bleedcheck evaluate`")


def make_settings(data_dir: Path | None, **given: Any) -> Settings:
    """The operator's settings, with what the command line says on top; ``None`` means "not said".

    Raises:
        InvalidInput: a value cannot be used.
    """
    said = {name: value for name, value in {"data_dir": data_dir, **given}.items() if value is not None}
    try:
        return Settings(**said)
    except ValidationError as error:
        fault = error.errors()[0]
        raise InvalidInput(f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}") from error


@contextmanager
def opened(data_dir: Path | None, **given: Any) -> Iterator[Workspace]:
    """A data folder; in the meantime whatever libraries print goes to standard error."""
    settings = make_settings(data_dir, **given)
    if settings.base == "miniature" or Path(settings.base).is_dir():
        os.environ.setdefault("TQDM_DISABLE", "1")  # libraries' own bars, of use only while a base is downloaded
    space = Workspace(settings)
    try:
        yield space
    finally:
        space.close()


def answer(
    space: Workspace,
    request: EvaluationRequest,
    as_json: bool,
    estimate: Mapping[str, Any] | None = None,
    use: str = "all",
) -> None:
    """Do what is left of an evaluation, write its report, and print which epoch to use.

    Args:
        space: the data folder.
        request: the evaluation.
        as_json: print one JSON object.
        estimate: what was foreseen of it, to be printed with the JSON.
        use: what the checkpoints are wanted for.

    Raises:
        InvalidInput: there is no such use.
        Incomplete: after the answer, if images are missing in it: a script must not take it for the whole.
    """
    ranking_arguments(request.suite, use)  # an unknown use is refused before hours of work, not after
    with redirect_stdout(sys.stderr):
        evaluation = space.evaluations.start(request)
        if evaluation.status in (Status.PLANNED, Status.RUNNING):
            _work(space, evaluation.id)
        state = space.evaluations.state(evaluation.id)
        result = space.evaluations.leaderboard(evaluation.id, use)
        result["problems"] = list(state.problems)
        result["notes"] = list(state.notes)
        result["changing_nothing"] = list(state.changing_nothing)
        result["report"] = str(space.write_report(evaluation.id))
        if estimate is not None:
            result["estimate"] = estimate
    if as_json:
        print_json(result)
    else:
        print_answer(result, request)
    if failed := state.progress.failed:
        raise Incomplete(
            f"{failed} of {state.progress.total} images could not be made or judged; the same command tries them again"
        )


def registered(space: Workspace, folder: Path, epochs: str | None, final_epoch: int | None) -> list[Checkpoint]:
    """Register a folder's LoRA files where they lie and return those that take part.

    Raises:
        NotFound: there is no LoRA file.
        InvalidInput: none of them was trained on the base, or lies in the range of epochs.
    """
    wanted = epoch_range(epochs) if epochs else None
    fixed = {Path(text.rpartition(":")[0] or text).expanduser().resolve() for text in space.settings.extra_loras}
    fixed |= {Path(text).expanduser().resolve() for text in space.settings.extra_loras}
    found = [info for info in _found(folder, final_epoch) if info.path.resolve() not in fixed]
    family = family_to_ask(space.settings.whole_base)
    whys = [trained_on_another(info.model, family) for info in found]
    for info, why in zip(found, whys, strict=True):
        if why is not None:
            say(f"{info.path.name} is left out: it {why}")
    infos = [info for info, why in zip(found, whys, strict=True) if why is None]
    if not infos:
        raise InvalidInput(f"no checkpoint in {folder} was trained on this base")
    chosen = [info for info in infos if wanted is None or info.epoch in wanted]
    for info in infos:
        if wanted is not None and info.epoch is None:
            say(
                f"{info.path.name} is left out: it does not say its epoch"
                + (" (--final-epoch 150 would)" if info.is_final else "")
            )
        elif wanted is None and info.epoch is None and info.is_final:
            say(f"{info.path.name} does not say its epoch and counts as the last one (--final-epoch 150 would say it)")
    if not chosen:
        raise InvalidInput(f"no checkpoint in {folder} lies in epochs {epochs}; it has {_epochs(infos)}")
    return [space.registry.register(run_name(info.name), info) for info in chosen]


def chosen_suite(space: Workspace, name: str, seeds: str | None, size: str | None) -> Suite:
    """The suite with the seeds and the image size that the command line asks for: a file, or one that is known."""
    handed_in = name in space.library.names() and name not in list_suites()
    suite = with_seeds(space.library.suite(name) if handed_in else load_suite(name), seeds)
    if size is None:
        return suite
    width, height = read_size(size)
    try:
        return suite.override(width=width, height=height)
    except ValidationError as error:
        raise InvalidInput(f"size {size}: {error.errors()[0]['msg']}") from error


def read_size(text: str) -> tuple[int, int]:
    """Read ``1024x768`` as (width, height).

    Raises:
        InvalidInput: it is no size.
    """
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
    if match is None:
        raise InvalidInput(f"{text!r} is no size; write width x height, as in 1024x768")
    return int(match[1]), int(match[2])


def fetch_all(names: Sequence[str]) -> dict[str, str]:
    """Fetch model files by name, with a progress bar; returns where each lies."""
    from detectors.weights import fetch

    paths: dict[str, str] = {}
    with _bar() as bar:
        for name in names:
            task = bar.add_task(name, total=None, note="")
            paths[name] = str(fetch(name, partial(_fetched, bar, task)))
    return paths


def _found(folder: Path, final_epoch: int | None) -> list[CheckpointInfo]:
    if folder.is_file():
        return [inspect_checkpoint(folder)]
    skipped: list[tuple[Path, BleedcheckError]] = []
    infos = scan_folder(folder, final_epochs=final_epoch, skipped=skipped)
    for path, error in skipped:
        say(f"{path.name} is left out: {str(error).removeprefix(f'{path.name} is ')}")
    if not infos:
        raise NotFound(f"there is no usable LoRA file in {folder}")
    return infos


def run_name(name: str) -> str:
    """A name that a run can have, like the one given."""
    cleaned = re.sub(r"[^\w .+-]", "_", name).lstrip(" .+-")[:100] or "run"
    return "control_" if cleaned == "control" else cleaned


def _epochs(infos: Sequence[CheckpointInfo]) -> str:
    known = sorted({info.epoch for info in infos if info.epoch is not None})
    return f"epochs {', '.join(map(str, known))}" if known else "no file that says its epoch"


def _work(space: Workspace, evaluation_id: str) -> None:
    try:
        if sys.stderr.isatty():
            with _bar() as bar:
                space.executor.run(evaluation_id, _Bar(bar))
        else:
            space.executor.run(evaluation_id, _Lines())
    except KeyboardInterrupt:
        raise Stopped("stopped; the same command goes on where it was") from None


def hand_table(path: Path) -> OutcomeTable:
    """A table that somebody filled in by hand.

    Raises:
        NotFound: there is no such file.
        InvalidInput: it is no table of seeds by epochs.
    """
    try:
        return read_hand_table(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise NotFound(f"there is no table {path}") from None
    except (OSError, UnicodeDecodeError, UnreadableTable) as error:
        raise InvalidInput(f"{path} cannot be used as a table: {error}") from error


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _fetched(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


class _Bar:
    """Progress on a terminal. It counts from where this process began: what an earlier one did is no speed."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task: TaskID | None = None

    def __call__(self, progress: executor.Progress) -> None:
        done = progress.generated + progress.judged
        if self._task is None:
            note = _note(progress)
            self._task = self._bar.add_task("opening models", total=2 * progress.total, completed=done, note=note)
        else:
            # The total grows where rounds are planned one after the other.
            total, note = 2 * progress.total, _note(progress)
            self._bar.update(self._task, total=total, completed=done, note=note, description="generating and judging")


def _note(progress: executor.Progress) -> str:
    failed = f", {progress.failed} failed" if progress.failed else ""
    return f"{progress.generated}/{progress.total} images, {progress.judged} judged{failed}"


class _Lines:
    """Progress for a log: a line now and then, with the time left.

    Speed counts from the end of the first batch: before that, models are opened.
    """

    def __init__(self) -> None:
        self._begun: tuple[float, float] | None = None
        self._warm = False
        self._last = 0.0
        self._said = ""

    def __call__(self, progress: executor.Progress) -> None:
        now = time.monotonic()
        first = self._begun is None
        if self._begun is None or (not self._warm and progress.done > self._begun[1]):
            self._warm = self._begun is not None
            self._begun = (now, progress.done)
        if not first and progress.done < 1.0 and now - self._last < _LINE_EVERY_S:
            return
        self._last = now
        started, done = self._begun
        gained = progress.done - done
        left = (
            f", {(1 - progress.done) * (now - started) / gained:.0f} s left" if gained > 0 and progress.done < 1 else ""
        )
        line = f"{_note(progress)}{left}"
        if line != self._said:
            say(line)
        self._said = line
