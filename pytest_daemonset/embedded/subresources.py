"""Writes to parts of an object that have a URL of their own: binding and eviction of pods, the finalizers of a namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from pytest_daemonset.embedded import bodies, deletion, disruption, options, statuses
from pytest_daemonset.embedded.admission import CREATE

if TYPE_CHECKING:
    from pytest_daemonset.embedded.calls import Answer, Call
    from pytest_daemonset.embedded.kinds.fielderrors import FieldError
    from pytest_daemonset.embedded.writes import Writes

Object = dict[str, Any]


def create(writes: Writes, call: Call, answer: Answer) -> None:
    """POST to a subresource.

    Raises:
        StatusError: 501 for one that is not imitated; 404 and 409 as kube-apiserver.
    """
    if call.subresource == "token":
        entry = answer.entry = writes.find(call)
        writes.tokens.request(call, answer, entry)
        return
    act = {"binding": _bind, "eviction": _evict}.get(call.subresource)
    if act is None or call.kind.kind != "Pod":
        raise statuses.not_imitated(f"{call.kind.plural}/{call.subresource}")
    body, answer.request = bodies.parse(call.body, call.content_type, call.subresource.capitalize())
    if (said := body.get("kind") or call.subresource.capitalize()) != call.subresource.capitalize():
        text = f'{said} in version "v1" cannot be handled as a {call.subresource.capitalize()}: unknown conversion'
        raise statuses.bad_request(text)
    metadata = bodies.part(body, "metadata", dict) or {}
    if metadata.get("name") != call.name:
        raise statuses.bad_request(f"name in URL does not match name in {call.subresource.capitalize()} object")
    entry = writes.find(call)
    answer.entry = entry
    uid = metadata.get("uid")
    actual = entry.uid
    if uid and uid != actual:
        why = f"the UID in the precondition ({uid}) does not match the UID in record ({actual})"
        raise statuses.conflict("", f"pods/{call.subresource}", call.name, why)
    if writes.admission.active:
        body.setdefault("metadata", {}).setdefault("namespace", call.namespace)
        writes.admission.mutate(call, answer, CREATE, body, None, lambda _: None)
        writes.admission.validate(call, answer, CREATE, body, None)
    act(writes, call, answer, body)
    answer.code = 201
    answer.body = orjson.dumps(statuses.success(code=201))


def prepare_update(call: Call, obj: Object, old: Object) -> list[FieldError]:
    """PUT or PATCH to a subresource that is not `status`: everything but its part stays as it was."""
    if call.kind.kind != "Namespace" or call.subresource != "finalize":
        raise statuses.not_imitated(f"{call.kind.plural}/{call.subresource}")
    finalizers = (obj.get("spec") or {}).get("finalizers")
    for key in [key for key in obj if key not in old]:
        del obj[key]
    obj.update(old)
    obj["spec"] = {**(old.get("spec") or {})}
    obj["spec"].pop("finalizers", None)
    if finalizers:
        obj["spec"]["finalizers"] = finalizers
    obj["metadata"] = dict(old["metadata"])
    return []


def _set_condition(writes: Writes, pod: Object, kind: str, **more: str) -> None:
    status = pod.setdefault("status", {})
    now = writes.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": now, **more}
    conditions = status.get("conditions") or []
    for at, old in enumerate(conditions):
        if old.get("type") == kind:
            if old.get("status") == "True":
                condition["lastTransitionTime"] = old.get("lastTransitionTime", now)
            conditions[at] = condition
            break
    else:
        conditions = [*conditions, condition]
    status["conditions"] = conditions


def _bind(writes: Writes, call: Call, answer: Answer, body: Object) -> None:
    """kubernetes/pkg/registry/core/pod/storage: assignPod."""
    dry_run = options.is_dry_run(call)
    pod = writes.find(call).object
    target = bodies.part(body, "target", dict) or {}
    node, kind = bodies.part(target, "name", str) or "", bodies.part(target, "kind", str) or ""
    if kind not in {"", "Node"}:
        wrong = f'target.kind: Unsupported value: "{kind}": supported values: "Node", "<empty>"'
        raise statuses.StatusError(500, "", wrong)
    if not node:
        raise statuses.StatusError(500, "", "target.name: Required value")
    if "deletionTimestamp" in pod["metadata"]:
        raise statuses.conflict(
            "", "pods/binding", call.name, f"pod {call.name} is being deleted, cannot be assigned to a host"
        )
    if there := pod["spec"].get("nodeName"):
        raise statuses.conflict("", "pods/binding", call.name, f'pod {call.name} is already assigned to node "{there}"')
    if pod["spec"].get("schedulingGates"):
        raise statuses.conflict("", "pods/binding", call.name, f"pod {call.name} has non-empty .spec.schedulingGates")
    pod["spec"]["nodeName"] = node
    _set_condition(writes, pod, "PodScheduled")
    metadata = bodies.part(body, "metadata", dict) or {}
    for name in ("annotations", "labels"):
        if given := bodies.part(metadata, name, dict):
            pod["metadata"].setdefault(name, {}).update({key: str(value) for key, value in given.items()})
    if not dry_run:
        writes.kept(call, answer, pod)


def _evict(writes: Writes, call: Call, answer: Answer, body: Object) -> None:
    """kubernetes/pkg/registry/core/pod/storage/eviction.go."""
    wanted = options.checked_delete_options(dict(bodies.part(body, "deleteOptions", dict) or {}))
    wanted["dryRun"] = wanted["dryRun"] or options.is_dry_run(call)
    pod = writes.find(call).object
    disruption.check(pod, call.served, writes.served.get(disruption.BUDGETS))
    if not wanted["dryRun"] and pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}:
        _set_condition(
            writes, pod, "DisruptionTarget", reason="EvictionByEvictionAPI", message="Eviction API: evicting"
        )
        writes.kept(call, answer, pod)
    deletion.delete(writes, call, answer, writes.find(call), wanted)
