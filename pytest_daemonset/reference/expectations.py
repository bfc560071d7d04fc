"""What a set has written and the caches have not shown yet: no sync acts before it sees its own writes (AMO-10, ROB-14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EXPIRY = 300.0
"""Seconds after which a write that never showed is given up, so that a lost event wedges nothing for ever (ROB-05)."""


class Expectations:
    """Writes in flight, per key.

    A create or change is expected by its resourceVersion, a deletion by the pod's UID: whoever owns that pod by then, its
    end is seen (OWN-07).

    Args:
        now: a monotonic clock, seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._versions: dict[str, dict[str, tuple[int, float]]] = {}
        self._deletions: dict[str, dict[str, float]] = {}
        self._deleted_by: dict[str, str] = {}

    def wrote(self, key: str, kind: str, resource_version: str) -> None:
        """The set `key` wrote an object of this kind and got this resourceVersion."""
        known = self._versions.setdefault(key, {})
        version = max(int(resource_version), known.get(kind, (0, 0.0))[0])
        known[kind] = (version, self._now() + EXPIRY)

    def deleting(self, key: str, uid: str, within: float = EXPIRY) -> None:
        """The set `key` is about to delete the pod `uid`, and expects to see it go within so many seconds."""
        self._deletions.setdefault(key, {})[uid] = self._now() + within
        self._deleted_by[uid] = key

    def gone(self, uid: str) -> str | None:
        """The pod was seen terminating or is gone, or its deletion failed; returns the key that waited for it."""
        key = self._deleted_by.pop(uid, None)
        if key is not None:
            self._deletions[key].pop(uid, None)
        return key

    def unseen(self, key: str, progress: Mapping[str, int]) -> float | None:
        """Seconds until the first unseen write is given up; None when all are seen.

        Args:
            key: the set.
            progress: by kind, the resourceVersion up to which the cache has seen everything.
        """
        now = self._now()
        versions = self._versions.get(key, {})
        for kind in [k for k, (version, until) in versions.items() if progress[k] >= version or until <= now]:
            del versions[kind]
        deletions = self._deletions.get(key, {})
        for uid in [uid for uid, until in deletions.items() if until <= now]:
            self.gone(uid)
        deadlines = [until for _, until in versions.values()] + list(deletions.values())
        return min(deadlines) - now if deadlines else None

    def forget(self, key: str) -> None:
        """The set is gone, and with it all that was expected of it (GC-07)."""
        self._versions.pop(key, None)
        for uid in self._deletions.pop(key, {}):
            self._deleted_by.pop(uid, None)
