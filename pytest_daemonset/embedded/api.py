"""The server without a network: what HTTP requests and the loops inside the server call alike.

Everything is synchronous: a call is done, audited and told to the watchers when it returns. Dicts that are handed out and dicts that
are handed in belong to the caller; each `object` of a Change is decoded anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from datetime import datetime, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from pytest_daemonset.embedded import logs, statuses
from pytest_daemonset.embedded.admission import Consultation, Conversation, Webhooks
from pytest_daemonset.embedded.calls import Answer, Call, Caller, Served
from pytest_daemonset.embedded.kinds import MIRRORED
from pytest_daemonset.embedded.lists import Selector, parse_labels
from pytest_daemonset.embedded.mirrors import Mirror
from pytest_daemonset.embedded.store import Change, Entry, Store, Table
from pytest_daemonset.embedded.writes import Writes

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping
    from types import TracebackType

    from typing_extensions import Self

    Wanted = Callable[[str, Change], bool]

    from pytest_daemonset.embedded.audit import AuditLog
    from pytest_daemonset.embedded.kinds.kind import Kind
    from pytest_daemonset.embedded.tokens import Tokens
    from pytest_daemonset.embedded.writes import Guard

Object = dict[str, Any]
Patch = dict[str, Any] | list[Any]

_INTERNAL = statuses.StatusError(500, "InternalError", "Internal error occurred", {})
_NOT_DONE = 0  # no status code: the write is begun anew
_LONGEST_REQUEST = 60.0  # seconds, as kube-apiserver
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 30.0
T = TypeVar("T")
_NO_FIELDS: Mapping[str, str] = MappingProxyType({})


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _every(_resource: str, _change: Change) -> bool:
    return True


class Subscription:
    """The changes of some resources from the moment of subscribing on, in order; `async for`, until closed.

    Nothing is lost and nothing is awaited between `subscribe` and a `list` after it, so subscribing first leaves no gap.

    Args:
        tables: the resources by name.
        only: which changes to hear of, asked in the turn of the write: a loop that is not woken up costs nothing.
    """

    def __init__(self, tables: Mapping[str, Table], only: Wanted = _every) -> None:
        self._only = only
        self._tables: dict[str, Table] = {}
        self._pending: deque[tuple[str, Change]] = deque()
        self._ready = asyncio.Event()
        self._closed = False
        self.on_close: Callable[[], None] | None = None
        self._watchers: dict[str, Callable[[Change], None]] = {}
        for name, table in tables.items():
            self.add(name, table)

    def add(self, name: str, table: Table) -> None:
        """Hear of one more resource."""
        self._tables[name] = table
        self._watchers[name] = self._watcher(name)
        table.watchers.add(self._watchers[name])

    def drop(self, name: str) -> None:
        """Hear no more of a resource, but for what is waiting to be read."""
        if name in self._tables:
            self._tables.pop(name).watchers.discard(self._watchers.pop(name))

    def _watcher(self, name: str) -> Callable[[Change], None]:
        def take(change: Change) -> None:
            if not self._only(name, change):
                return
            self._pending.append((name, change))
            self._ready.set()

        return take

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> tuple[str, Change]:
        """The next change and the name of its resource."""
        while not self._pending:
            if self._closed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        return self._pending.popleft()

    def waiting(self) -> list[tuple[str, Change]]:
        """What can be read without waiting; it is taken."""
        taken = list(self._pending)
        self._pending.clear()
        return taken

    def close(self) -> None:
        """Stop listening; what was not read yet is dropped."""
        self._closed = True
        self._pending.clear()
        self._ready.set()
        for name in tuple(self._tables):
            self.drop(name)
        if self.on_close is not None:
            self.on_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Api:
    """All that can be asked of the server. Resources are named as in `kubectl`: `pods`, `daemonsets.apps`, `leases.coordination.k8s.io`.

    Args:
        kinds: what is served.
        audit: where writes are logged; None for nowhere.
        ring: how many events of each kind a watch can resume over.
        now: the clock, for tests.
    """

    def __init__(
        self, kinds: Iterable[Kind], audit: AuditLog | None = None, ring: int = 8192, now: Callable[[], datetime] = _now
    ) -> None:
        self.store = Store()
        self.audit = audit
        self._clock = now
        self.served: dict[str, Served] = {}
        self.on_served: list[Callable[[], None]] = []
        self.on_withdrawn: list[Callable[[str], None]] = []
        self._ring = ring
        self._open_ended: set[Subscription] = set()
        self._kinds: dict[tuple[str, str], Served] = {}
        for kind in kinds:
            self.serve(kind)
        for name, kind, forth, back in MIRRORED:
            if name in self.served:
                self.mirror(Mirror(self.served[name], kind, forth, back))
        self._writes = Writes(self.store, self.served, self.now)
        self._webhooks = Webhooks()
        self._insisting: dict[Hashable, asyncio.Task[None]] = {}

    def now(self) -> datetime:
        """The time: while a write is begun anew, that at which it was begun first, so that webhooks find again what they have judged."""
        conversation = self._writes.admission.conversation
        return self._clock() if conversation is None else conversation.began

    # what is served

    def serve(self, kind: Kind) -> Served:
        """Serve one more kind, from now on."""
        table = Table(kind.api_version, kind.kind, self._ring)
        table.compacted = self.store.rv
        served = self._kinds[kind.group, kind.kind] = self._add(Served(kind, table))
        for subscription in self._open_ended:
            subscription.add(served.name, table)
        return served

    def mirror(self, mirror: Mirror) -> Served:
        """Serve a kind in one more version."""
        return self._add(Served(mirror.kind, mirror.table, mirror))

    def _add(self, served: Served) -> Served:
        self.store.add_table(served.name, served.table)
        self.served[served.name] = served
        for told in self.on_served:
            told()
        return served

    def redefine(self, name: str, kind: Kind) -> Served:
        """Serve a resource by other rules from now on; its objects and watches stay."""
        table = self.served[name].table
        table.rename(kind.api_version, kind.kind)
        for entry in tuple(table):
            obj = entry.object
            kind.decode(obj)
            kind.default(obj)
            if obj != entry.object:
                # what is kept is read by the rules of today: nothing was written, and nobody is told
                table.put(Entry(table, obj, entry.rv, entry.labels, kind.field_labels(obj)))
        served = self._kinds[kind.group, kind.kind] = self._add(Served(kind, table))
        return served

    def withdraw(self, name: str) -> None:
        """Serve a resource no more; its watches end."""
        gone = self.served.pop(name)
        self.store.drop_table(name)
        if gone.mirror is None:
            del self._kinds[gone.kind.group, gone.kind.kind]
        else:
            gone.mirror.close()
        for subscription in self._open_ended:
            subscription.drop(name)
        for ended in self.on_withdrawn:
            ended(name)
        for told in self.on_served:
            told()

    @property
    def kept(self) -> list[Served]:
        """What is kept: all that is served, but each kind in one version only."""
        return [served for served in self.served.values() if served.mirror is None]

    def find(self, group: str, kind: str) -> Served | None:
        """The kept resource of a kind, in whatever version."""
        return self._kinds.get((group, kind))

    def guard(self, group: str, guard: Guard) -> None:
        """Let somebody look at each object of an API group before it is kept, and refuse it."""
        self._writes.guards[group] = guard

    @property
    def tokens(self) -> Tokens:
        """The tokens of service accounts."""
        return self._writes.tokens

    # reading

    def get(self, resource: str, namespace: str, name: str) -> Object | None:
        """The object, or None. `namespace` is "" for cluster-wide kinds."""
        entry = self.served[resource].table.entries.get((namespace, name))
        return None if entry is None else entry.object

    def list(
        self, resource: str, namespace: str = "", labels: str = "", fields: Mapping[str, str] = _NO_FIELDS
    ) -> list[Object]:
        """The objects of a namespace ("" for all), by label selector and by field labels that they must have. In order."""
        chosen = Selector(namespace, parse_labels(labels), fields)
        return [entry.object for entry in chosen.find(self.served[resource].table)]

    def subscribe(self, *resources: str, only: Wanted = _every) -> Subscription:
        """Hear of changes of these resources until the subscription is closed.

        If none is named: of all that are kept, also of those that are served only later.

        Args:
            only: which changes.
        """
        if resources:
            return Subscription({name: self.served[name].table for name in resources}, only)
        subscription = Subscription({each.name: each.table for each in self.kept}, only)
        self._open_ended.add(subscription)
        subscription.on_close = lambda: self._open_ended.discard(subscription)
        return subscription

    # writing, for the loops: as HTTP requests would, audit line included

    def create(
        self, caller: Caller, resource: str, namespace: str, obj: Object, name: str = "", subresource: str = ""
    ) -> Object:
        """POST. With `name` and `subresource`: to a subresource (`binding`, `eviction`).

        Returns:
            The object as stored; the Status for a subresource that answers one.

        Raises:
            StatusError: the request was refused; `.code` and `.reason` tell why.
        """
        return self._said(self._call(caller, "create", resource, namespace, name, subresource, obj))

    def update(
        self, caller: Caller, resource: str, namespace: str, name: str, obj: Object, subresource: str = ""
    ) -> Object:
        """PUT, to the object or to a subresource of it (`status`, `finalize`).

        Raises:
            StatusError: see `create`; 409 if the resourceVersion in the object is not the newest.
        """
        return self._said(self._call(caller, "update", resource, namespace, name, subresource, obj))

    def patch(
        self,
        caller: Caller,
        resource: str,
        namespace: str,
        name: str,
        patch: Patch,
        content_type: str = "application/merge-patch+json",
        subresource: str = "",
    ) -> Object:
        """PATCH, by default an RFC 7386 merge patch.

        Raises:
            StatusError: see `create`.
        """
        return self._said(self._call(caller, "patch", resource, namespace, name, subresource, patch, content_type))

    def delete(self, caller: Caller, resource: str, namespace: str, name: str, options: Object | None = None) -> Object:
        """DELETE; `options` is a DeleteOptions (preconditions, propagationPolicy, gracePeriodSeconds).

        Raises:
            StatusError: see `create`; 404 if it is gone already, 409 if a precondition does not hold.
        """
        return self._said(self._call(caller, "delete", resource, namespace, name, "", options))

    def _call(
        self,
        caller: Caller,
        verb: str,
        resource: str,
        namespace: str,
        name: str,
        subresource: str,
        body: Patch | None,
        content_type: str = "application/json",
    ) -> Call:
        data = b"" if body is None else orjson.dumps(body)
        return Call(caller, verb, self.served[resource], namespace, name, subresource, data, content_type)

    def _said(self, call: Call) -> Object:
        said: Object = orjson.loads(self.write(call).body)
        return said

    def write(self, call: Call) -> Answer:
        """The one path of every write: do it, log it, tell the watchers, answer.

        Raises:
            StatusError: it was refused (and logged).
            Consultation: webhooks have to be asked first; nothing was done. See `consulting`.
        """
        if call.served.mirror is not None:
            call.served.mirror.activate()
        answer = Answer()
        code, status = 500, _INTERNAL.status
        try:
            self._writes.perform(call, answer)
            code, status = answer.code, {}
        except statuses.StatusError as refused:
            code, status = refused.code, refused.status
            refused.warnings = answer.warnings
            raise
        except Consultation:
            code = _NOT_DONE
            raise
        finally:
            if code != _NOT_DONE:
                self._finish(call, answer, code, status)
        return answer

    # writing where webhooks are to be asked

    @property
    def consults(self) -> bool:
        """Whether webhooks are configured: then writes go through `consulting` or `attempt`."""
        return self._writes.admission.consults

    async def consulting(self, write: Callable[[], T]) -> T:
        """Write, and ask the webhooks that the write needs: it is begun anew with their answers until it needs no more.

        Args:
            write: does all in one turn, by `write` or the verbs.

        Raises:
            StatusError: it was refused; 504 where the webhooks' answers take a minute altogether.
        """
        conversation, admission = Conversation(self._clock()), self._writes.admission
        ends = asyncio.get_running_loop().time() + _LONGEST_REQUEST
        while True:
            admission.conversation = conversation
            try:
                return write()
            except Consultation as needed:
                questions = needed.questions
            finally:
                admission.conversation = None
            if asyncio.get_running_loop().time() > ends:
                text = "Timeout: request did not complete within requested timeout - context deadline exceeded"
                raise statuses.StatusError(504, "Timeout", text, {})
            answers = await asyncio.gather(*(self._webhooks.ask(each) for each in questions))
            conversation.answers |= zip([each.key for each in questions], answers, strict=True)

    def attempt(self, write: Callable[[], object], about: Hashable) -> None:
        """A write of a loop. One that comes too late is fine: what it was about is gone or has changed, and an event will tell.

        One that is refused otherwise, or needs webhooks, goes on beside the loop: it is tried again, ever more rarely, until it is done
        or too late. So nobody who refuses a write stops a loop.

        Args:
            write: does all in one turn; it is called again later, and so should look what is to be done.
            about: what; while one attempt goes on, another about the same is not begun.
        """
        if about in self._insisting:
            return
        refused = None
        try:
            write()
        except statuses.StatusError as error:
            if error.code in statuses.LATE:
                return
            refused = error
        except Consultation:
            pass
        else:
            return
        self._insisting[about] = asyncio.get_running_loop().create_task(self._insist(write, about, refused))

    async def _insist(self, write: Callable[[], object], about: Hashable, refused: statuses.StatusError | None) -> None:
        pause = _FIRST_PAUSE
        try:
            while True:
                if refused is not None:
                    logging.getLogger(logs.NAME).warning("tried again in %g s: %s", pause, refused.message)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
                try:
                    await self.consulting(write)
                except statuses.StatusError as error:
                    if error.code in statuses.LATE:
                        return
                    refused = error
                else:
                    return
        finally:
            del self._insisting[about]

    async def close(self) -> None:
        """Give up what loops still want to write, and hang up on webhooks."""
        insisting = [*self._insisting.values()]
        for task in insisting:
            task.cancel()
        await asyncio.gather(*insisting, return_exceptions=True)
        await self._webhooks.close()

    def _finish(self, call: Call, answer: Answer, code: int, status: Object) -> None:
        try:
            if self.audit is not None:
                self.audit.write(call, code, answer, status)
        finally:
            # what is in the store is told, whatever went wrong after it came there
            for change in answer.changes:
                self.store.publish(change.entry.table, change)
