"""Finding suites by name, built in or handed in, and taking new versions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from sqlalchemy.exc import IntegrityError

from service.database.engine import Database
from service.database.models import SuiteVersion
from service.errors import Conflict, NotFound, UnknownSuite
from service.library import repository
from service.suites import Suite, list_suites, parse_suite, suite_text


@dataclass(frozen=True)
class KnownSuite:
    """A suite that can be asked for by name.

    Attributes:
        suite: its version at hand.
        text: that version as YAML.
        versions: all versions there are, newest first.
        built_in: whether it is shipped.
    """

    suite: Suite
    text: str
    versions: tuple[int, ...]
    built_in: bool


class SuiteLibrary:
    """The suites of one data folder."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_all(self) -> list[KnownSuite]:
        """Every suite in its newest version: the built-in ones first, then the others by name."""
        with self._database.reading() as session:
            rows = list(repository.list_versions(session))
        own = [_known(list(group)) for _, group in groupby(rows, key=lambda row: row.name)]
        return [*(_built_in(name) for name in list_suites()), *own]

    def names(self) -> list[str]:
        """The names of all suites."""
        return [known.suite.name for known in self.list_all()]

    def get(self, name: str, version: int | None = None) -> KnownSuite:
        """A suite, by default in its newest version.

        Raises:
            NotFound: there is no such suite or version.
        """
        known = _built_in(name) if name in list_suites() else self._own(name, version)
        if known is None:
            raise NotFound(f"there is no suite {name[:80]!r}; there are {', '.join(self.names())}")
        if version not in (None, known.suite.version):
            raise NotFound(f"suite {name} has no version {version}; it has {', '.join(map(str, known.versions))}")
        return known

    def suite(self, name: str, version: int | None = None) -> Suite:
        """A suite for an evaluation.

        Raises:
            UnknownSuite: there is no such suite or version.
        """
        try:
            return self.get(name, version).suite
        except NotFound as error:
            raise UnknownSuite(f"{error}; or send a suite's text") from None

    def add(self, text: str) -> KnownSuite:
        """Take a version of a suite. The same version with the same content again changes nothing.

        Args:
            text: the suite as YAML; its ``name`` and ``version`` say which version it is.

        Raises:
            InvalidSuite: it breaks a rule; line and field of every fault are named.
            Conflict: the name is a built-in suite's, or that version exists with other content.
        """
        suite = parse_suite(text)
        if suite.name in list_suites():
            raise Conflict(f"{suite.name!r} is a built-in suite; give yours another name")
        with self._database.reading() as session:
            kept = repository.versions_of(session, suite.name)
        same = next((row for row in kept if row.version == suite.version), None)
        if same is None:
            row = SuiteVersion(name=suite.name, version=suite.version, content_hash=suite.content_hash, text=text)
            try:
                with self._database.transaction() as session:
                    session.add(row)
            except IntegrityError:  # the same version came in at the same moment
                return self.add(text)
        elif same.content_hash != suite.content_hash:
            raise Conflict(
                f"version {suite.version} of suite {suite.name} exists with other content; "
                f"a changed suite is a new version: write version: {max(row.version for row in kept) + 1}"
            )
        return self.get(suite.name, suite.version)

    def _own(self, name: str, version: int | None) -> KnownSuite | None:
        with self._database.reading() as session:
            rows = list(repository.versions_of(session, name))
        return _known(rows, version) if rows else None


def _built_in(name: str) -> KnownSuite:
    text = suite_text(name)
    suite = parse_suite(text, source=f"{name}.yaml")
    return KnownSuite(suite, text, (suite.version,), built_in=True)


def _known(rows: list[SuiteVersion], version: int | None = None) -> KnownSuite:
    """The version asked for, if it is there, else the newest; ``rows`` are one suite's, newest first."""
    row = next((each for each in rows if each.version == version), rows[0])
    return KnownSuite(parse_suite(row.text), row.text, tuple(each.version for each in rows), built_in=False)
