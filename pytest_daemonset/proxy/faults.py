"""What can go wrong on the way, one class for each way; all of it in the proxy's loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_daemonset.proxy.asked import Asked
    from pytest_daemonset.proxy.watches import Watch


class Fault:
    """Lets everything pass; each kind of fault does one thing otherwise.

    Args:
        resource: the plural of what it is about, such as ``pods``.

    Attributes:
        effects: how often it has done something. A fault without any has proven nothing.
        over: set once it has ended.
    """

    what = "does nothing to"

    def __init__(self, resource: str) -> None:
        self.resource = resource
        self.effects = 0
        self.over = asyncio.Event()

    def __str__(self) -> str:
        return f"the fault that {self.what} {self.resource}"

    def begin(self, watches: Iterable[Watch]) -> None:
        """It is asked for.

        Args:
            watches: those that are open.
        """

    def refuses(self, asked: Asked) -> bool:  # noqa: ARG002
        """Whether a watch is answered that its version is forgotten (410), in the place of the API."""
        return False

    def breaks(self, asked: Asked, status: int | None) -> bool:  # noqa: ARG002
        """Whether the connection breaks.

        Args:
            asked: the request.
            status: the API's answer, which then never arrives; None before the request has gone there, which then never does.
        """
        return False

    def holds(self, asked: Asked) -> bool:  # noqa: ARG002
        """Whether an event of a watch has to wait until it is over."""
        return False

    def swallows(self, asked: Asked, event: bytes) -> bool:  # noqa: ARG002
        """Whether an event of a watch is lost."""
        return False


class Hold(Fault):
    """Watches deliver nothing until it ends, and then all, in order; lists and single reads are answered as ever.

    What a watch tells in the place of a list (sendInitialEvents) is answered so too, as far as its end can be seen.
    """

    what = "holds the events of"

    def begin(self, watches: Iterable[Watch]) -> None:
        """See `Fault`."""
        self.effects += sum(watch.asked.resource == self.resource for watch in watches)

    def holds(self, asked: Asked) -> bool:
        """See `Fault`."""
        held = asked.resource == self.resource
        self.effects += held
        return held


class Cut(Fault):
    """The open watches end at once with all that is held of them, and none can be resumed: their clients have to list again."""

    what = "cuts the watches of"

    def __init__(self, resource: str) -> None:
        super().__init__(resource)
        self._to_list: set[str] = set()

    def begin(self, watches: Iterable[Watch]) -> None:
        """See `Fault`."""
        for watch in watches:
            if watch.asked.resource == self.resource:
                self._to_list.add(watch.asked.path)
                self.effects += 1
                watch.cut()

    def refuses(self, asked: Asked) -> bool:
        """See `Fault`."""
        if asked.path not in self._to_list or asked.verb not in ("list", "watch"):
            return False
        if asked.verb == "watch" and asked.version not in ("", "0") and not asked.initial:
            return True
        self._to_list.discard(asked.path)
        return False


class LostAnswers(Fault):
    """Requests are done by the API, and break before the answer arrives.

    Args:
        verb: which, such as ``create``.
        resource: what they are about.
        count: how many that the API has granted.
    """

    what = "loses the answers to writes of"

    def __init__(self, verb: str, resource: str, count: int = 1) -> None:
        super().__init__(resource)
        self.verb = verb
        self.left = count

    def breaks(self, asked: Asked, status: int | None) -> bool:
        """See `Fault`."""
        if not self.left or (asked.verb, asked.resource) != (self.verb, self.resource) or not self._is_meant(status):
            return False
        self.left -= 1
        self.effects += 1
        return True

    def _is_meant(self, status: int | None) -> bool:
        return status is not None and status < 300


class LostRequests(LostAnswers):
    """Requests break before they come to the API; to their sender it looks the same."""

    what = "loses the writes of"

    def _is_meant(self, status: int | None) -> bool:
        return status is None


class LostEvents(Fault):
    """Events about one object never arrive.

    Args:
        resource: what it is.
        name: its name; events with these bytes anywhere are taken for events about it.
    """

    what = "loses events of"

    def __init__(self, resource: str, name: str) -> None:
        super().__init__(resource)
        self._name = name.encode()

    def swallows(self, asked: Asked, event: bytes) -> bool:
        """See `Fault`."""
        lost = asked.resource == self.resource and self._name in event
        self.effects += lost
        return lost
