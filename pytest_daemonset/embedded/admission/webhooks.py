"""Webhooks: about what they are asked, what they are told, what their answers mean (kubernetes/apiserver, admission/plugin/webhook)."""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson

from pytest_daemonset.embedded import patches, statuses
from pytest_daemonset.embedded.admission import conditions
from pytest_daemonset.embedded.admission.conversation import Failed, Question, failure
from pytest_daemonset.embedded.kinds.admission import OF_WEBHOOKS
from pytest_daemonset.embedded.kinds.webhooks import REVIEWS

if TYPE_CHECKING:
    from pytest_daemonset.embedded.admission.conversation import Said
    from pytest_daemonset.embedded.admission.request import Request
    from pytest_daemonset.embedded.calls import Answer, Served

Object = dict[str, Any]

_FAILED_OPEN = "failed-open.{}.webhook.admission.k8s.io/round_{}_index_{}"
_ROUND = "{}.webhook.admission.k8s.io/round_{}_index_{}"


@dataclass(frozen=True)
class Hook:
    """One webhook of a configuration.

    Args:
        configuration: its name.
        object: the webhook as it is configured.
        index: among all webhooks that change, or all that judge.
        version: of its configuration.
    """

    configuration: str
    object: Object
    index: int
    version: str
    mutating: bool

    @property
    def name(self) -> str:
        """As refusals tell it."""
        return str(self.object["name"])

    @property
    def ignored(self) -> bool:
        """Whether a write goes on where the webhook cannot be asked."""
        return bool(self.object["failurePolicy"] == "Ignore")

    @property
    def reinvoked(self) -> bool:
        """Whether it wants to look again at what others have changed."""
        return self.object.get("reinvocationPolicy") == "IfNeeded"

    @cached_property
    def _url(self) -> str:
        return f"{self.object['clientConfig']['url']}?timeout={self.object['timeoutSeconds']}s"

    @cached_property
    def _authorities(self) -> str:
        return b64decode(self.object["clientConfig"].get("caBundle") or "").decode(errors="replace")

    def asked(self, request: Request, round_: int) -> Question | None:
        """What it is to be asked about a write; None if it does not mean it.

        Raises:
            StatusError: 403, a condition has no value; 400, it cannot be asked about a dry run.
        """
        form = self._form(request)
        if form is None:
            return None
        told = request.told(form)
        seen, old = request.shown(request.object, form), request.shown(request.old, form)
        if not self._conditions_hold(request, {"request": told, "object": seen, "oldObject": old}):
            return None
        if told["dryRun"] and self.object["sideEffects"] not in {"None", "NoneOnDryRun"}:
            raise statuses.bad_request(f'admission webhook "{self.name}" does not support dry run')
        told = {**told, "object": seen, "oldObject": old}
        return Question(
            key=(f"{self.configuration}/{self.name}/{self.version}", round_, orjson.dumps(told)),
            webhook=self.name,
            url=self._url,
            authorities=self._authorities,
            timeout=self.object["timeoutSeconds"],
            version=next(each for each in self.object["admissionReviewVersions"] if each in REVIEWS),
            request=told,
            mutating=self.mutating,
        )

    def _form(self, request: Request) -> Served | None:
        return request.form(self.object, self.object.get("rules") or ())

    def _conditions_hold(self, request: Request, scope: Object) -> bool:
        held, failed = conditions.judge(self.object, OF_WEBHOOKS, scope)
        if not held or not failed:
            return held
        if self.ignored:
            return False
        condition, error = failed[0]
        kind, why = request.call.kind, f"expression '{condition['expression']}' resulted in error: {error}"
        raise statuses.forbidden(kind.group, kind.plural, request.name, why)

    def heard(self, said: Said | Failed, answer: Answer, round_: int) -> Object | None:
        """What an answer means: an AdmissionResponse that allows; None if the webhook could not be asked, and need not be.

        Raises:
            StatusError: it refuses, or failed; what it warns of and notes is in `answer` all the same.
        """
        if isinstance(said, Failed):
            if not self.ignored:
                raise failure(f'failed calling webhook "{self.name}": {said.why}')
            which = "mutating" if self.mutating else "validating"
            answer.annotations[_FAILED_OPEN.format(which, round_, self.index)] = self.name
            return None
        response = said.response
        for key, value in (response.get("auditAnnotations") or {}).items():
            answer.annotations.setdefault(f"{self.name}/{key}", value)
        # a header holds one line: kube-apiserver leaves out what has several
        answer.warnings += [text for text in response.get("warnings") or () if text.isprintable()]
        if not response["allowed"]:
            raise _refusal(self.name, response.get("status") or {})
        return response

    def patched(self, response: Object, request: Request) -> tuple[Object, list[Any]] | None:
        """The object as an answer changes it, and by what; None if it does not.

        Raises:
            StatusError: 500, the patch cannot be read or applied.
        """
        if not response.get("patch"):
            return None
        try:
            operations = orjson.loads(b64decode(response["patch"], validate=True))
        except (orjson.JSONDecodeError, binascii.Error) as error:
            why = f'failed calling webhook "{self.name}": received undecodable patch in webhook response: {error}'
            raise failure(why) from None
        if operations == []:
            return None
        if (how := response.get("patchType") or "JSONPatch") != "JSONPatch":
            raise failure(f'failed calling webhook "{self.name}": unsupported patch type "{how}"')
        if request.object is None:
            why = f'admission webhook "{self.name}" attempted to modify the object, which is not supported for this operation'
            raise failure(why)
        form = self._form(request)
        assert form is not None  # noqa: S101 - it was asked
        whole = orjson.loads(orjson.dumps(request.shown(request.object, form)))
        try:
            changed = patches.apply(whole, orjson.dumps(operations), patches.JSON, {})
        except statuses.StatusError as error:
            raise failure(str(error.__cause__ or error)) from None
        return request.taken(changed, form), operations

    def note(self, answer: Answer, round_: int, operations: list[Any] | None, *, changed: bool) -> None:
        """Tell the audit log what it did to the object."""
        told: Object = {"configuration": self.configuration, "webhook": self.name}
        mutated = orjson.dumps({**told, "mutated": changed}).decode()
        answer.annotations[_ROUND.format("mutation", round_, self.index)] = mutated
        if operations is not None:
            patch = orjson.dumps({**told, "patch": operations, "patchType": "JSONPatch"}).decode()
            answer.annotations[_ROUND.format("patch", round_, self.index)] = patch


def _refusal(name: str, status: Object) -> statuses.StatusError:
    """How a refusal is answered: with the webhook's own Status, as far as that is one of failure."""
    code = max(status.get("code") or 0, 400)
    why = status.get("message") or status.get("reason")
    said = f": {why}" if why else " without explanation"
    text = f'admission webhook "{name}" denied the request{said}'
    return statuses.StatusError(code, status.get("reason") or "", text, status.get("details"))
