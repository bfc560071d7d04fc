"""Reads an API server's audit log: who wrote what, and when (method M3 of the contract)."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CREDENTIAL: Final = "authentication.kubernetes.io/credential-id"
WRITES: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class Entry:
    """One request that the server answered.

    Attributes:
        verb: ``create``, ``update``, ``patch``, ``delete``, ``deletecollection``, ``get``, ``list`` or ``watch``.
        resource: the plural, such as ``pods``; ``subresource`` such as ``status``, empty if none.
        namespace: empty for cluster-wide resources.
        name: the object's name; for a create with generateName, the one that the server chose.
        user: who asked; ``agent`` is the User-Agent.
        code: the HTTP status answered.
        at: when the request came, in unix seconds.
        offset: where its line starts in the file, in bytes.
        raw: the whole audit.k8s.io/v1 Event.
    """

    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    user: str
    agent: str
    code: int
    at: float
    offset: int
    raw: dict[str, Any] = field(repr=False, compare=False)

    @property
    def credential(self) -> str:
        """Which of its user's credentials was used, as ``JTI=…`` for a token; empty where the log does not say."""
        extra = (self.raw.get("user") or {}).get("extra") or {}
        return str(next(iter(extra.get(CREDENTIAL) or ()), ""))

    @property
    def request(self) -> Any:
        """The body sent, if the log has it (level Request or RequestResponse)."""
        return self.raw.get("requestObject")

    @property
    def response(self) -> Any:
        """The body answered, if the log has it (level RequestResponse)."""
        return self.raw.get("responseObject")

    def __str__(self) -> str:
        path = "/".join(part for part in (self.namespace, self.resource, self.name, self.subresource) if part)
        return f"{self.verb} {path} by {self.user} ({self.agent or 'no agent'}): {self.code}"


class AuditLog:
    """An audit log of JSON lines, read incrementally: each call reads only what was added since the last one.

    Args:
        path: the file; it may not exist yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._entries: list[Entry] = []
        self._read = 0

    def mark(self) -> int:
        """The end of the log as of now: what is written later is `since` it."""
        self._refresh()
        return self._read

    def since(self, mark: int) -> list[Entry]:
        """All requests logged after a `mark`."""
        return self.entries(since=mark)

    def entries(
        self,
        *,
        resource: str | None = None,
        name: str | None = None,
        namespace: str | None = None,
        user: str | None = None,
        agent: str | None = None,
        verbs: Iterable[str] | None = None,
        subresource: str | None = None,
        since: int = 0,
        after: float | None = None,
        accepted: bool | None = None,
    ) -> list[Entry]:
        """The requests that match everything that is given, oldest first.

        Args:
            resource: the plural.
            name: the object's name.
            namespace: where.
            user: who, exactly.
            agent: how the User-Agent begins.
            verbs: one of these, such as `WRITES`.
            subresource: ``status`` and the like; empty for the object itself; `None` for both.
            since: a `mark`.
            after: unix seconds.
            accepted: `True` for requests that succeeded, `False` for those refused, `None` for both.
        """
        self._refresh()
        wanted = None if verbs is None else frozenset(verbs)
        exact = {"resource": resource, "name": name, "namespace": namespace, "user": user, "subresource": subresource}
        asked = {key: value for key, value in exact.items() if value is not None}
        return [
            entry
            for entry in islice(self._entries, bisect_left(self._entries, since, key=attrgetter("offset")), None)
            if all(getattr(entry, key) == value for key, value in asked.items())
            and (agent is None or entry.agent.startswith(agent))
            and (wanted is None or entry.verb in wanted)
            and (after is None or entry.at > after)
            and (accepted is None or (entry.code < 400) is accepted)
        ]

    def __iter__(self) -> Iterator[Entry]:
        self._refresh()
        return iter(tuple(self._entries))

    def _refresh(self) -> None:
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                added = file.read()
        except FileNotFoundError:
            return
        # A line without its end is still being written: it is read next time.
        whole = added[: added.rfind(b"\n") + 1]
        offset = self._read
        for line in whole.splitlines(keepends=True):
            if line.strip():
                told = orjson.loads(line)
                if told.get("stage", "ResponseComplete") in ("ResponseComplete", "Panic"):
                    self._entries.append(_entry(told, offset))
            offset += len(line)
        self._read = offset


def _entry(told: dict[str, Any], offset: int) -> Entry:
    about = told.get("objectRef") or {}
    answered = (told.get("responseObject") or {}).get("metadata") or {}
    return Entry(
        verb=told.get("verb", ""),
        resource=about.get("resource", ""),
        subresource=about.get("subresource", ""),
        namespace=about.get("namespace", ""),
        name=about.get("name") or answered.get("name", ""),
        user=(told.get("user") or {}).get("username", ""),
        agent=told.get("userAgent", ""),
        code=int((told.get("responseStatus") or {}).get("code") or 0),
        at=_seconds(told.get("requestReceivedTimestamp") or told.get("stageTimestamp")),
        offset=offset,
        raw=told,
    )


def _seconds(stamp: str | None) -> float:
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp() if stamp else 0.0
