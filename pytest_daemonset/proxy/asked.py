"""What a request to a Kubernetes API is about, read off its method and its URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from yarl import URL

_WRITES: Final = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True)
class Asked:
    """One request.

    Args:
        verb: as roles and audit logs call it, such as ``watch`` or ``deletecollection``.
        resource: the plural, with the subresource, such as ``daemonsets/status``; empty for what is about no resource.
        path: where it is.
        version: the resourceVersion that it starts from; empty for none.
        initial: whether a watch asks for what is there already (sendInitialEvents), so that it needs no list.
    """

    verb: str
    resource: str
    path: str = ""
    version: str = ""
    initial: bool = False

    @classmethod
    def of(cls, method: str, url: URL) -> Asked:
        """Read a request.

        Args:
            method: of HTTP.
            url: with its query.
        """
        match [part for part in url.path.split("/") if part]:
            case ["api", _, *rest] | ["apis", _, _, *rest]:
                pass
            case _:
                rest = []
        if rest[:1] == ["namespaces"] and len(rest) > 2:
            rest = rest[2:]
        resource = "/".join(rest[:1] + rest[2:3])
        verb = _WRITES.get(method, "")
        if method == "DELETE":
            verb = "delete" if len(rest) > 1 else "deletecollection"
        elif method in ("GET", "HEAD"):
            watch = url.query.get("watch", "") in ("1", "true")
            verb = "watch" if watch else "get" if len(rest) != 1 else "list"
        version = url.query.get("resourceVersion", "")
        return cls(verb, resource, url.path, version, url.query.get("sendInitialEvents", "") in ("1", "true"))
