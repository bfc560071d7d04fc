"""Profiles: what is known of a controller before it is judged: its kind, what it offers, and where it is known to fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.conformance.levels import FEATURES, LATER
from pytest_daemonset.conformance.rows import ROWS
from pytest_daemonset.daemonsets.kinds import PLAIN_KIND, KindUnderTest, known, table, toml
from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS: Final = frozenset(("name", "title", "kind", "pods", "timings", "features", "expected-failures"))


@dataclass(frozen=True)
class ExpectedFailure:
    """A row that a controller is known to break.

    Args:
        row: its id.
        why: what happens.
        workaround: what its users can do about it; empty if nothing.
        source: where it is known from.
        cases: the cases of the row's tests that break, as pytest names them; all of them if empty.
    """

    row: str
    why: str
    workaround: str = ""
    source: str = ""
    cases: tuple[str, ...] = ()

    def concerns(self, test: str) -> bool:
        """Whether it speaks of a test, by its name with the case in brackets."""
        case = test.partition("[")[2].rstrip("]")
        return not self.cases or case in self.cases


@dataclass(frozen=True)
class Profile:
    """What is known of a controller.

    Args:
        name: such as ``kubernetes``.
        title: whose controller it is.
        kind: the kind that it serves, and how long it takes.
        features: by feature, whether it offers it; of what is not named see `levels.offered`.
        expected: by row, the failures that are known; strict: a row that is kept after all fails the run.
    """

    name: str
    title: str = ""
    kind: KindUnderTest = PLAIN_KIND
    features: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))
    expected: Mapping[str, ExpectedFailure] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def load(cls, name: str) -> Profile:
        """Read a profile.

        Args:
            name: of one that is shipped, or the path of a TOML file.

        Raises:
            UsageError: there is none, or it says what cannot be read; the text names file and key.
        """
        told, origin = toml(name)
        return cls.read(told, origin)

    @classmethod
    def read(cls, told: Mapping[str, Any], origin: str) -> Profile:
        """Make sense of what a file says.

        Raises:
            UsageError: an unknown key, row or feature, or a value of another type.
        """
        known(told, _KEYS, origin, "")
        features = table(told, "features", origin)
        known(features, frozenset(FEATURES), origin, "features.")
        for name, offered in features.items():
            if not isinstance(offered, bool):
                raise UsageError(f"{origin}: features.{name}: expected true or false, found {offered!r}")
        expected = table(told, "expected-failures", origin)
        return cls(
            name=str(told.get("name") or Path(origin).stem),
            title=str(told.get("title", "")),
            kind=KindUnderTest.read(told, origin),
            features=MappingProxyType(dict(features)),
            expected=MappingProxyType({row: _expected(row, one, origin) for row, one in expected.items()}),
        )


def _expected(row: str, told: Any, origin: str) -> ExpectedFailure:
    where = f"{origin}: expected-failures.{row}"
    if row not in ROWS and row not in LATER:
        raise UsageError(f"{where}: no such row")
    if not isinstance(told, dict) or not told.get("why"):
        raise UsageError(f"{where}: expected a table that says `why`, found {told!r}")
    known(told, frozenset(("why", "workaround", "source", "cases")), origin, f"expected-failures.{row}.")
    return ExpectedFailure(
        row,
        str(told["why"]),
        str(told.get("workaround", "")),
        str(told.get("source", "")),
        tuple(map(str, told.get("cases", ()))),
    )
