"""Whether the server lives and is ready: /livez, /readyz and /healthz, each check by its name, all with `?verbose`."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_STARTED = (
    "poststarthook/start-apiextensions-controllers",
    "poststarthook/crd-informer-synced",
    "poststarthook/start-system-namespaces-controller",
    "poststarthook/rbac/bootstrap-roles",
    "poststarthook/scheduling/bootstrap-system-priority-classes",
    "poststarthook/bootstrap-controller",
)
_LIVE = ("ping", "log", "etcd", *_STARTED)

CHECKS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"healthz": _LIVE, "livez": _LIVE, "readyz": ("ping", "log", "informer-sync", *_STARTED, "shutdown")}
)
"""By endpoint, the checks that kube-apiserver has of what there is here too. They hold from the moment that the port is open."""


def healthy(path: str, *, verbose: bool = False, excluded: Sequence[str] = ()) -> str | None:
    """What is answered; None where there is no such endpoint or check.

    Args:
        path: `/livez`, or `/livez/ping`.
        verbose: tell every check.
        excluded: the names of checks to leave out.
    """
    _, endpoint, *name = path.split("/", 2)
    checks = CHECKS.get(endpoint)
    if checks is None or (name and name[0] not in checks):
        return None
    if name or not verbose:
        return "ok"
    told = [f"[+]{check} excluded: ok" if check in excluded else f"[+]{check} ok" for check in checks]
    unknown = [f'"{check}"' for check in sorted(set(excluded) - set(checks))]
    if unknown:
        told.append(f"warn: some health checks cannot be excluded: no matches for {', '.join(unknown)}")
    return "\n".join((*told, f"{endpoint} check passed\n"))
