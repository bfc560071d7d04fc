"""The definition of a kind of one's own: applied before its controller starts, and awaited until the cluster serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_daemonset.errors import UsageError
from pytest_daemonset.kube.definitions import DEFINITIONS, established
from pytest_daemonset.kube.documents import documents
from pytest_daemonset.kube.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_daemonset.kube.client import Client


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
        for document in documents(path):
            if document.content["kind"] != DEFINITIONS.kind:
                found = document.content["kind"]
                raise document.complain("kind", f"expected {DEFINITIONS.kind}s only, found {found!r}")
            try:
                await client.create(DEFINITIONS, document.content)
            except ApiError as error:
                if error.status in (400, 422):
                    raise UsageError(f"{path}: refused by the API server: {error.message}") from None
                if error.reason != "AlreadyExists":
                    raise
            names.append(document.content["metadata"]["name"])
    await established(client, names)
