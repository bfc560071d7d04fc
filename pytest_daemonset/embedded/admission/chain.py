"""The order of admission: what changes an object, twice where it is asked for, and then what judges it."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import orjson

from pytest_daemonset.embedded import statuses
from pytest_daemonset.embedded.admission import policies
from pytest_daemonset.embedded.admission.conversation import Consultation, failure
from pytest_daemonset.embedded.admission.policies import Policy
from pytest_daemonset.embedded.admission.request import Request
from pytest_daemonset.embedded.admission.webhooks import Hook
from pytest_daemonset.embedded.kinds import admission, webhooks
from pytest_daemonset.embedded.kinds.admission import GROUP
from pytest_daemonset.embedded.kinds.fielderrors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pytest_daemonset.embedded.admission.conversation import Conversation, Failed, Question, Said
    from pytest_daemonset.embedded.calls import Answer, Call, Served
    from pytest_daemonset.embedded.store import Change, Table

Object = dict[str, Any]

_MUTATING, _VALIDATING = "mutatingadmissionpolicies", "validatingadmissionpolicies"
_CHANGING, _JUDGING = webhooks.MUTATING_WEBHOOK_CONFIGURATION.plural, webhooks.VALIDATING_WEBHOOK_CONFIGURATION.plural


class Admission:
    """What is configured by objects of admissionregistration.k8s.io. Nobody pays for it while there are none: ask `active` first.

    Args:
        served: all kinds, by resource.
    """

    def __init__(self, served: Mapping[str, Served]) -> None:
        self._served = served
        self._policies_in = self._tables(admission.KINDS)
        self._hooks_in = self._tables(webhooks.KINDS)
        for table in (*self._policies_in, *self._hooks_in):
            table.watchers.add(self._changed)
        self.active = False
        self.consults = False
        """Whether there are webhooks, so that a write may have to be begun anew with their answers."""
        self.conversation: Conversation | None = None
        """That of the write that is being done."""
        self._known: dict[str, list[Policy]] = {}
        self._hooks: dict[str, list[Hook]] = {}

    def _tables(self, kinds: Iterable[Any]) -> list[Table]:
        return [self._served[name].table for kind in kinds if (name := f"{kind.plural}.{GROUP}") in self._served]

    def _changed(self, _: Change) -> None:
        self.consults = any(table.entries for table in self._hooks_in)
        self.active = self.consults or any(table.entries for table in self._policies_in)
        self._known.clear()
        self._hooks.clear()

    def once(self, metadata: Object, *names: str) -> None:
        """See `Conversation.once`."""
        if self.conversation is not None:
            self.conversation.once(metadata, *names)

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

    def _webhooks(self, plural: str) -> list[Hook]:
        """The webhooks of a kind of configuration, in the order in which they are asked."""
        if not self.consults:
            return []
        if plural not in self._hooks:
            counted = count()
            self._hooks[plural] = [
                Hook(name, hook, next(counted), f"{entry.uid}/{entry.rv}", plural == _CHANGING)
                for (_, name), entry in sorted(self._entries(plural))
                for hook in entry.object.get("webhooks") or ()
            ]
        return self._hooks[plural]

    def mutate(
        self,
        call: Call,
        answer: Answer,
        operation: str,
        obj: Object | None,
        old: Object | None,
        redo: Callable[[Object], None],
        options: Object | None = None,
    ) -> None:
        """Change a new or changed object, in place; of a deletion, ask those who could.

        Args:
            redo: brings a changed object into the form in which objects are kept.
            options: of a deletion.

        Raises:
            StatusError: it is refused, or what should change it failed.
            Consultation: webhooks have to be asked first.
        """
        request = Request(call, operation, obj, old, self._served, options)
        if request.exempt:
            return
        after: list[tuple[Policy, bytes]] = []
        if obj is not None:
            for policy in self._policies(_MUTATING):
                if policy.means(request):
                    _apply(policies.change(policy, request), obj, redo)
                    after.append((policy, orjson.dumps(obj)))
        hooks = self._webhooks(_CHANGING)
        again, seen = self._ask_in_turn(hooks, request, answer, redo, 0)
        if obj is None:
            return
        before = orjson.dumps(obj)
        for policy, known in after:
            if policy.reinvoked and orjson.dumps(obj) != known:
                _apply(policies.change(policy, request), obj, redo)
        if orjson.dumps(obj) != before:
            again |= seen
        self._ask_in_turn([hook for hook in hooks if hook.index in again], request, answer, redo, 1)

    def _ask_in_turn(
        self, hooks: Iterable[Hook], request: Request, answer: Answer, redo: Callable[[Object], None], round_: int
    ) -> tuple[set[int], set[int]]:
        """Let webhooks change the object, one after the other.

        Returns:
            Who wants to look again and has seen the object before another one changed it, and who has seen it as it is.
        """
        again: set[int] = set()
        seen: set[int] = set()
        for hook in hooks:
            question = hook.asked(request, round_)
            if question is None:
                continue
            (said,) = self._answers([question])
            response = hook.heard(said, answer, round_)
            changed, operations = False, None
            if response is not None and (patched := hook.patched(response, request)):
                new, operations = patched
                assert request.object is not None  # noqa: S101 - `patched` has looked
                before = orjson.dumps(request.object)
                _apply(new, request.object, redo)
                changed = orjson.dumps(request.object) != before
            if response is not None:
                hook.note(answer, round_, operations, changed=changed)
            if changed:
                again |= seen
                seen = set()
            if hook.reinvoked:
                seen.add(hook.index)
        return again, seen

    def validate(
        self,
        call: Call,
        answer: Answer,
        operation: str,
        obj: Object | None,
        old: Object | None,
        options: Object | None = None,
    ) -> None:
        """Judge a write. All webhooks are asked at once.

        Args:
            options: of a deletion.

        Raises:
            StatusError: it is refused.
            Consultation: webhooks have to be asked first.
        """
        request = Request(call, operation, obj, old, self._served, options)
        if request.exempt:
            return
        refused = [
            found
            for policy in self._policies(_VALIDATING)
            if policy.means(request) and (found := policies.judge(policy, request, answer)) is not None
        ]
        if refused:
            raise refused[0]
        asked = [(hook, hook.asked(request, 0)) for hook in self._webhooks(_JUDGING)]
        meant = [(hook, question) for hook, question in asked if question is not None]
        answers = self._answers([question for _, question in meant])
        refusals = []
        for (hook, _), said in zip(meant, answers, strict=True):
            try:
                hook.heard(said, answer, 0)
            except statuses.StatusError as refusal:
                refusals.append(refusal)
        if refusals:
            raise refusals[0]

    def _answers(self, questions: list[Question]) -> list[Said | Failed]:
        known = {} if self.conversation is None else self.conversation.answers
        if missing := [each for each in questions if each.key not in known]:
            raise Consultation(missing)
        return [known[each.key] for each in questions]


def _apply(changed: Object, obj: Object, redo: Callable[[Object], None]) -> None:
    if changed is obj:
        return
    try:
        redo(changed)
    except DecodeError as error:
        raise failure(str(error)) from None
    obj.clear()
    obj.update(changed)
