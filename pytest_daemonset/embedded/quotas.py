"""ResourceQuotas: what a namespace uses, and the refusal of what would be too much (kubernetes, plugin/pkg/admission/resourcequota)."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded import statuses
from pytest_daemonset.embedded.kinds import quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_daemonset.embedded.calls import Call, Served

Object = dict[str, Any]
Amounts = dict[str, Fraction]

QUOTAS = "resourcequotas"
_COUNTED = frozenset({"count/pods", "pods"})
_OBJECTS = frozenset(
    {"configmaps", "persistentvolumeclaims", "replicationcontrollers", "resourcequotas", "secrets", "services"}
)
_ENDED = ("Succeeded", "Failed")
_COMPUTE = frozenset({"cpu", "memory", "ephemeral-storage"})
# what every container must ask for, or have as its limit, where a quota is about it
_DEMANDED = ("cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory")
_ONE = Fraction(1)


def used(quota: Object, served: Mapping[str, Served], namespace: str) -> Amounts:
    """How much of a quota is used; without what is counted of no kind that is served."""
    found: Amounts = {}
    names = set(quota["spec"].get("hard") or ())
    for name in names - _COUNTED:
        resource = name.removeprefix("count/") if name.startswith("count/") else name if name in _OBJECTS else ""
        if resource in served:
            found[name] = Fraction(len(served[resource].table.within(namespace)))
    of_pods = {name for name in names if name not in found and _is_of_pods(name)}
    if not of_pods:
        return found
    pods = served["pods"].table.within(namespace)
    if of_pods <= _COUNTED and not _scopes(quota):
        phases = [entry.fields.get("status.phase") for entry in pods]
        counted = {"count/pods": len(phases), "pods": sum(phase not in _ENDED for phase in phases)}
        return {**found, **{name: Fraction(counted[name]) for name in of_pods}}
    measured = [_of_pod(pod) for pod in (entry.object for entry in pods) if _is_in_scope(quota, pod)]
    return {**found, **{name: sum((each.get(name, Fraction(0)) for each in measured), Fraction(0)) for name in of_pods}}


def told(amounts: Amounts) -> dict[str, str]:
    """Amounts as quantities, by name."""
    return {name: shown(name, amount) for name, amount in sorted(amounts.items())}


def admit_update(call: Call, name: str, obj: Object, old: Object, served: Mapping[str, Served]) -> None:
    """Refuse a change of a pod that brings it, by a deadline, into the scope of a quota that has no room for it.

    Raises:
        StatusError: 403.
    """
    if call.served.source.name == "pods" and not call.subresource and _ends(obj) != _ends(old):
        admit(call, name, obj, served, old)


def _ends(pod: Object) -> bool:
    return pod["spec"].get("activeDeadlineSeconds") is not None


def admit(call: Call, name: str, obj: Object, served: Mapping[str, Served], old: Object | None = None) -> None:
    """Refuse an object that a quota of its namespace has no room for.

    Args:
        old: what it was, and is counted as; None for a new one.

    Raises:
        StatusError: 403.
    """
    if QUOTAS not in served or not served[QUOTAS].table.holds(call.namespace):
        return
    kind = call.kind
    resource = call.served.source.name
    for entry in served[QUOTAS].table.within(call.namespace):
        quota, hard = entry.object, entry.object["spec"].get("hard") or {}
        if resource == "pods":
            if not _is_in_scope(quota, obj) or (old is not None and _is_in_scope(quota, old)):
                continue
            wanted = _of_pod(obj)
            if lacking := _unspecified(hard, obj):
                raise statuses.forbidden("", "pods", name, f"failed quota: {entry.key[1]}: must specify {lacking}")
        else:
            wanted = {} if _scopes(quota) else dict.fromkeys((f"count/{resource}", resource), _ONE)
        wanted = {each: amount for each, amount in wanted.items() if amount and each in hard}
        if not wanted:
            continue
        taken = used(quota, served, call.namespace)
        over = {each for each in wanted if wanted[each] + taken.get(each, 0) > (quantity.value(hard[each]) or 0)}
        if over:
            requested, now = (
                told({each: amounts.get(each, Fraction(0)) for each in over}) for amounts in (wanted, taken)
            )
            parts = (_pairs(each) for each in (requested, now, {each: hard[each] for each in sorted(over)}))
            why = "exceeded quota: {}, requested: {}, used: {}, limited: {}".format(entry.key[1], *parts)
            raise statuses.forbidden(kind.group, kind.plural, name, why)


def _pairs(amounts: Mapping[str, str]) -> str:
    return ",".join(f"{name}={amount}" for name, amount in amounts.items())


def _is_of_pods(name: str) -> bool:
    return (
        name in _COUNTED
        or name in _COMPUTE
        or (
            name.startswith(("requests.", "limits.", "hugepages-"))
            and name != "requests.storage"
            and ".storageclass.storage.k8s.io/" not in name
        )
    )


def shown(name: str, amount: Fraction) -> str:
    """An amount of a resource as Kubernetes writes it."""
    if ("memory" in name or "storage" in name or "hugepages" in name) and amount.denominator == 1:
        thousands, rest = divmod(amount.numerator, 1024)
        if not rest:
            return quantity.canonical(f"{thousands}Ki") or "0"
    nanos = amount * 10**9
    return quantity.canonical(f"{-(-nanos.numerator // nanos.denominator)}n") or "0"


def _sum(lists: Iterable[Amounts]) -> Amounts:
    total: Amounts = {}
    for each in lists:
        for name, amount in each.items():
            total[name] = total.get(name, Fraction(0)) + amount
    return total


def asked(container: Object, what: str) -> Amounts:
    """What a container needs (`requests`) or may use (`limits`)."""
    return _amounts((container.get("resources") or {}).get(what))


def _amounts(said: Mapping[str, str] | None) -> Amounts:
    return {name: quantity.value(amount) or Fraction(0) for name, amount in (said or {}).items()}


def pod_amounts(spec: Object, what: str) -> Amounts:
    """What a pod's containers need together (`requests`) or may use (`limits`): what runs at once, at its most, with the overhead."""
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers") or ():
        own = asked(container, what)
        if container.get("restartPolicy") == "Always":
            sidecars = _sum([sidecars, own])
            own = {}
        for name, amount in _sum([sidecars, own]).items():
            peak[name] = max(peak.get(name, Fraction(0)), amount)
    total = _sum([sidecars, *(asked(container, what) for container in spec["containers"])])
    for name, amount in peak.items():
        total[name] = max(total.get(name, Fraction(0)), amount)
    overhead = _amounts(spec.get("overhead"))
    return _sum([total, overhead if what == "requests" else {n: a for n, a in overhead.items() if n in total}])


def _of_pod(pod: Object) -> Amounts:
    """What a pod uses of quotas; one that has ended is only an object."""
    found = {"count/pods": _ONE}
    if (pod.get("status") or {}).get("phase") in _ENDED:
        return found
    found["pods"] = _ONE
    for name, amount in pod_amounts(pod["spec"], "requests").items():
        found[f"requests.{name}"] = amount
        if name in _COMPUTE or name.startswith("hugepages-"):
            found[name] = amount
    for name, amount in pod_amounts(pod["spec"], "limits").items():
        found[f"limits.{name}"] = amount
    return found


def _unspecified(hard: Object, pod: Object) -> str:
    """Which containers do not say what a quota is about, as `limits.memory for: a,b; …`."""
    containers = [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())]
    lacking = []
    for name in (each for each in _DEMANDED if each in hard):
        what, _, resource = name.rpartition(".")
        silent = [each["name"] for each in containers if resource not in asked(each, what or "requests")]
        if silent:
            lacking.append(f"{name} for: {','.join(sorted(silent))}")
    return "; ".join(lacking)


# scopes


def _scopes(quota: Object) -> list[Object]:
    """The scopes of a quota, each as the requirement of a selector."""
    spec = quota["spec"]
    plain = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    return plain + ((spec.get("scopeSelector") or {}).get("matchExpressions") or [])


def _is_in_scope(quota: Object, pod: Object) -> bool:
    return all(_meets(scope, pod) for scope in _scopes(quota))


def _meets(scope: Object, pod: Object) -> bool:
    name, operator, spec = str(scope["scopeName"]), str(scope["operator"]), pod["spec"]
    if name == "PriorityClass":
        given = spec.get("priorityClassName", "")
        if operator in {"In", "NotIn"}:
            return bool((given in (scope.get("values") or ())) == (operator == "In"))
        return bool(given) == (operator == "Exists")
    if name in {"BestEffort", "NotBestEffort"}:
        return _is_best_effort(spec) == (name == "BestEffort")
    if name in {"Terminating", "NotTerminating"}:
        return _ends(pod) == (name == "Terminating")
    return name == "CrossNamespacePodAffinity" and _looks_elsewhere(spec)


def _is_best_effort(spec: Object) -> bool:
    containers = [*spec["containers"], *(spec.get("initContainers") or ())]
    return not any(
        amount
        for container in containers
        for what in ("requests", "limits")
        for name, amount in asked(container, what).items()
        if name in {"cpu", "memory"}
    )


def _looks_elsewhere(spec: Object) -> bool:
    """Whether an affinity of the pod is about pods of other namespaces."""
    for which in ("podAffinity", "podAntiAffinity"):
        affinity = (spec.get("affinity") or {}).get(which) or {}
        terms = list(affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [each["podAffinityTerm"] for each in preferred]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False
