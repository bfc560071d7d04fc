"""The plug-in LimitRanger: pods get what the LimitRanges of their namespace say, and are held to their bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded import quotas, statuses
from pytest_daemonset.embedded.kinds import quantity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from fractions import Fraction

    from pytest_daemonset.embedded.calls import Call, Served

Object = dict[str, Any]

LIMIT_RANGES = "limitranges"
_ANNOTATION = "kubernetes.io/limit-ranger"


def _items(call: Call, served: Mapping[str, Served]) -> list[Object]:
    if call.served.name != "pods" or LIMIT_RANGES not in served or not served[LIMIT_RANGES].table.holds(call.namespace):
        return []
    ranges = served[LIMIT_RANGES].table.within(call.namespace)
    return [item for entry in ranges for item in entry.object["spec"]["limits"] or ()]


def _containers(pod: Object) -> Iterator[tuple[str, Object]]:
    for container in pod["spec"]["containers"]:
        yield "container", container
    for container in pod["spec"].get("initContainers") or ():
        yield "init container", container


def fill(call: Call, pod: Object, served: Mapping[str, Served]) -> None:
    """Give the containers of a new pod what they do not ask for, and say so in an annotation."""
    told: list[str] = []
    for item in _items(call, served):
        if item["type"] != "Container":
            continue
        for what, container in _containers(pod):
            for part, source in (("requests", "defaultRequest"), ("limits", "default")):
                known = container["resources"].get(part) or {}
                added = {name: amount for name, amount in (item.get(source) or {}).items() if name not in known}
                if added:
                    container["resources"][part] = {**known, **added}
                    told.append(f"{', '.join(sorted(added))} {part[:-1]} for {what} {container['name']}")
    if told:
        annotations = pod["metadata"].setdefault("annotations", {})
        annotations[_ANNOTATION] = f"LimitRanger plugin set: {'; '.join(told)}"


def check(call: Call, name: str, pod: Object, served: Mapping[str, Served]) -> None:
    """Refuse a new pod that goes beyond a LimitRange.

    Raises:
        StatusError: 403, with everything that is too much or too little.
    """
    wrong: list[str] = []
    for item in _items(call, served):
        if item["type"] == "Container":
            for _, container in _containers(pod):
                wrong += _beyond(item, *(quotas.asked(container, part) for part in ("requests", "limits")))
        elif item["type"] == "Pod":
            wrong += _beyond(item, *(quotas.pod_amounts(pod["spec"], part) for part in ("requests", "limits")))
    if wrong:
        raise statuses.forbidden("", "pods", name, wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]")


def _beyond(item: Object, requests: Mapping[str, Fraction], limits: Mapping[str, Fraction]) -> list[str]:
    kind, found = item["type"], []
    for name, least in sorted((item.get("min") or {}).items()):
        text = f"minimum {name} usage per {kind} is {least}"
        if name not in requests:
            found.append(f"{text}.  No request is specified")
        elif requests[name] < (quantity.value(least) or 0):
            found.append(f"{text}, but request is {quotas.shown(name, requests[name])}")
        elif name in limits and limits[name] < (quantity.value(least) or 0):
            found.append(f"{text}, but limit is {quotas.shown(name, limits[name])}")
    for name, most in sorted((item.get("max") or {}).items()):
        text = f"maximum {name} usage per {kind} is {most}"
        if name not in limits:
            found.append(f"{text}.  No limit is specified")
        elif limits[name] > (quantity.value(most) or 0):
            found.append(f"{text}, but limit is {quotas.shown(name, limits[name])}")
        elif name in requests and requests[name] > (quantity.value(most) or 0):
            found.append(f"{text}, but request is {quotas.shown(name, requests[name])}")
    for name, most in sorted((item.get("maxLimitRequestRatio") or {}).items()):
        text = f"{name} max limit to request ratio per {kind} is {most}"
        if not requests.get(name) or not limits.get(name):
            found.append(f"{text}, but no request is specified or request is 0")
        elif limits[name] / requests[name] > (quantity.value(most) or 0):
            found.append(f"{text}, but provided ratio is {float(limits[name] / requests[name]):.6f}")
    return found
