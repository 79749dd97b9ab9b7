"""Suite files: reading YAML so that every complaint names the line and the field."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from service.errors import InvalidSuite, SuiteFault, UnknownSuite
from service.suites.models import Problem, RuleError, Suite

MAX_SUITE_BYTES = 1_000_000
_BUILT_IN = resources.files("service.suites") / "builtin"


def list_suites() -> tuple[str, ...]:
    """Names of the built-in suites, in alphabetical order."""
    return tuple(sorted(Path(entry.name).stem for entry in _BUILT_IN.iterdir() if entry.name.endswith(".yaml")))


def load_suite(name_or_path: str | Path) -> Suite:
    """Read a built-in suite by its name, or a suite file by its path.

    Paths of reference pictures are taken relative to the file and must exist.

    Raises:
        UnknownSuite: if there is neither such a name nor such a file, or the file breaks a rule; the message then
            names line and field of every fault.
    """
    if str(name_or_path) in list_suites():
        return parse_suite(suite_text(str(name_or_path)), source=f"{name_or_path}.yaml")
    path = Path(name_or_path)
    if not path.is_file():
        raise UnknownSuite(
            f"there is no suite {str(name_or_path)!r}: give the path of a YAML file, or one of "
            f"{', '.join(list_suites())}"
        )
    if path.stat().st_size > MAX_SUITE_BYTES:
        raise UnknownSuite(f"{path} is larger than {MAX_SUITE_BYTES} bytes, which no suite needs")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnknownSuite(f"{path} cannot be read as UTF-8 text: {error}") from error
    return parse_suite(text, source=str(path), folder=path.parent)


def suite_text(name: str) -> str:
    """The YAML text of a built-in suite.

    Raises:
        UnknownSuite: there is none of that name.
    """
    if name not in list_suites():
        raise UnknownSuite(f"there is no built-in suite {name!r}; there are {', '.join(list_suites())}")
    return (_BUILT_IN / f"{name}.yaml").read_text(encoding="utf-8")


def parse_suite(text: str, *, source: str = "suite", folder: Path | None = None) -> Suite:
    """Read a suite from YAML text.

    Args:
        text: the YAML document.
        source: what messages call it, such as a file name.
        folder: where relative paths of reference pictures start. Without it, references are refused: text that came
            over the network must not name files of this machine.

    Raises:
        UnknownSuite: with one line per fault, ``source:line: field: message``.
    """
    if len(text.encode()) > MAX_SUITE_BYTES:
        raise UnknownSuite(f"{source} is larger than {MAX_SUITE_BYTES} bytes, which no suite needs")
    root, data = _read_yaml(text, source)
    try:
        suite = Suite.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        raise _refusal(source, root, _problems(error)) from error
    return _with_references(suite, source, root, folder)


def _read_yaml(text: str, source: str) -> tuple[yaml.Node, Any]:
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            told = "the file is empty; a suite needs name, version, characters, scenarios, seeds"
            raise _invalid(source, [SuiteFault(1, "suite", told)])
        if not isinstance(root, yaml.MappingNode):
            told = "this is no suite; a suite has the fields name, version, characters, scenarios and seeds"
            raise _invalid(source, [SuiteFault(root.start_mark.line + 1, "suite", told)])
        problems = _tree_problems(root, set())
        if problems:
            raise _refusal(source, root, problems)
        return root, loader.construct_document(root)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        reason = getattr(error, "problem", None) or str(error)
        raise _invalid(source, [SuiteFault(line, "suite", f"not readable as YAML: {reason}")]) from error


def _tree_problems(node: yaml.Node, seen: set[int], place: tuple[str | int, ...] = ()) -> list[Problem]:
    """Keys written twice (YAML keeps the last one silently) and aliases (a few bytes that expand without end)."""
    if id(node) in seen:
        return [(place, "aliases (*name) are not allowed; write the value out")]
    seen.add(id(node))
    problems: list[Problem] = []
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            problems += _tree_problems(item, seen, (*place, index))
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in keys:
                problems.append(((*place, name), "is written twice"))
            keys.add(name)
            problems += _tree_problems(value, seen, (*place, name))
    return problems


def _problems(error: ValidationError) -> list[Problem]:
    details = error.errors(include_url=False)
    problems: list[Problem] = []
    for detail in details:
        place = detail["loc"]
        if detail["type"] == "too_short" and any(
            other["loc"][: len(place)] == place for other in details if other != detail
        ):
            continue  # a list whose only items are faulty counts as empty: the faults below it say more
        broken = detail.get("ctx", {}).get("error")
        if isinstance(broken, RuleError):
            problems += broken.problems
        else:
            problems.append((place, _plain(detail["type"], detail["msg"])))
    return problems


def _plain(kind: str, message: str) -> str:
    known = {"missing": "is missing", "extra_forbidden": "is no field of a suite"}
    return known.get(kind, message[:1].lower() + message[1:])


def _refusal(source: str, root: yaml.Node, problems: list[Problem]) -> InvalidSuite:
    rows = sorted((_line(root, place), _field(place), message) for place, message in problems)
    return _invalid(source, [SuiteFault(*row) for row in rows])


def _invalid(source: str, faults: list[SuiteFault]) -> InvalidSuite:
    return InvalidSuite("\n".join(f"{source}:{each.line}: {each.field}: {each.message}" for each in faults), faults)


def _field(place: tuple[str | int, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".") or "suite"


def _line(root: yaml.Node, place: tuple[str | int, ...]) -> int:
    """Line (from 1) of the deepest part of ``place`` that is in the file; the last of keys written twice."""
    node, line = root, root.start_mark.line
    for part in place:
        found = _step(node, part)
        if found is None:
            break
        line, node = found
    return int(line) + 1


def _step(node: yaml.Node, part: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):
            if key.value == part:
                return key.start_mark.line, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line, node.value[part]
    return None


def _with_references(suite: Suite, source: str, root: yaml.Node, folder: Path | None) -> Suite:
    problems: list[Problem] = []
    characters = []
    for index, character in enumerate(suite.characters):
        paths = [(folder or Path()) / reference for reference in character.references]
        for number, path in enumerate(paths):
            place: tuple[str | int, ...] = ("characters", index, "references", number)
            if folder is None:
                problems.append((place, "reference pictures need a suite file on this machine"))
            elif not path.is_file():
                problems.append((place, f"there is no picture at {path}"))
        characters.append(character.model_copy(update={"references": tuple(str(path.absolute()) for path in paths)}))
    if problems:
        raise _refusal(source, root, problems)
    return suite.model_copy(update={"characters": tuple(characters)})
