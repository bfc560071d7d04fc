"""The plug-in Priority: pods have the priority of their class, or of the class that is the default."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded import statuses
from pytest_daemonset.embedded.kinds.fielderrors import AdmissionError
from pytest_daemonset.embedded.kinds.priorityclass import GROUP, PREEMPTS, PRIORITY_CLASS, SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_daemonset.embedded.api import Api
    from pytest_daemonset.embedded.calls import Call, Caller, Served
    from pytest_daemonset.embedded.store import Table

Object = dict[str, Any]

_RESOURCE = f"{PRIORITY_CLASS.plural}.{GROUP}"
_USED_FOR = "Used for system critical pods that must "
_DESCRIPTIONS = MappingProxyType(
    {
        "system-cluster-critical": f"{_USED_FOR}run in the cluster, but can be moved to another node if necessary.",
        "system-node-critical": f"{_USED_FOR}not be moved from their current node.",
    }
)


def provide(api: Api, caller: Caller) -> None:
    """Create the classes that every cluster has."""
    for name, value in SYSTEM.items():
        made = {"metadata": {"name": name}, "value": value, "description": _DESCRIPTIONS[name]}
        api.create(caller, _RESOURCE, "", made)


def fill(call: Call, pod: Object, served: Mapping[str, Served]) -> None:
    """Give a new pod its priority.

    Raises:
        AdmissionError: there is no such class, or the pod says something else than its class.
    """
    if call.served.name != "pods" or _RESOURCE not in served:
        return
    spec, table = pod["spec"], served[_RESOURCE].table
    if name := spec.get("priorityClassName", ""):
        entry = table.entries.get(("", name))
        if entry is None:
            raise AdmissionError(f"no PriorityClass with name {name} was found")
        chosen = entry.object
    else:
        chosen = min(_defaults(table), key=lambda one: int(one["value"]), default={})
        if chosen:
            spec["priorityClassName"] = chosen["metadata"]["name"]
    _say(spec, "priority", "integer value of priority", chosen.get("value", 0))
    _say(spec, "preemptionPolicy", "string value of PreemptionPolicy", chosen.get("preemptionPolicy", PREEMPTS))


def _defaults(table: Table) -> Iterator[Object]:
    return (entry.object for entry in table.entries.values() if entry.object.get("globalDefault"))


def _say(spec: Object, field: str, what: str, computed: Any) -> None:
    if spec.setdefault(field, computed) != computed:
        raise AdmissionError(
            f"the {what} ({spec[field]}) must not be provided in pod spec; "
            f"priority admission controller computed {computed} from the given PriorityClass name"
        )


def only_one_default(call: Call, new: Object, _old: Object | None) -> None:
    """Refuse a second class that is the default.

    Raises:
        StatusError: 403.
    """
    name = new["metadata"].get("name", "")
    for other in _defaults(call.served.table) if new.get("globalDefault") else ():
        if other["metadata"]["name"] != name:
            text = f"PriorityClass {other['metadata']['name']} is already marked as default. Only one default can exist"
            raise statuses.forbidden(GROUP, PRIORITY_CLASS.plural, name, text)
