"""What a URL path asks for: a resource, a group's table of contents, or something else."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.embedded.calls import Served


_SHORT = 512  # a path that is longer is not remembered


class Target(NamedTuple):
    """A path under `/api/v1` or `/apis/GROUP/VERSION`.

    Args:
        served: the kind, None where no kind of that name is served.
        plural: the resource as the path names it; "" for the group version itself.
        namespace, name, subresource: "" where the path has none.
    """

    group: str
    version: str
    served: Served | None
    plural: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""


class Paths:
    """Reads paths, by the kinds that are served."""

    def __init__(self, served: Mapping[str, Served]) -> None:
        self._kinds = {(each.kind.group, each.kind.version, each.kind.plural): each for each in served.values()}
        self.versions = {(group, version) for group, version, _ in self._kinds}
        self.groups = {group for group, _ in self.versions}
        self._known = lru_cache(maxsize=1024)(self._read)

    def read(self, path: str) -> Target | None:
        """The target, None for a path outside of the API."""
        return self._known(path) if len(path) <= _SHORT else self._read(path)

    def _read(self, path: str) -> Target | None:
        parts = path.strip("/").split("/")
        if parts[0] == "api" and len(parts) > 1:
            group, version, rest = "", parts[1], parts[2:]
        elif parts[0] == "apis" and len(parts) > 2:
            group, version, rest = parts[1], parts[2], parts[3:]
        else:
            return None
        if not rest:
            return Target(group, version, None)
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2 and not self._is_part_of_namespace(group, rest):
            namespace, rest = rest[1], rest[2:]
        plural, name, subresource = rest[0], rest[1] if len(rest) > 1 else "", "/".join(rest[2:])
        served = self._kinds.get((group, version, plural))
        if served is not None and namespace and not served.kind.namespaced:
            served = None
        return Target(group, version, served, plural, namespace, name, subresource)

    def _is_part_of_namespace(self, group: str, rest: list[str]) -> bool:
        return group == "" and len(rest) == 3 and rest[2] in {"status", "finalize"}
