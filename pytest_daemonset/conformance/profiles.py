"""Profiles: what is known of a controller before it is judged: its kind, what it offers, and where it is known to fail."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.conformance.levels import FEATURES, LATER
from pytest_daemonset.conformance.rows import ROWS
from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

if sys.version_info >= (3, 11):
    import tomllib
else:  # pytest itself needs it there
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

SHIPPED: Final = Path(__file__).parent / "profiles"
_KEYS: Final = frozenset(("name", "title", "kind", "pods", "features", "expected-failures"))
_KIND: Final = frozenset(("resource", "kind", "selector", "template"))
_PODS: Final = frozenset(("revision-label", "placement"))
_PLACEMENTS: Final = ("pin", "bind", "either")


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
        resource: the kind that it serves: plural, version and group, as in ``daemonsets.v1.apps``.
        kind: as manifests say, such as ``DaemonSet``.
        selector: where its selector is, dotted.
        template: where its pod template is, dotted.
        revision_label: the label that ties its pods to their revision.
        placement: how its pods name their node: ``pin``, ``bind`` or ``either``.
        features: by feature, whether it offers it; what is not named is offered.
        expected: by row, the failures that are known; strict: a row that is kept after all fails the run.
    """

    name: str
    title: str = ""
    resource: str = "daemonsets.v1.apps"
    kind: str = "DaemonSet"
    selector: str = "spec.selector"
    template: str = "spec.template"
    revision_label: str = "controller-revision-hash"
    placement: str = "either"
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
        path = SHIPPED / f"{name}.toml"
        if not path.is_file():
            path = Path(name)
        try:
            told = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UsageError(f"--profile {name}: no such file, and none of {', '.join(shipped())}") from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsageError(f"--profile {name}: {path} cannot be read as TOML: {error}") from None
        return cls.read(told, str(path))

    @classmethod
    def read(cls, told: Mapping[str, Any], origin: str) -> Profile:
        """Make sense of what a file says.

        Raises:
            UsageError: an unknown key, row or feature, or a value of another type.
        """
        _known(told, _KEYS, origin, "")
        kind, pods = _table(told, "kind", origin), _table(told, "pods", origin)
        _known(kind, _KIND, origin, "kind.")
        _known(pods, _PODS, origin, "pods.")
        features = _table(told, "features", origin)
        _known(features, frozenset(FEATURES), origin, "features.")
        for name, offered in features.items():
            if not isinstance(offered, bool):
                raise UsageError(f"{origin}: features.{name}: expected true or false, found {offered!r}")
        placement = pods.get("placement", "either")
        if placement not in _PLACEMENTS:
            raise UsageError(f"{origin}: pods.placement: expected {' or '.join(_PLACEMENTS)}, found {placement!r}")
        resource = kind.get("resource", "daemonsets.v1.apps")
        if not isinstance(resource, str) or resource.count(".") < 2:
            raise UsageError(f"{origin}: kind.resource: expected plural.version.group, found {resource!r}")
        for table, key, only in (
            (kind, "selector", "spec.selector"),
            (kind, "template", "spec.template"),
            (pods, "revision-label", "controller-revision-hash"),
        ):
            if table.get(key, only) != only:
                raise UsageError(f"{origin}: {key}: only {only} can be judged so far, found {table[key]!r}")
        expected = _table(told, "expected-failures", origin)
        return cls(
            name=str(told.get("name") or Path(origin).stem),
            title=str(told.get("title", "")),
            resource=resource,
            kind=str(kind.get("kind", "DaemonSet")),
            selector=str(kind.get("selector", "spec.selector")),
            template=str(kind.get("template", "spec.template")),
            revision_label=str(pods.get("revision-label", "controller-revision-hash")),
            placement=placement,
            features=MappingProxyType(dict(features)),
            expected=MappingProxyType({row: _expected(row, one, origin) for row, one in expected.items()}),
        )

    @property
    def group_version(self) -> str:
        """The apiVersion of its kind."""
        _, version, group = self.resource.split(".", 2)
        return f"{group}/{version}"


def shipped() -> list[str]:
    """The names of the profiles that come with the suite."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def _table(told: Mapping[str, Any], key: str, origin: str) -> Mapping[str, Any]:
    found = told.get(key, {})
    if not isinstance(found, dict):
        raise UsageError(f"{origin}: {key}: expected a table, found {found!r}")
    return found


def _known(told: Mapping[str, Any], keys: frozenset[str], origin: str, prefix: str) -> None:
    for key in told:
        if key not in keys:
            raise UsageError(f"{origin}: {prefix}{key}: no such key; known are {', '.join(sorted(keys))}")


def _expected(row: str, told: Any, origin: str) -> ExpectedFailure:
    where = f"{origin}: expected-failures.{row}"
    if row not in ROWS and row not in LATER:
        raise UsageError(f"{where}: no such row")
    if not isinstance(told, dict) or not told.get("why"):
        raise UsageError(f"{where}: expected a table that says `why`, found {told!r}")
    _known(told, frozenset(("why", "workaround", "source", "cases")), origin, f"expected-failures.{row}.")
    return ExpectedFailure(
        row,
        str(told["why"]),
        str(told.get("workaround", "")),
        str(told.get("source", "")),
        tuple(map(str, told.get("cases", ()))),
    )
