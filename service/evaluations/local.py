"""The executor of the embedded default: this process, this machine, one evaluation at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from detectors import Expectation
from service.database.engine import Database
from service.database.models import Batch, Cell, Contender, Evaluation, Image
from service.errors import KNOWN, BleedcheckError, NotFound, StorageFailed
from service.evaluations import repository
from service.evaluations.executor import Measuring, Models, OnProgress, Progress, Status
from service.evaluations.heart import Heart
from service.evaluations.keys import detector_key, image_key
from service.evaluations.lease import own_name
from service.evaluations.ledger import repository as ledger
from service.evaluations.ledger.repository import Judged, LeaseLost
from service.evaluations.requests import EvaluationRequest
from service.evaluations.rounds import next_rows
from service.generation.images import changes_nothing
from service.generation.port import Foreseeing, Halving, ImageRequest, Launching, Pixels, Prefetching, Reading
from service.generation.streams import take_own_stream
from service.storage.checkpoints import CheckpointRegistry
from service.storage.images import ImageStore
from service.storage.repository import find_images

_WAITING_FOR_DETECTORS = 2
"""Batches that are begun and not yet judged, besides the last one."""
_ENCODERS = 4
"""Threads that turn pixels into files; one alone would keep a fast GPU waiting."""


def ignore(progress: Progress) -> None:
    """Do nothing with progress."""


class LocalExecutor:
    """Works through evaluations in the calling thread; the detectors look at one batch while the next is generated."""

    def __init__(self, database: Database, images: ImageStore, registry: CheckpointRegistry, models: Models) -> None:
        self.database = database
        self.images = images
        self.registry = registry
        self.models = models
        self.busy = threading.Lock()
        """Held while the models are at work: they take one job at a time."""

    def run(self, evaluation_id: str, on_progress: OnProgress = ignore, stop: threading.Event | None = None) -> Status:
        """See :meth:`service.evaluations.executor.Executor.run`."""
        name = own_name()
        with self.database.transaction() as session:
            evaluation = repository.get(session, evaluation_id)
            ledger.take(session, evaluation, name)
        status = Status.FAILED
        error: str | None = "it was stopped"
        try:
            with Heart(self.database, evaluation_id, name) as heart, self.busy:
                _Work(self, evaluation, name, heart, on_progress, stop or threading.Event()).go()
                heart.beat()
            status, error = _outcome(heart, stop), None
        except KeyboardInterrupt:
            status, error = Status.PLANNED, None
            raise
        except Exception as problem:
            error = describe(problem)
            raise
        finally:
            with suppress(LeaseLost, StorageFailed), self.database.transaction() as session:
                ledger.release(session, evaluation_id, name, status, error)
        return status


def _outcome(heart: Heart, stop: threading.Event | None) -> Status:
    if heart.cancelled:
        return Status.CANCELLED
    return Status.PLANNED if stop is not None and stop.is_set() else Status.FINISHED


def describe(error: Exception) -> str:
    """One line for people; our own errors need no name, others do."""
    first_line = (str(error).strip().splitlines() or [""])[0]
    return first_line if isinstance(error, KNOWN) else f"{type(error).__name__}: {first_line}"


_Drawn = tuple[Pixels, str | None] | BleedcheckError
"""Pixels and why they are no picture if they are none, or why there are no pixels."""


@dataclass(frozen=True)
class _Begun:
    """A batch whose images are being made.

    Attributes:
        batch: the batch.
        keys: names of the images by cell id.
        known: rows of images that need not be stored again, by cell id.
        missing: the cells of the others.
        fetch: waits for the pixels of those, in order.
        lost: keys of rows whose files are gone.
        note: what was done otherwise than asked.
        started: when the batch was begun, in seconds of the monotonic clock.
    """

    batch: Batch
    keys: dict[int, str]
    known: dict[int, Image]
    missing: list[Cell]
    fetch: Callable[[], list[_Drawn]]
    lost: set[str]
    note: str | None
    started: float


@dataclass(frozen=True)
class _Kept:
    """A batch with its recorded images by cell id, the pixels at hand by file name, and what is to be said of it."""

    batch: Batch
    images: dict[int, Image]
    fresh: dict[str, Pixels]
    problems: list[str]
    note: str | None
    started: float


class _Work:
    """One executor's work on one evaluation."""

    def __init__(
        self,
        executor: LocalExecutor,
        evaluation: Evaluation,
        name: str,
        heart: Heart,
        on_progress: OnProgress,
        stop: threading.Event,
    ) -> None:
        self._executor = executor
        self._database = executor.database
        self._evaluation = evaluation
        self._request = EvaluationRequest.restore(evaluation.request)
        self._name = name
        self._heart = heart
        self._on_progress = on_progress
        self._stop = stop
        self._using: int | None = None
        self._unusable: dict[int, BleedcheckError] = {}

    def go(self) -> None:
        """Work until nothing is left or somebody says stop."""
        self._report()
        self._detectors = self._executor.models.detectors(self._request)
        self._generator = self._executor.models.generator(self._request)
        self._fingerprint, self._spec = self._generator.fingerprint(), self._detectors.spec()
        with self._database.transaction() as session:
            ledger.pin(session, self._evaluation.id, self._fingerprint, self._spec)
        judging: deque[Future[None]] = deque()
        beside = ThreadPoolExecutor(1, "detectors", take_own_stream, (self._request.device,))
        with ThreadPoolExecutor(_ENCODERS, "encoders") as encoders, beside as pool:
            while not self._halted():
                batch = self._claim()
                if batch is None:
                    while judging:
                        judging.popleft().result()
                    if self._halted() or not self._plan_on():
                        break
                    continue
                begun = self._begin(batch)
                if begun is not None:
                    judging.append(pool.submit(self._finish, begun, encoders))
                while len(judging) > _WAITING_FOR_DETECTORS:
                    judging.popleft().result()
            for future in judging:
                future.result()

    def _halted(self) -> bool:
        if self._heart.lost:
            raise LeaseLost(f"evaluation {self._evaluation.id} has been taken over by another process")
        return self._stop.is_set() or self._heart.cancelled

    def _claim(self) -> Batch | None:
        with self._database.transaction() as session:
            return ledger.claim_batch(session, self._evaluation.id, self._name)

    def _plan_on(self) -> bool:
        """Plan the next round of an evaluation that goes by rounds; False if there is none."""
        with self._database.reading() as session:
            rows = next_rows(session, self._evaluation)
        if rows:
            with self._database.transaction() as session:
                ledger.own(session, self._evaluation.id, self._name)
                session.add_all(rows)
                repository.touch(session, [self._evaluation.id])
        self._report()
        return len(rows) > 1  # the last round is an end without batches

    def _begin(self, batch: Batch) -> _Begun | None:
        """Begin with the images of a batch that do not exist; ``None`` if that failed, which is then recorded."""
        started = time.monotonic()
        keys = {cell.id: self._key(batch.contender, cell) for cell in batch.cells}
        with self._database.reading() as session:
            known = find_images(session, keys.values())
        lost = {key for key, image in known.items() if not self._executor.images.exists(image.sha256)}
        missing = [cell for cell in batch.cells if keys[cell.id] not in known or keys[cell.id] in lost]
        rows = {cell.id: known[keys[cell.id]] for cell in batch.cells if cell not in missing}
        try:
            fetch = self._launch(batch.contender, missing)
        except (StorageFailed, LeaseLost):
            raise
        except Exception as error:
            self._fail(batch, started, f"no images: {describe(error)}")
            return None
        note = self._generator.halved if missing and isinstance(self._generator, Halving) else None
        return _Begun(batch, keys, rows, missing, fetch, lost, note, started)

    def _finish(self, begun: _Begun, encoders: ThreadPoolExecutor) -> None:
        """What is done with a batch while the next one is generated."""
        try:
            drawn = begun.fetch()
        except (StorageFailed, LeaseLost):
            raise
        except Exception as error:
            self._fail(begun.batch, begun.started, f"no images: {describe(error)}")
            return
        self._judge(self._keep(begun, drawn, encoders))

    def _keep(self, begun: _Begun, drawn: Sequence[_Drawn], encoders: ThreadPoolExecutor) -> _Kept:
        """Store a batch's new images.

        They are recorded in one transaction: a batch that is interrupted is made again whole, with the same neighbours
        and hence the same pixels.
        """
        pairs = list(zip(begun.missing, drawn, strict=True))
        made = [(cell.id, *one) for cell, one in pairs if not isinstance(one, BleedcheckError)]
        problems = [describe(one) for _, one in pairs if isinstance(one, BleedcheckError)]
        names = encoders.map(self._executor.images.put, [pixels for _, pixels, _ in made])
        rows, fresh = dict(begun.known), {}
        for (cell, pixels, invalid), sha256 in zip(made, names, strict=True):
            fresh[sha256] = pixels
            height, width = pixels.shape[:2]
            rows[cell] = Image(key=begun.keys[cell], sha256=sha256, width=width, height=height, invalid=invalid)
        with self._database.transaction() as session:
            kept = ledger.store_images(session, begun.batch, self._name, rows, begun.lost)
        self._look_for_change(begun.batch.contender)
        self._report()
        return _Kept(begun.batch, kept, fresh, problems, begun.note, begun.started)

    def _key(self, contender: Contender, cell: Cell) -> str:
        sha256 = contender.checkpoint.sha256 if contender.checkpoint else None
        prompt = self._request.suite.scenario(cell.scenario).prompt
        return image_key(self._fingerprint, sha256, self._request.scale, prompt, cell.seed)

    def _launch(self, contender: Contender, cells: Sequence[Cell]) -> Callable[[], list[_Drawn]]:
        """Begin with the images of some cells; what waits for them. A generator that cannot do so makes them first."""
        if not cells:
            return lambda: []
        self._use(contender)
        scenario = self._request.suite.scenario
        wanted = [ImageRequest(scenario(cell.scenario).prompt, cell.seed) for cell in cells]
        if isinstance(self._generator, Reading):
            found = self._generator.read(wanted)
            return lambda: [
                each if isinstance(each, BleedcheckError) else (each.pixels, each.invalid) for each in found
            ]
        if isinstance(self._generator, Launching):
            fetch = self._generator.launch(wanted)
            return lambda: [(image.pixels, image.invalid) for image in fetch()]
        images = self._generator.generate(wanted)
        return lambda: [(image.pixels, image.invalid) for image in images]

    def _use(self, contender: Contender) -> None:
        """Fold the contender's file into the base, once for all its batches."""
        if contender.id in self._unusable:
            raise self._unusable[contender.id]
        if self._using == contender.id:
            return
        self._using = None
        try:
            path = self._executor.registry.verify(contender.checkpoint) if contender.checkpoint else None
            self._generator.use(path, self._request.scale)
        except BleedcheckError as error:
            self._unusable[contender.id] = error
            raise
        self._using = contender.id
        if isinstance(self._generator, Foreseeing):
            # All of them are read before the first picture; later on they are there.
            self._generator.foresee([scenario.prompt for scenario in self._request.suite.scenarios])
        self._read_ahead(contender)

    def _read_ahead(self, contender: Contender) -> None:
        """Let a generator that can do so read the next contender's file while images are made."""
        if not isinstance(self._generator, Prefetching):
            return
        with self._database.reading() as session:
            order = repository.contenders(session, self._evaluation.id)
        later = [each.checkpoint for each in order if each.position > contender.position and each.checkpoint]
        path = Path(later[0].path) if later and later[0].path else None
        if path is not None and path.is_file():
            self._generator.prefetch(path)

    def _look_for_change(self, contender: Contender) -> None:
        """The canary: a checkpoint whose first image is the control's own changes nothing, though it should."""
        if contender.checkpoint is None or contender.changes_nothing is not None or self._request.scale == 0.0:
            return
        with self._database.reading() as session:
            control = repository.contenders(session, self._evaluation.id)[0]
            pair = [ledger.first_image(session, each.id) for each in (control, contender)]
        first, own = pair
        if first is None or own is None or first.invalid or own.invalid:
            return
        load = self._executor.images.load
        same = first.sha256 == own.sha256 or changes_nothing(load(own.sha256), load(first.sha256))
        with self._database.transaction() as session:
            ledger.mark(session, contender.id, same)

    def _judge(self, made: _Kept) -> None:
        """Let the detectors look at those images of a batch that they have not seen, and record what they say."""
        detections: dict[int, int] = {}
        unseen: list[tuple[Cell, Image, str, Expectation]] = []
        for cell in made.batch.cells:
            image, expectation = made.images.get(cell.id), self._request.suite.expectation(cell.scenario)
            if image is None or image.invalid:
                continue
            key = detector_key(self._spec, expectation)
            with self._database.reading() as session:
                known = ledger.find_detection(session, image.sha256, key)
            if known is not None and known.failure is None:
                detections[cell.id] = known.id
            else:
                unseen.append((cell, image, key, expectation))
        try:
            pixels = [self._pixels(made, image) for _, image, _, _ in unseen]
        except NotFound as error:  # the file was damaged meanwhile; a resumed evaluation makes it again
            self._fail(made.batch, made.started, describe(error))
            return
        judged = self._detect(pixels, [expectation for *_, expectation in unseen])
        failures = [verdicts.failure for verdicts in judged if verdicts.failure]
        problem = f"not judged: {failures[0]}" if failures else None
        if made.problems:
            more = f" (and {len(made.problems) - 1} more)" if len(made.problems) > 1 else ""
            problem = f"no image: {made.problems[0]}{more}"
        with self._database.transaction() as session:
            for (cell, image, key, _), verdicts in zip(unseen, judged, strict=True):
                detections[cell.id] = ledger.store_detection(session, image.sha256, key, verdicts)
            seconds = time.monotonic() - made.started
            ledger.finish_batch(session, made.batch, self._name, detections, seconds, problem, made.note)
        self._report()

    def _pixels(self, made: _Kept, image: Image) -> Pixels:
        at_hand = made.fresh.get(image.sha256)
        return self._executor.images.load(image.sha256) if at_hand is None else at_hand

    def _detect(self, images: Sequence[Pixels], expectations: Sequence[Expectation]) -> list[Judged]:
        """Findings per image. If the detectors break down on a batch, only the images at fault are left without."""
        if not images:
            return []
        try:
            if isinstance(self._detectors, Measuring):
                examined = self._detectors.examine(images, expectations)
                return [Judged(each.findings, measures=each.measures) for each in examined]
            return [Judged(tuple(findings)) for findings in self._detectors.detect(images, expectations)]
        except Exception as error:
            if len(images) == 1:
                return [Judged(failure=describe(error))]
        pairs = zip(images, expectations, strict=True)
        return [self._detect([image], [expectation])[0] for image, expectation in pairs]

    def _fail(self, batch: Batch, started: float, problem: str) -> None:
        with self._database.transaction() as session:
            ledger.finish_batch(session, batch, self._name, {}, time.monotonic() - started, problem)
        self._report()

    def _report(self) -> None:
        with self._database.reading() as session:
            progress = repository.progress(session, self._evaluation.id)
        self._on_progress(progress)
