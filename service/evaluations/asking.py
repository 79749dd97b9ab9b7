"""From what people say (runs, epochs, a suite's name) to a complete request."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from detectors.calibration import load
from service.checkpoints.recognising import recognise_file
from service.database.models import Checkpoint
from service.errors import InvalidInput, NotFound, UnmappedKeys
from service.evaluations import repository as evaluation_rows
from service.evaluations.requests import EvaluationRequest, ExtraLora, parse_clip, parse_extra
from service.evaluations.workspace import Workspace
from service.generation import fitting_batch
from service.generation.cards import CPU_BATCH, has_gpu
from service.generation.comfyui import is_comfyui
from service.generation.original import is_single_file, lora_folder, whole_paths
from service.generation.port import GenerationSettings
from service.settings import IMAGES_PREFIX, Settings
from service.storage import repository
from service.storage.checkpoints import no_such_run
from service.storage.fitting import family_to_ask, trained_on_another
from service.suites import Suite, parse_suite

if TYPE_CHECKING:
    from service.evaluations.schemas import EvaluationIn  # the command line does without FastAPI

logger = logging.getLogger(__name__)


def select_checkpoints(
    space: Workspace, runs: Sequence[str], checkpoints: Sequence[str] = (), epochs: str | None = None
) -> list[Checkpoint]:
    """The checkpoints of runs, within a range of epochs, and further ones by id; each once.

    Raises:
        NotFound: there is no such run or checkpoint.
        InvalidInput: the range is none, or nothing is left.
    """
    wanted = epoch_range(epochs) if epochs else None
    found: dict[str, Checkpoint] = {}
    with space.database.reading() as session:
        for run in runs:
            if repository.find_run(session, run) is None:
                raise no_such_run(session, run)
            members = repository.list_checkpoints(session, run)
            found |= {each.id: each for each in members if wanted is None or each.epoch in wanted}
        for identifier in checkpoints:
            checkpoint = repository.find_checkpoint(session, identifier)
            if checkpoint is None:
                raise NotFound(f"there is no checkpoint {identifier!r}")
            found[identifier] = checkpoint
    if not found:
        raise InvalidInput(
            f"no checkpoint lies in epochs {epochs}" if epochs and runs else "name at least one run or checkpoint"
        )
    return list(found.values())


def epoch_range(text: str) -> range:
    """Read ``120-150``, ``120-`` or ``148`` as a range of epochs.

    Raises:
        InvalidInput: it is none of these.

    >>> epoch_range("120-150")
    range(120, 151)
    """
    first, dash, last = text.strip().partition("-")
    try:
        start = int(first)
        end = int(last) if last else (10**9 if dash else start)
    except ValueError:
        raise InvalidInput(f"{text!r} is no range of epochs; write 120-150, 120- or 148") from None
    if not 0 <= start <= end:
        raise InvalidInput(f"{text!r} is an empty range of epochs; write the lower one first, as in 120-150")
    return range(start, end + 1)


def with_seeds(suite: Suite, seeds: str | None) -> Suite:
    """The suite with other seeds: ``4`` takes its first four, ``7,13,99`` names them (``7,`` for a single one).

    Raises:
        InvalidInput: it is neither, or the suite has fewer.
    """
    if seeds is None:
        return suite
    try:
        numbers = [int(part) for part in seeds.split(",") if part.strip()]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0 or max(numbers) >= 2**63 or len(set(numbers)) < len(numbers):
        raise InvalidInput(f"{seeds!r} names no seeds; write how many (4) or which ones (7,13,99)")
    if "," in seeds:
        return suite.model_copy(update={"seeds": tuple(numbers)})
    count = numbers[0]
    if not 1 <= count <= len(suite.seeds):
        raise InvalidInput(f"suite {suite.name} has {len(suite.seeds)} seeds; name others one by one, as in 7,13,99")
    return suite.model_copy(update={"seeds": suite.seeds[:count]})


def with_scenarios(suite: Suite, names: Sequence[str]) -> Suite:
    """The suite with only those of its scenarios, in the order named; all of them if none is.

    Raises:
        InvalidInput: it has none of that name, or one is named twice.
    """
    if not names:
        return suite
    known = {scenario.name: scenario for scenario in suite.scenarios}
    unknown = [name for name in names if name not in known]
    if unknown or len(set(names)) < len(names):
        fault = f"has no scenario {unknown[0]!r}" if unknown else "is asked for a scenario twice"
        raise InvalidInput(f"suite {suite.name} {fault}; it has {', '.join(known)}")
    return suite.model_copy(update={"scenarios": tuple(known[name] for name in names)})


def until_what(text: str | None) -> Literal["decided"] | None:
    """Read the goal of an evaluation.

    Raises:
        InvalidInput: it is none.
    """
    if text is None:
        return None
    if text != "decided":
        raise InvalidInput(f"{text!r} is no goal; write --until decided, or leave it out for the whole grid")
    return "decided"


def asked_for(space: Workspace, wanted: EvaluationIn) -> tuple[EvaluationRequest, list[Checkpoint]]:
    """The request that a client's wishes come to, and the checkpoints in it.

    Raises:
        NotFound: there is no such run or checkpoint.
        UnknownSuite: there is no such suite or version, or its text breaks the rules.
        InvalidInput: nothing is left of the epochs, seeds or scenarios; and what :func:`make_request` raises.
    """
    text = wanted.suite_yaml
    suite = space.library.suite(wanted.suite, wanted.suite_version) if text is None else parse_suite(text)
    suite = with_scenarios(with_seeds(suite, str(wanted.seeds) if wanted.seeds else None), wanted.scenarios)
    chosen = select_checkpoints(space, wanted.runs, wanted.checkpoints, wanted.epochs)
    request = make_request(
        space.settings,
        suite,
        chosen,
        scale=wanted.scale,
        batch_size=wanted.batch_size,
        until=wanted.until,
        max_images=wanted.max_images,
    )
    return as_before(space, request), chosen


def make_request(
    settings: Settings,
    suite: Suite,
    checkpoints: Sequence[Checkpoint],
    *,
    scale: float = 1.0,
    batch_size: int | None = None,
    until: Literal["decided"] | None = None,
    max_images: int | None = None,
) -> EvaluationRequest:
    """The request for these checkpoints with what the operator has set.

    Without a batch size the one that fits this base on this machine's card is taken.

    Raises:
        BaseNotFound, UnusableBase: the base is not there or no base.
        UnmappedKeys: a fixed LoRA was trained on another model than the base.
        InvalidInput: a fixed LoRA is none, or not there.
    """
    base = _whole_path(settings.whole_base)
    extra = tuple(parse_extra(text, lora_folder(base)) for text in settings.extra_loras)
    _require_same_model(base, extra)
    batch_chosen = batch_size is None and settings.card == "auto"
    if batch_size is None:
        batch_size = _fitting_batch(settings, suite, base)
    weights = settings.detector_weights
    calibrated = load(settings.data_dir, settings.detector_profile)
    clip = ":".join(map(str, parse_clip(settings.detector_clip))) if settings.detector_clip else None
    return EvaluationRequest(
        suite=suite,
        checkpoints=tuple(checkpoint.id for checkpoint in checkpoints),
        base=base,
        extra=extra,
        scale=scale,
        device=settings.device,
        dtype=settings.dtype,
        batch_size=batch_size,
        batch_chosen=batch_chosen,
        until=until,
        max_images=max_images,
        detector_profile=settings.detector_profile,
        detector_weights=str(weights.resolve()) if weights else None,
        calibration=calibrated.to_json() if calibrated else None,
        detector_clip=clip,
    )


def as_before(space: Workspace, request: EvaluationRequest) -> EvaluationRequest:
    """The request with the batch size that the last evaluation alike chose on this card, if none was asked for.

    What is free of a card changes. Batches of another size make slightly other pictures, under other keys: to take what
    fits now would begin an evaluation anew that could go on, and make pictures again that exist.

    Args:
        space: where the earlier evaluations are.
        request: as :func:`make_request` makes it.
    """
    if not request.batch_chosen or not has_gpu(request.device):
        return request
    from service.generation.diffusing import device_class, pick_device

    here = device_class(pick_device(request.device))
    wanted = _pictured(request.model_dump(mode="json"))
    with space.database.reading() as session:
        evaluations = evaluation_rows.list_all(session)
    for each in evaluations:
        on_it = each.fingerprint is None or each.fingerprint.get("device") == here
        if on_it and each.request.get("batch_chosen") and _pictured(each.request) == wanted:
            before = int(each.request["batch_size"])
            if before != request.batch_size:
                logger.warning(
                    "%d pictures are made at once, as before; what is free of the card now suggests %d, and "
                    "--batch-size %d would make all of them anew",
                    before, request.batch_size, request.batch_size,
                )  # fmt: skip
            return request.model_copy(update={"batch_size": before})
    return request


def _pictured(request: dict[str, Any]) -> list[Any]:
    """What of a request, as plain JSON values, decides how its pictures are made, besides their prompts and seeds."""
    return [request["suite"]["generation"], *(request.get(name) for name in ("base", "extra", "device", "dtype"))]


def _require_same_model(base: str, extra: Sequence[ExtraLora]) -> None:
    """Refuse fixed LoRA files of another model before anything is loaded; shapes are looked at when they are folded."""
    family = family_to_ask(base) if extra else None
    for lora in extra:
        path = Path(lora.path)
        why = trained_on_another(recognise_file(path).model, family)
        if why is not None:
            raise UnmappedKeys(f"{path.name} {why}")


def _fitting_batch(settings: Settings, suite: Suite, base: str) -> int:
    if base.startswith(IMAGES_PREFIX):
        return CPU_BATCH  # they exist: they are only looked at
    pictured = GenerationSettings(**suite.generation.model_dump())
    return fitting_batch(base, pictured, card=settings.card, device=settings.device, dtype=settings.dtype)


def _whole_path(base: str) -> str:
    """A folder by its absolute path, so that the request means the same in another working folder."""
    if is_comfyui(base):
        address, *parts = base.split(";")
        named = [part.partition("=") for part in parts]
        return ";".join([address, *(f"{n}={Path(v).resolve() if n == 'workflow' else v}" for n, _, v in named)])
    if is_single_file(base):
        return whole_paths(base)
    prefix = IMAGES_PREFIX if base.startswith(IMAGES_PREFIX) else ""
    folder = Path(base.removeprefix(prefix)).expanduser()
    return f"{prefix}{folder.resolve()}" if folder.is_dir() else base
