"""`History`: everything that an observation saw, in the order in which it saw it; kept, saved and loaded."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

from pytest_daemonset.contract.events import Event
from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FORMAT: Final = 1
"""Version of the saved form; a reader refuses a higher one."""


class What(str, enum.Enum):
    """What a mark says about a kind, or about all of them."""

    SYNCED = "synced"  # all that was listed at `rv` has been recorded: from here on nothing is missed
    PROGRESS = "progress"  # a bookmark: nothing up to `rv` is still to come
    FENCE = "fence"  # the same, known from a list
    GAP = "gap"  # what happened after `rv` was missed, until the next SYNCED
    BARRIER = "barrier"  # the controller ran after all that was written up to `since`


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that is no event, but without which events cannot be judged.

    Args:
        what: what it says.
        kind: the kind that it is about; empty for a barrier, which is about all of them.
        rv: the resourceVersion that it is about.
        at: when it was made, in unix seconds.
        note: why, for people.
        since: for a barrier: the highest resourceVersion that the controller has seen for certain.
    """

    what: What
    kind: str
    rv: int
    at: float
    note: str = ""
    since: int = 0


Record: TypeAlias = Event | Mark


class History:
    """Events and marks in order of arrival; it only grows.

    Every event keeps its whole object, so memory grows with the churn: about 10 kB per pod event and 20 kB per node
    event of a real kubelet, 2 kB per event of a virtual one. One observation belongs to one test, and is let go with it.
    Bookmarks are merged, so an idle cluster adds nothing.

    Args:
        kinds: the kinds that were watched.
        comparable: whether resourceVersions of different kinds can be compared (one store for all of them).
        cluster: whose cluster it was, for people.
        namespace: the namespace that was watched.
    """

    def __init__(
        self, kinds: Iterable[str], *, comparable: bool = True, cluster: str = "", namespace: str = ""
    ) -> None:
        self.kinds = tuple(kinds)
        self.comparable = comparable
        self.cluster = cluster
        self.namespace = namespace
        self._records: list[Record] = []
        # Where the last mark of a kind stands, as long as nothing of that kind came after it.
        self._trailing: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    @property
    def records(self) -> tuple[Record, ...]:
        """Events and marks, in order of arrival."""
        return tuple(self._records)

    @property
    def events(self) -> tuple[Event, ...]:
        """The events alone, in order of arrival."""
        return tuple(record for record in self._records if isinstance(record, Event))

    @property
    def gaps(self) -> tuple[Mark, ...]:
        """Where events were missed."""
        return tuple(r for r in self._records if isinstance(r, Mark) and r.what is What.GAP)

    def append(self, record: Record) -> None:
        """Add what just arrived.

        A mark of progress takes the place of the one before it if nothing of its kind came between.
        """
        place = self._trailing.get(record.kind)
        if isinstance(record, Mark) and record.what in (What.PROGRESS, What.FENCE):
            if place is not None:
                self._records[place] = record
                return
            self._trailing[record.kind] = len(self._records)
        elif record.kind:
            self._trailing.pop(record.kind, None)
        else:
            # A barrier is placed by the highest progress: bookmarks of before it must stay before it.
            self._trailing.clear()
        self._records.append(record)

    def save(self, path: str | Path) -> None:
        """Write it as JSON lines: a header, then one record per line.

        Raises:
            OSError: the file cannot be written.
        """
        header = {
            "pytest_daemonset": "history",
            "format": FORMAT,
            "kinds": list(self.kinds),
            "comparable": self.comparable,
            "cluster": self.cluster,
            "namespace": self.namespace,
        }
        with Path(path).open("wb") as file:
            file.write(orjson.dumps(header, option=orjson.OPT_APPEND_NEWLINE))
            file.writelines(orjson.dumps(_written(record), option=orjson.OPT_APPEND_NEWLINE) for record in self.records)

    @classmethod
    def load(cls, path: str | Path) -> History:
        """Read what `save` wrote.

        Raises:
            UsageError: the file is no history, or was written by a later version.
        """
        path = Path(path)
        try:
            lines = path.read_bytes().splitlines()
        except OSError as error:
            raise UsageError(f"history {path}: cannot be read: {error.strerror or error}") from error
        number = 1
        try:
            header = orjson.loads(lines[0])
            if header["pytest_daemonset"] != "history" or header["format"] > FORMAT:
                raise UsageError(
                    f"history {path}: expected a history of a format up to {FORMAT}, got {lines[0][:80]!r}; "
                    "a later version of pytest-daemonset may have written it: upgrade"
                )
            history = cls(
                header["kinds"],
                comparable=header["comparable"],
                cluster=header["cluster"],
                namespace=header["namespace"],
            )
            for number, line in enumerate(lines[1:], start=2):  # noqa: B007  (told in the error)
                history.append(_read(orjson.loads(line)))
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise UsageError(f"history {path}, line {number}: not what History.save writes: {error!r}") from error
        return history


def _written(record: Record) -> dict[str, Any]:
    if isinstance(record, Event):
        return {
            "event": record.type,
            "kind": record.kind,
            "rv": record.rv,
            "at": record.at,
            "object": record.object,
        }
    return {
        "mark": record.what.value,
        "kind": record.kind,
        "rv": record.rv,
        "at": record.at,
        "note": record.note,
        "since": record.since,
    }


def _read(line: dict[str, Any]) -> Record:
    if "event" in line:
        return Event(line["kind"], line["event"], line["object"], line["rv"], line["at"])
    return Mark(What(line["mark"]), line["kind"], line["rv"], line["at"], line["note"], line["since"])
