"""The definition of a kind of one's own: applied before its controller starts, and awaited until the cluster serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.errors import ClusterError, UsageError
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import Resource
from pytest_daemonset.kube.until import until

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_daemonset.kube.client import Client

CRDS: Final = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
_SERVED_WITHIN: Final = 30.0


async def define(client: Client, paths: Iterable[Path]) -> None:
    """Apply CustomResourceDefinitions; one that is there already is left as it is.

    Args:
        client: who writes.
        paths: YAML files; what else is in them is refused.

    Raises:
        UsageError: a file that cannot be read, or that the API refuses.
        ClusterError: a kind is not served in time.
    """
    names = []
    for path in paths:
        for definition in _definitions(path):
            try:
                await client.create(CRDS, definition)
            except ApiError as error:
                if error.status in (400, 422):
                    raise UsageError(f"{path}: refused by the API server: {error.message}") from None
                if error.reason != "AlreadyExists":
                    raise
            names.append(definition["metadata"]["name"])

    def served(seen: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> bool:
        return all(_established(seen[CRDS.kind].get(name, {})) for name in names)

    if not await until(client, [(CRDS, None)], served, _SERVED_WITHIN):
        raise ClusterError(f"not served {_SERVED_WITHIN:g} s after they were defined: {', '.join(names)}")


def _established(definition: Mapping[str, Any]) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Established" and one.get("status") == "True" for one in conditions)


def _definitions(path: Path) -> list[dict[str, Any]]:
    import yaml

    try:
        found = [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one is not None]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: cannot be read as YAML: {error}") from None
    for one in found:
        if not isinstance(one, dict) or one.get("kind") != CRDS.kind:
            told = one.get("kind") if isinstance(one, dict) else one
            raise UsageError(f"{path}: expected {CRDS.kind}s only, found {told!r}")
    return found
