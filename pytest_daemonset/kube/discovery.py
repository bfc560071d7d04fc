"""Which resource an object belongs to, as the server itself tells it: so that kinds nobody listed here can be applied too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.errors import UsageError
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.kube.client import Client


class Discovery:
    """The server's resources by kind, asked for once per group and version.

    Args:
        client: whom to ask.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._served: dict[str, dict[str, Resource]] = {}

    async def resource(self, api_version: str, kind: str) -> Resource:
        """The resource of a kind.

        Raises:
            UsageError: the server does not serve it; the text says what it serves instead.
        """
        if api_version not in self._served:
            self._served[api_version] = await self._ask(api_version)
        served = self._served[api_version]
        if kind not in served:
            there = (
                f"; of {api_version} it serves {', '.join(sorted(served))}"
                if served
                else f"; it serves nothing of {api_version}"
            )
            raise UsageError(f"the cluster does not serve {api_version} {kind}{there}")
        return served[kind]

    async def named(self, name: str) -> Resource:
        """The resource of a full name.

        Args:
            name: plural, version and group, such as ``daemonsets.v1beta1.apps.kruise.io``.

        Raises:
            UsageError: it is no such name, or the server does not serve it.
        """
        plural, _, rest = name.partition(".")
        version, _, group = rest.partition(".")
        if not (plural and version and group):
            raise UsageError(f"{name}: expected plural.version.group, such as daemonsets.v1.apps")
        served = await self._ask(f"{group}/{version}")
        for resource in served.values():
            if resource.plural == plural:
                return resource
        there = ", ".join(sorted(one.plural for one in served.values())) or "nothing"
        raise UsageError(f"the cluster does not serve {name}; of {group}/{version} it serves {there}")

    async def resource_of(self, content: Mapping[str, Any]) -> Resource:
        """The resource of an object, by its ``apiVersion`` and ``kind``."""
        return await self.resource(str(content["apiVersion"]), str(content["kind"]))

    async def _ask(self, api_version: str) -> dict[str, Resource]:
        group, _, version = api_version.rpartition("/")
        try:
            answer = await self._client.request("GET", f"/apis/{api_version}" if group else f"/api/{version}")
        except ApiError as error:
            if error.status == 404:
                return {}
            raise
        return {
            row["kind"]: Resource(group, version, row["name"], row["kind"], namespaced=row["namespaced"])
            for row in answer.get("resources") or ()
            if "/" not in row["name"]
        }
