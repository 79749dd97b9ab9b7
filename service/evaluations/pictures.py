"""Pictures that were made elsewhere, laid out as an evaluation expects them: no LoRA file is needed.

Each picture is given a checkpoint (run and epoch, or the control), a scenario and a seed: by a table, by a pattern of
its name, or by its own words. The pictures stay where they lie; what is laid out are links.
"""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from service.checkpoints import CheckpointInfo, file_sha256
from service.checkpoints.provenance import read_provenance
from service.errors import InvalidInput, NotFound
from service.evaluations.keys import CONTROL, digest
from service.generation.picture_facts import SUFFIXES, read_facts
from service.suites import Suite

TABLE = "images.csv"
"""A table of this name in the folder is used by itself."""
_COLUMNS = ("file", "run", "epoch", "scenario", "prompt", "seed")
_MAX_PICTURES = 200_000
_FIELD = re.compile(r"\{(run|epoch|scenario|seed)\}")
_PATTERNS = {
    "run": r"(?P<run>.+?)",
    "epoch": r"(?P<epoch>\d+)",
    "scenario": r"(?P<scenario>.+?)",
    "seed": r"(?P<seed>\d+)",
}


@dataclass(frozen=True)
class Told:
    """What is told about a picture, as far as anybody says it; ``run`` "control" is the base without a LoRA."""

    path: Path
    run: str | None = None
    epoch: int | None = None
    scenario: str | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Arranged:
    """Pictures that were laid out.

    Attributes:
        folder: as ``images:FOLDER`` takes it.
        checkpoints: what stands for each checkpoint: a small file beside its folder.
        suite: the suite with those scenarios and seeds of which there are pictures.
        skipped: pictures that were left out, each with the reason.
    """

    folder: Path
    checkpoints: tuple[CheckpointInfo, ...]
    suite: Suite
    skipped: tuple[tuple[Path, str], ...]


def arrange(
    folder: Path, suite: Suite, home: Path, *, table: Path | None = None, pattern: str | None = None
) -> Arranged:
    """Find out what each picture in a folder shows, and lay them out.

    Args:
        folder: the pictures, also in folders below it.
        suite: its prompts and names tell which scenario a picture belongs to.
        home: a folder of ours to lay them out in.
        table: a CSV table with a column ``file`` and any of run, epoch, scenario, prompt, seed.
        pattern: what file names look like, such as ``{run}_e{epoch}_{scenario}_{seed}``, without the suffix; it may
            have folders, as in ``{epoch}/{scenario}_{seed}``.

    Raises:
        NotFound: there is no such folder or table, or no picture in it.
        InvalidInput: the table or the pattern cannot be used, or no picture belongs to the suite.
    """
    files = _pictures(folder)
    if table is None and (folder / TABLE).is_file():
        table = folder / TABLE
    told = _from_table(table, folder, suite) if table else _from_pattern(files, folder, pattern) if pattern else None
    if told is None:
        told = [_from_itself(path, suite) for path in files]
    kept, skipped = _sorted_out(told, suite)
    if not kept:
        reasons = "; ".join(f"{path.name}: {reason}" for path, reason in skipped[:3])
        raise InvalidInput(f"no picture in {folder} belongs to suite {suite.name} ({reasons})")
    return _lay_out(kept, suite, home, skipped)


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise NotFound(f"there is no picture ({', '.join(SUFFIXES)}) in {folder}")
    if len(found) > _MAX_PICTURES:
        raise InvalidInput(f"{folder} has more than {_MAX_PICTURES} pictures; take a part of them")
    return found


def _from_table(table: Path, folder: Path, suite: Suite) -> list[Told]:
    try:
        rows = list(csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines()))
    except FileNotFoundError:
        raise NotFound(f"there is no table {table}") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{table} cannot be read as a CSV table: {error}") from error
    if not rows or "file" not in rows[0]:
        raise InvalidInput(f"{table} needs a first line with the column names, of {', '.join(_COLUMNS)}")
    prompts = _prompts(suite)
    told = []
    for number, row in enumerate(rows, start=2):
        given = {key: (row.get(key) or "").strip() for key in _COLUMNS}
        scenario = given["scenario"] or prompts.get(_normal(given["prompt"]))
        try:
            epoch, seed = (int(given[key]) if given[key] else None for key in ("epoch", "seed"))
        except ValueError:
            raise InvalidInput(f"{table}:{number}: epoch and seed are whole numbers") from None
        run = given["run"] or (None if epoch is not None else CONTROL)
        told.append(Told(folder / given["file"], run, epoch, scenario, seed))
    return told


def _from_pattern(files: Iterable[Path], folder: Path, pattern: str) -> list[Told]:
    fields = _FIELD.findall(pattern)
    if "seed" not in fields or "scenario" not in fields or len(set(fields)) < len(fields):
        raise InvalidInput("a pattern has {scenario} and {seed}, and {run} or {epoch} if it tells them; each once")
    parts = _FIELD.split(pattern)
    text = "".join(re.escape(part) if number % 2 == 0 else _PATTERNS[part] for number, part in enumerate(parts))
    wanted = re.compile(text)
    told = []
    for path in files:
        match = wanted.fullmatch(path.relative_to(folder).with_suffix("").as_posix())
        found = match.groupdict() if match else {}
        epoch = int(found["epoch"]) if found.get("epoch") else None
        seed = int(found["seed"]) if found.get("seed") else None
        told.append(Told(path, found.get("run"), epoch, found.get("scenario"), seed))
    return told


def _from_itself(path: Path, suite: Suite) -> Told:
    """A picture's own words: the LoRA's file name tells run and epoch; without a LoRA it is the control's."""
    facts = read_facts(path)
    scenario = _prompts(suite).get(_normal(facts.prompt or ""))
    if facts.lora is None:
        return Told(path, CONTROL, None, scenario, facts.seed)
    name = re.split(r"[\\/]", facts.lora)[-1].removesuffix(".safetensors")
    source = read_provenance(Path(f"{name}.safetensors"), {})
    return Told(path, source.name, source.epoch, scenario, facts.seed)


def _sorted_out(told: Sequence[Told], suite: Suite) -> tuple[list[Told], list[tuple[Path, str]]]:
    names = {scenario.name for scenario in suite.scenarios}
    kept: dict[tuple[Any, ...], Told] = {}
    skipped: list[tuple[Path, str]] = []
    for each in told:
        each = replace(each, run=each.run or "images")
        place = (each.run, each.epoch, each.scenario, each.seed)
        if each.scenario not in names:
            skipped.append((each.path, "its prompt or name is no scenario of the suite"))
        elif each.seed is None or not 0 <= each.seed < 2**63:
            skipped.append((each.path, "nothing tells its seed"))
        elif not each.path.is_file():
            skipped.append((each.path, "there is no such file"))
        elif place in kept:
            skipped.append((each.path, f"the same checkpoint, scenario and seed as {kept[place].path.name}"))
        else:
            kept[place] = each
    return list(kept.values()), skipped


def _lay_out(kept: Sequence[Told], suite: Suite, home: Path, skipped: list[tuple[Path, str]]) -> Arranged:
    """Links ``LABEL/SCENARIO_SEED.png`` and a file ``LABEL.json`` that stands for the checkpoint."""
    pictures: dict[tuple[str, int | None], list[Told]] = defaultdict(list)
    for each in kept:
        pictures[each.run or "images", each.epoch].append(each)
    if set(pictures) == {(CONTROL, None)}:
        raise InvalidInput("all pictures are without a LoRA; name run or epoch in a table or a pattern")
    marks = sorted((str(p.path.resolve()), p.path.stat().st_size, p.path.stat().st_mtime_ns) for p in kept)
    places = sorted((str(each.path), each.run, str(each.epoch), each.scenario, each.seed) for each in kept)
    folder = home / digest([marks, places])[:16]
    infos = []
    for (run, epoch), group in pictures.items():
        control = run == CONTROL
        label = CONTROL if control else re.sub(r"[^\w.+-]", "_", f"{run}-{'none' if epoch is None else epoch}")
        (folder / label).mkdir(parents=True, exist_ok=True)
        for each in group:
            link = folder / label / f"{each.scenario}_{each.seed}{each.path.suffix.lower()}"
            if not link.is_symlink():
                link.symlink_to(each.path.resolve())
        if not control:
            infos.append(_stand_in(folder / f"{label}.json", run, epoch, folder.name))
    seeds = tuple(sorted({each.seed for each in kept if each.seed is not None}))
    used = tuple(each for each in suite.scenarios if each.name in {picture.scenario for picture in kept})
    pinned = tuple(seed for seed in suite.pinned_seeds if seed in seeds)
    smaller = suite.model_copy(update={"scenarios": used, "seeds": seeds, "pinned_seeds": pinned})
    ordered = sorted(infos, key=lambda info: (info.name, info.epoch is None, info.epoch or 0))
    return Arranged(folder, tuple(ordered), smaller, tuple(skipped))


def _stand_in(path: Path, run: str, epoch: int | None, source: str) -> CheckpointInfo:
    content = json.dumps({"pictures": source, "run": run, "epoch": epoch})
    if not path.is_file() or path.read_text() != content:
        path.write_text(content)
    return CheckpointInfo(
        path=path, sha256=file_sha256(path), size=path.stat().st_size, key_format="none", algorithms=(),
        trainer="unknown", epoch=epoch, is_final=False, name=run, rank=None, alpha=None, tensors=0, modules=0,
        notes=("There is no LoRA file: its pictures were made elsewhere.",),
    )  # fmt: skip


def _prompts(suite: Suite) -> dict[str, str]:
    return {_normal(scenario.prompt): scenario.name for scenario in suite.scenarios}


def _normal(prompt: str) -> str:
    """A prompt as programs may have written it: other spaces and commas, the same words."""
    return ",".join(filter(None, (" ".join(part.split()) for part in prompt.casefold().split(","))))
