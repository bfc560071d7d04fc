"""Pods."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from pytest_daemonset.embedded import printers
from pytest_daemonset.embedded.kinds import metadata, quantity
from pytest_daemonset.embedded.kinds.fielderrors import AdmissionError, FieldError, duplicate, forbidden, invalid
from pytest_daemonset.embedded.kinds.kind import Kind, Object
from pytest_daemonset.embedded.kinds.names import qualified_name
from pytest_daemonset.embedded.kinds.podspec import default_pod
from pytest_daemonset.embedded.kinds.podvalidation import is_address, judge, validate_spec
from pytest_daemonset.embedded.kinds.taints import NOT_READY, UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

TOLERATION_SECONDS = 300
_ENDED = ("Failed", "Succeeded")
_UPDATE_REFUSED = (
    "pod updates may not change fields other than `spec.containers[*].image`, `spec.initContainers[*].image`, "
    "`spec.activeDeadlineSeconds`, `spec.tolerations` (only additions to existing tolerations), "
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def _default(obj: Object) -> None:
    default_pod(obj["spec"])
    status = obj["status"]
    first = (status.get("podIPs") or [{"ip": ""}])[0]["ip"]
    if status.get("podIP") and status["podIP"] != first:
        status["podIPs"] = [{"ip": status["podIP"]}]
    elif first:
        status["podIP"] = first


def _admit_create(obj: Object) -> None:
    _admit_tolerations(obj)
    _admit_runtime(obj)


def _admit_tolerations(obj: Object) -> None:
    """The plug-in DefaultTolerationSeconds: a pod outlives its node's troubles for five minutes."""
    tolerations = obj["spec"].get("tolerations", [])
    missing = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_SECONDS}
        for key in (NOT_READY, UNREACHABLE)
        if not any(
            each.get("key", "") in {"", key} and each.get("effect", "") in {"", "NoExecute"} for each in tolerations
        )
    ]
    if missing:
        obj["spec"]["tolerations"] = [*tolerations, *missing]


def _admit_runtime(obj: Object) -> None:
    """The plug-in RuntimeClass: there is none, so none can be named, nor its overhead be added."""
    name = obj["spec"].get("runtimeClassName")
    if name:
        raise AdmissionError(f'pod rejected: RuntimeClass "{name}" not found')
    if obj["spec"].get("overhead"):
        raise AdmissionError("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead")


def _prepare_create(obj: Object) -> None:
    if obj["spec"].get("terminationGracePeriodSeconds", 0) < 0:
        obj["spec"]["terminationGracePeriodSeconds"] = 1
    obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj["spec"])}
    if obj["spec"].get("schedulingGates"):
        obj["status"]["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "lastProbeTime": None,
                "lastTransitionTime": None,
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }
        ]


def _admit_update(new: Object, old: Object) -> None:
    """What the plug-ins have given a pod stays with it when it is replaced by one that does not say it."""
    _admit_tolerations(new)
    for name in ("priority", "preemptionPolicy"):
        if name in old["spec"]:
            new["spec"].setdefault(name, old["spec"][name])


def _prepare_update(new: Object, old: Object) -> None:
    _admit_update(new, old)
    metadata.keep(new, old, "status")
    if new["spec"] != old["spec"]:
        metadata.bump_generation(new, old)


def _prepare_update_status(new: Object, old: Object) -> None:
    metadata.keep_spec(new, old)
    # Old kubelets sent owner references that were wrong.
    owners = old["metadata"].get("ownerReferences")
    new["metadata"].pop("ownerReferences", None)
    if owners:
        new["metadata"]["ownerReferences"] = owners
    if not new["status"].get("qosClass") and old["status"].get("qosClass"):
        new["status"]["qosClass"] = old["status"]["qosClass"]


def _rules(spec: Object, path: str) -> Iterator[FieldError]:
    """Of any pod: a template may still have white space around images, for what comes of it can be changed before it is a pod."""
    yield from validate_spec(spec, path)
    for part in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(part) or []):
            if (image := container.get("image", "")) != image.strip():
                text = "must not have leading or trailing whitespace"
                yield invalid(f"{path}.{part}[{index}].image", image, text)


def _rules_of_new(spec: Object, path: str) -> Iterator[FieldError]:
    yield from _rules(spec, path)
    if spec.get("ephemeralContainers"):
        yield forbidden(f"{path}.ephemeralContainers", "cannot be set on create")
    gates = [each["name"] for each in spec.get("schedulingGates", [])]
    for index, name in enumerate(gates):
        if name in gates[:index]:
            yield duplicate(f"{path}.schedulingGates[{index}]", name)
    for index, name in enumerate(gates):
        for wrong in qualified_name(name):
            yield invalid(f"{path}.schedulingGates[{index}]", name, wrong)


def _validate_update(new: Object, old: Object) -> list[FieldError]:
    now, was = new["spec"], old["spec"]
    errors = metadata.validate(new, namespaced=True, name_rule="subdomain")
    if now == was:
        return errors  # it was found right when it came to be so
    errors += judge(_rules, now, "spec")
    if not _additions_only(now.get("tolerations", []), was.get("tolerations", [])):
        errors.append(
            forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")
        )
    deadline, before = now.get("activeDeadlineSeconds"), was.get("activeDeadlineSeconds")
    if before is not None and (deadline is None or deadline > before):
        errors.append(invalid("spec.activeDeadlineSeconds", deadline, f"must be less than or equal to {before}"))
    if _fixed_part(now, was) != _fixed_part(was, was):
        errors.append(forbidden("spec", _UPDATE_REFUSED))
    return errors


def _fixed_part(spec: Object, was: Object) -> Object:
    """The specification with all that a pod may change taken from what it was."""
    fixed = copy.copy(spec)
    for name in ("tolerations", "activeDeadlineSeconds"):
        fixed.pop(name, None)
    if spec.get("terminationGracePeriodSeconds") == 1 and was.get("terminationGracePeriodSeconds", 0) < 0:
        fixed["terminationGracePeriodSeconds"] = was["terminationGracePeriodSeconds"]
    gates = [each["name"] for each in was.get("schedulingGates", [])]
    if all(each["name"] in gates for each in spec.get("schedulingGates", [])):
        fixed.pop("schedulingGates", None)
    for part in ("containers", "initContainers"):
        if spec.get(part):
            fixed[part] = [{**each, "image": ""} for each in spec[part]]
    return fixed


def _additions_only(now: list[Object], was: list[Object]) -> bool:
    kept = [{**each, "tolerationSeconds": 0} for each in now]
    return all({**each, "tolerationSeconds": 0} in kept for each in was)


def _validate_update_status(new: Object, old: Object) -> list[FieldError]:
    if new["status"].get("qosClass") != old["status"].get("qosClass"):
        return [invalid("status.qosClass", new["status"].get("qosClass"), "field is immutable")]
    addresses = new["status"].get("podIPs")
    return _validate_addresses(addresses, old["status"]) if addresses != old["status"].get("podIPs") else []


def _validate_addresses(addresses: list[Object] | None, old: Object) -> list[FieldError]:
    """The addresses that a pod gets; one that it has already may stay, whatever it is."""
    said = [each["ip"] for each in addresses or ()]
    had = {each["ip"] for each in old.get("podIPs") or ()}
    errors = [
        invalid(f"status.podIPs[{index}]", each, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
        for index, each in enumerate(said)
        if each not in had and not is_address(each)
    ]
    families = [":" in each for each in said]
    if not errors and len(families) != len(set(families)):
        errors.append(invalid("status.podIPs", addresses, "may specify no more than one IP for each IP family"))
    return errors


def _grace(obj: Object, options: Object) -> int:
    spec = obj["spec"]
    seconds = options.get("gracePeriodSeconds")
    if seconds is None:
        seconds = spec.get("terminationGracePeriodSeconds", 0)
    # Nobody has to stop what never started, or has ended.
    if not spec.get("nodeName") or obj["status"].get("phase") in _ENDED:
        return 0
    return 1 if seconds < 0 else int(seconds)


def qos_class(spec: Object) -> str:
    """The class of service that the requests and limits of a pod's containers add up to."""
    containers = [*(spec.get("containers") or []), *spec.get("initContainers", [])]
    if spec.get("resources"):
        containers = [spec]  # of the pod as a whole: then those of its containers say nothing
    guaranteed, any_given = True, False
    for container in containers:
        limits = _positive(container["resources"].get("limits", {}))
        requests = _positive(container["resources"].get("requests", {}))
        any_given = any_given or bool(limits or requests)
        if set(limits) != {"cpu", "memory"} or {**limits, **requests} != limits:
            guaranteed = False
    if not any_given:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _positive(amounts: Object) -> Object:
    return {name: amounts[name] for name in ("cpu", "memory") if name in amounts and quantity.value(amounts[name])}


def _labels(obj: Object) -> dict[str, str]:
    spec, status = obj.get("spec", {}), obj.get("status", {})
    return {
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.restartPolicy": spec.get("restartPolicy", ""),
        "spec.schedulerName": spec.get("schedulerName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "spec.hostNetwork": str(bool(spec.get("hostNetwork"))).lower(),
        "status.phase": status.get("phase", ""),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
        "status.nominatedNodeName": status.get("nominatedNodeName", ""),
    }


POD = Kind(
    group="",
    version="v1",
    kind="Pod",
    plural="pods",
    singular="pod",
    printer=printers.POD,
    short_names=("po",),
    categories=("all",),
    subresources=("binding", "eviction", "status"),
    returns_deleted=True,
    has_generation=True,
    on_default=_default,
    on_admit_create=_admit_create,
    on_admit_update=lambda new, _old: _admit_tolerations(new),
    on_prepare_create=_prepare_create,
    on_prepare_update=_prepare_update,
    on_prepare_update_status=_prepare_update_status,
    on_validate_create=lambda obj: judge(_rules_of_new, obj["spec"], "spec"),
    on_validate_update=_validate_update,
    on_validate_update_status=_validate_update_status,
    on_grace=_grace,
    on_field_labels=_labels,
)
