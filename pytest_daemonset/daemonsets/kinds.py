"""The kind under test, as a profile tells of it: where it is served, the shape of its objects, how long its controller takes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.contract.shape import NUDGE, PLAIN, REVISION_LABEL, SELECTOR, TEMPLATE, Shape
from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

if sys.version_info >= (3, 11):
    import tomllib
else:  # pytest itself needs it there
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

SHIPPED: Final = Path(__file__).parent.parent / "conformance" / "profiles"
DAEMONSETS: Final = "daemonsets.v1.apps"

_KIND: Final = frozenset(("resource", "kind", "selector", "template", "nudge", "status-hash", "crds"))
_PODS: Final = frozenset(("revision-label", "placement", "owner-kind", "owner-api-version"))
_PLACEMENTS: Final = ("pin", "bind", "either")


@dataclass(frozen=True)
class Timings:
    """How long a controller takes: what is known of it, never how fast it should be.

    Args:
        back_off: seconds between the first and the second deletion of a pod that fails on a node.
        back_off_growth: the least factor from one such wait to the next.
        back_off_cap: the longest of these waits, in seconds.
        resync: seconds after which it looks at every set unasked, and may write; 0 for never. Rests are watched for longer.
        put_off: seconds that a sync may come late without any event: a set is at rest only when it has been quiet for as long. More
            than usual means that its queue lags when it is busy: rows that need rest start it anew.
        expectations: seconds that it may wait for events of its own writes, where these are lost, before it goes on without them.
        patience: what every time-out is multiplied by.
    """

    back_off: float = 1.0
    back_off_growth: float = 1.3
    back_off_cap: float = 900.0
    resync: float = 0.0
    put_off: float = 1.0
    expectations: float = 300.0
    patience: float = 1.0


USUAL: Final = Timings()
"""Those of the controller of Kubernetes."""

_LEAST: Final = {
    "back-off": 0.0,
    "back-off-growth": 1.0,
    "back-off-cap": 0.0,
    "resync": 0.0,
    "put-off": 0.0,
    "expectations": 0.0,
    "patience": 1.0,
}
"""By key of ``[timings]``, the least value that makes sense."""


@dataclass(frozen=True)
class KindUnderTest:
    """A daemonset-like kind.

    Args:
        resource: plural, version and group, as in ``daemonsets.v1.apps``.
        kind: as manifests say, such as ``DaemonSet``.
        shape: where its fields stand.
        placement: how its pods name their node: ``pin``, ``bind`` or ``either``.
        crds: manifests of its definition, to be applied before its controller starts.
        timings: how long its controller takes.
    """

    resource: str = DAEMONSETS
    kind: str = "DaemonSet"
    shape: Shape = PLAIN
    placement: str = "either"
    crds: tuple[Path, ...] = ()
    timings: Timings = USUAL

    @classmethod
    def load(cls, name: str) -> KindUnderTest:
        """Read what a profile says of its kind.

        Args:
            name: of one that is shipped, or the path of a TOML file.

        Raises:
            UsageError: there is none, or it says what cannot be read; the text names file and key.
        """
        told, origin = toml(name)
        return cls.read(told, origin)

    @classmethod
    def read(cls, told: Mapping[str, Any], origin: str) -> KindUnderTest:
        """Make sense of the tables ``[kind]``, ``[pods]`` and ``[timings]``.

        Raises:
            UsageError: an unknown key, or a value that makes no sense.
        """
        kind, pods, timings = (table(told, key, origin) for key in ("kind", "pods", "timings"))
        known(kind, _KIND, origin, "kind.")
        known(pods, _PODS, origin, "pods.")
        known(timings, frozenset(_LEAST), origin, "timings.")
        placement = pods.get("placement", "either")
        if placement not in _PLACEMENTS:
            raise UsageError(f"{origin}: pods.placement: expected {' or '.join(_PLACEMENTS)}, found {placement!r}")
        resource = kind.get("resource", DAEMONSETS)
        if not isinstance(resource, str) or resource.count(".") < 2:
            raise UsageError(f"{origin}: kind.resource: expected plural.version.group, found {resource!r}")
        return cls(
            resource=resource,
            kind=_text(kind, "kind", "DaemonSet", origin, "kind."),
            shape=Shape(
                template=_path(kind, "template", TEMPLATE, origin),
                selector=_path(kind, "selector", SELECTOR, origin),
                revision_label=_text(pods, "revision-label", REVISION_LABEL, origin, "pods."),
                owner_api_version=_text(pods, "owner-api-version", "", origin, "pods."),
                owner_kind=_text(pods, "owner-kind", "", origin, "pods."),
                nudge=_path(kind, "nudge", NUDGE, origin),
                status_hash=_text(kind, "status-hash", "", origin, "kind."),
                history=table(told, "features", origin).get("history") is not False,
            ),
            placement=placement,
            crds=_crds(kind, origin),
            timings=Timings(**{key.replace("-", "_"): _seconds(timings, key, origin) for key in timings}),
        )

    def words(self) -> list[str]:
        """The options that tell the reference controller of this kind; none for a plain DaemonSet."""
        said = {
            "--kind": (self.resource, DAEMONSETS),
            "--template": (self.shape.template, TEMPLATE),
            "--selector": (self.shape.selector, SELECTOR),
            "--revision-label": (self.shape.revision_label, REVISION_LABEL),
            "--status-hash": (self.shape.status_hash, ""),
        }
        return [word for option, (value, usual) in said.items() if value != usual for word in (option, value)]

    @property
    def group_version(self) -> str:
        """The apiVersion of its kind."""
        _, version, group = self.resource.split(".", 2)
        return f"{group}/{version}"


PLAIN_KIND: Final = KindUnderTest()
"""A DaemonSet."""


def shipped() -> list[str]:
    """The names of the profiles that come with the suite."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def toml(name: str) -> tuple[dict[str, Any], str]:
    """A profile as its file has it, and the path of that file.

    Raises:
        UsageError: there is none of that name, or it is no TOML.
    """
    path = SHIPPED / f"{name}.toml"
    if not path.is_file():
        path = Path(name)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), str(path)
    except FileNotFoundError:
        raise UsageError(f"profile {name!r}: no such file, and none of {', '.join(shipped())}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"profile {name!r}: {path} cannot be read as TOML: {error}") from None


def table(told: Mapping[str, Any], key: str, origin: str) -> Mapping[str, Any]:
    """A table of a profile; empty if it is not there."""
    found = told.get(key, {})
    if not isinstance(found, dict):
        raise UsageError(f"{origin}: {key}: expected a table, found {found!r}")
    return found


def known(told: Mapping[str, Any], keys: frozenset[str], origin: str, prefix: str) -> None:
    """Refuse a key that nobody reads."""
    for key in told:
        if key not in keys:
            raise UsageError(f"{origin}: {prefix}{key}: no such key; known are {', '.join(sorted(keys))}")


def _text(told: Mapping[str, Any], key: str, default: str, origin: str, prefix: str) -> str:
    found = told.get(key, default)
    if not isinstance(found, str) or (not found and default):
        raise UsageError(f"{origin}: {prefix}{key}: expected a text such as {default!r}, found {found!r}")
    return found


def _path(told: Mapping[str, Any], key: str, default: str, origin: str) -> str:
    found = _text(told, key, default, origin, "kind.")
    steps = found.split(".")
    if steps[0] != "spec" or len(steps) < 2 or not all(steps):
        raise UsageError(f"{origin}: kind.{key}: expected a path such as {default}, found {found!r}")
    return found


def _crds(kind: Mapping[str, Any], origin: str) -> tuple[Path, ...]:
    found = kind.get("crds", [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise UsageError(f"{origin}: kind.crds: expected a list of paths, found {found!r}")
    paths = tuple(Path(origin).parent / one for one in found)
    for path in paths:
        if not path.is_file():
            raise UsageError(f"{origin}: kind.crds: no such file: {path}")
    return paths


def _seconds(timings: Mapping[str, Any], key: str, origin: str) -> float:
    found, least = timings[key], _LEAST[key]
    if isinstance(found, bool) or not isinstance(found, int | float) or found < least:
        raise UsageError(f"{origin}: timings.{key}: expected a number, no less than {least:g}, found {found!r}")
    return float(found)
