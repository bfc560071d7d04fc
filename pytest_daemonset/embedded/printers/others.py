"""The columns of DaemonSets, their revisions and the small kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.printers.ages import UNKNOWN, since
from pytest_daemonset.embedded.printers.printer import AGE, NAME, Cells, Column, Printer, age, names

if TYPE_CHECKING:
    from datetime import datetime

    from pytest_daemonset.embedded.printers.printer import Object

_NONE = "<none>"
_OPERATORS = {"In": "in", "NotIn": "notin"}


def _integers(*texts: str) -> tuple[Column, ...]:
    return tuple(Column(text, "integer") for text in texts)


def format_labels(labels: dict[str, str] | None) -> str:
    """Labels as `a=b,c=d`."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or _NONE


def format_selector(selector: Object | None) -> str:
    """A label selector as `a=b,c in (d,e),!f`."""
    if selector is None:
        return _NONE
    terms = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    for each in selector.get("matchExpressions") or []:
        key, operator = each["key"], each["operator"]
        if operator in _OPERATORS:
            values = ",".join(sorted(each.get("values") or []))
            terms.append((key, f"{key} {_OPERATORS[operator]} ({values})"))
        else:
            terms.append((key, key if operator == "Exists" else f"!{key}"))
    return ",".join(text for _, text in sorted(terms)) or _NONE


def _daemon_set(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj["spec"], obj["status"]
    pod = spec["template"]["spec"]
    containers = pod.get("containers") or []
    return [
        obj["metadata"]["name"],
        status.get("desiredNumberScheduled", 0),
        status.get("currentNumberScheduled", 0),
        status.get("numberReady", 0),
        status.get("updatedNumberScheduled", 0),
        status.get("numberAvailable", 0),
        format_labels(pod.get("nodeSelector")),
        age(obj, now),
        ",".join(each["name"] for each in containers),
        ",".join(each.get("image", "") for each in containers),
        format_selector(spec.get("selector")),
    ]


def _controller_revision(obj: Object, now: datetime) -> list[Any]:
    owners = obj["metadata"].get("ownerReferences", [])
    controller = next((each for each in owners if each.get("controller")), None)
    shown = _NONE
    if controller is not None:
        group = controller["apiVersion"].rpartition("/")[0]
        kind = controller["kind"].lower()
        shown = f"{kind}.{group}/{controller['name']}" if group else f"{kind}/{controller['name']}"
    return [obj["metadata"]["name"], shown, obj["revision"], age(obj, now)]


def _namespace(obj: Object, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj["status"].get("phase", ""), age(obj, now)]


def _config_map(obj: Object, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], len(obj.get("data", ())) + len(obj.get("binaryData", ())), age(obj, now)]


def _secret(obj: Object, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj.get("type", ""), len(obj.get("data", ())), age(obj, now)]


def _service_account(obj: Object, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], age(obj, now)]


def _priority_class(obj: Object, now: datetime) -> list[Any]:
    default = "true" if obj.get("globalDefault") else "false"
    return [obj["metadata"]["name"], obj["value"], default, age(obj, now), obj["preemptionPolicy"]]


def _lease(obj: Object, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj["spec"].get("holderIdentity", ""), age(obj, now)]


def _source(obj: Object) -> str:
    source = obj.get("source") or {}
    component = source.get("component") or obj.get("reportingComponent", "")
    instance = source.get("host") or obj.get("reportingInstance", "")
    return f"{component}, {instance}" if instance else component


def _event(obj: Object, now: datetime) -> list[Any]:
    first = since(obj.get("firstTimestamp") or obj.get("eventTime"), now)
    last = since(obj.get("lastTimestamp"), now)
    count = obj.get("count", 0)
    if series := obj.get("series"):
        last, count = since(series.get("lastObservedTime"), now), series.get("count", 0)
    about = obj.get("involvedObject") or {}
    shown = about.get("kind", "").lower()
    return [
        first if last == UNKNOWN else last,
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{shown}/{about['name']}" if about.get("name") else shown,
        about.get("fieldPath", ""),
        _source(obj),
        obj.get("message", "").strip(),
        first,
        count or 1,
        obj["metadata"]["name"],
    ]


DAEMON_SET = Printer(
    (
        NAME,
        *_integers("Desired", "Current", "Ready", "Up-to-date", "Available"),
        *names("Node Selector"),
        AGE,
        *names("Containers", "Images", "Selector", priority=1),
    ),
    _daemon_set,
)
CONTROLLER_REVISION = Printer((NAME, *names("Controller", "Revision"), AGE), _controller_revision)
NAMESPACE = Printer((NAME, *names("Status"), AGE), _namespace)


def _pod_disruption_budget(obj: Object, now: datetime) -> list[Any]:
    spec = obj["spec"]
    allowed = obj["status"].get("disruptionsAllowed", 0)
    limits = [str(spec.get(name, "N/A")) for name in ("minAvailable", "maxUnavailable")]
    return [obj["metadata"]["name"], *limits, allowed, age(obj, now)]


def _resource_quota(obj: Object, now: datetime) -> list[Any]:
    status = obj["status"]
    used = status.get("used") or {}
    columns: tuple[list[str], list[str]] = ([], [])
    for name, hard in sorted((status.get("hard") or {}).items()):
        columns[name.startswith("limits")].append(f"{name}: {used.get(name, '0')}/{hard}")
    return [obj["metadata"]["name"], *map(", ".join, columns), age(obj, now)]


def _binding(obj: Object, now: datetime) -> list[Any]:
    role = obj["roleRef"]
    cells = [obj["metadata"]["name"], f"{role['kind']}/{role['name']}", age(obj, now)]
    for kind in ("User", "Group", "ServiceAccount"):
        found = (each for each in obj.get("subjects") or () if each["kind"] == kind)
        cells.append(
            ", ".join(f"{each['namespace']}/{each['name']}" if "namespace" in each else each["name"] for each in found)
        )
    return cells


def _policy(part: str) -> Cells:
    def cells(obj: Object, now: datetime) -> list[Any]:
        kind = obj["spec"].get("paramKind")
        shown = f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else "<unset>"
        return [obj["metadata"]["name"], len(obj["spec"].get(part) or ()), shown, age(obj, now)]

    return cells


def _policy_binding(obj: Object, now: datetime) -> list[Any]:
    reference = obj["spec"].get("paramRef")
    shown = "<unset>"
    if reference is not None:
        name = reference.get("name") or "*"
        shown = f"{reference['namespace']}/{name}" if reference.get("namespace") else name
    return [obj["metadata"]["name"], obj["spec"].get("policyName", ""), shown, age(obj, now)]


RESOURCE_QUOTA = Printer((NAME, *names("Request", "Limit"), AGE), _resource_quota)
BINDING = Printer((NAME, *names("Role"), AGE, *names("Users", "Groups", "ServiceAccounts", priority=1)), _binding)
VALIDATING_POLICY = Printer((NAME, *_integers("Validations"), *names("ParamKind"), AGE), _policy("validations"))
MUTATING_POLICY = Printer((NAME, *_integers("Mutations"), *names("ParamKind"), AGE), _policy("mutations"))
POLICY_BINDING = Printer((NAME, *names("PolicyName", "ParamRef"), AGE), _policy_binding)
POD_DISRUPTION_BUDGET = Printer(
    (NAME, *names("Min Available", "Max Unavailable"), *_integers("Allowed Disruptions"), AGE), _pod_disruption_budget
)
CUSTOM_RESOURCE_DEFINITION = Printer(
    (NAME, Column("Created At", "date")),
    lambda obj, _: [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp")],
)
WEBHOOKS = Printer(
    (NAME, *_integers("Webhooks"), AGE),
    lambda obj, now: [obj["metadata"]["name"], len(obj.get("webhooks") or ()), age(obj, now)],
)
CONFIG_MAP = Printer((NAME, *names("Data"), AGE), _config_map)
SECRET = Printer((NAME, *names("Type", "Data"), AGE), _secret)
SERVICE_ACCOUNT = Printer((NAME, AGE), _service_account)
PRIORITY_CLASS = Printer(
    (NAME, *_integers("Value"), *names("Global-Default"), AGE, *names("PreemptionPolicy")), _priority_class
)
LEASE = Printer((NAME, *names("Holder"), AGE), _lease)
EVENT = Printer(
    (
        *names("Last Seen", "Type", "Reason", "Object"),
        *names("Subobject", "Source", priority=1),
        *names("Message"),
        *names("First Seen", "Count", priority=1),
        Column("Name", priority=1, format="name"),
    ),
    _event,
)
