"""The order of admission: what changes an object, twice where it is asked for, and then what judges it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from pytest_daemonset.embedded.admission import policies
from pytest_daemonset.embedded.admission.policies import Policy
from pytest_daemonset.embedded.admission.request import Request
from pytest_daemonset.embedded.kinds.admission import GROUP, KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_daemonset.embedded.calls import Answer, Call, Served
    from pytest_daemonset.embedded.store import Change

Object = dict[str, Any]

_MUTATING, _VALIDATING = "mutatingadmissionpolicies", "validatingadmissionpolicies"


class Admission:
    """What is configured by objects of admissionregistration.k8s.io. Nobody pays for it while there are none: ask `active` first.

    Args:
        served: all kinds, by resource.
    """

    def __init__(self, served: Mapping[str, Served]) -> None:
        self._served = served
        self._tables = [served[name].table for kind in KINDS if (name := f"{kind.plural}.{GROUP}") in served]
        for table in self._tables:
            table.watchers.add(self._changed)
        self.active = False
        self._known: dict[str, list[Policy]] = {}

    def _changed(self, _: Change) -> None:
        self.active = any(table.entries for table in self._tables)
        self._known.clear()

    def _policies(self, plural: str) -> list[Policy]:
        """The policies that are bound, in the order of their names, once for each binding."""
        if plural not in self._known:
            found = {name: entry.object for (_, name), entry in self._entries(plural)}
            bindings = [
                entry.object for _, entry in sorted(self._entries(plural.replace("policies", "policybindings")))
            ]
            bound = [(each["spec"].get("policyName", ""), each) for each in bindings]
            self._known[plural] = sorted(
                (Policy(found[name], binding) for name, binding in bound if name in found), key=lambda each: each.name
            )
        return self._known[plural]

    def _entries(self, plural: str) -> Any:
        return self._served[f"{plural}.{GROUP}"].table.entries.items()

    def mutate(
        self,
        call: Call,
        answer: Answer,  # noqa: ARG002 - webhooks warn
        operation: str,
        obj: Object,
        old: Object | None,
        redo: Callable[[Object], None],
    ) -> None:
        """Change a new or changed object, in place.

        Args:
            redo: brings a changed object into the form in which objects are kept.

        Raises:
            StatusError: a policy failed, and is to refuse then.
        """
        request = Request(call, operation, obj, old, self._served)
        if request.exempt:
            return
        after: list[tuple[Policy, bytes]] = []
        for policy in self._policies(_MUTATING):
            if policy.means(request):
                _apply(policy, request, obj, redo)
                after.append((policy, orjson.dumps(obj)))
        for policy, left in after:
            if policy.reinvoked and orjson.dumps(obj) != left:
                _apply(policy, request, obj, redo)

    def validate(self, call: Call, answer: Answer, operation: str, obj: Object | None, old: Object | None) -> None:
        """Judge a write.

        Raises:
            StatusError: it is refused.
        """
        request = Request(call, operation, obj, old, self._served)
        if request.exempt:
            return
        refused = [
            found
            for policy in self._policies(_VALIDATING)
            if policy.means(request) and (found := policies.judge(policy, request, answer)) is not None
        ]
        if refused:
            raise refused[0]


def _apply(policy: Policy, request: Request, obj: Object, redo: Callable[[Object], None]) -> None:
    changed = policies.change(policy, request)
    if changed is not obj:
        redo(changed)
        obj.clear()
        obj.update(changed)
