"""Whether the containers of a pod are right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.kinds import quantity
from pytest_daemonset.embedded.kinds.fielderrors import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from pytest_daemonset.embedded.kinds.names import dns_label, environment_name, port_name, qualified_name

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]

_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_MESSAGE_POLICIES = ("FallbackToLogsOnError", "File")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_FIELD_PATHS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_SUBSCRIPT = re.compile(r"metadata\.(annotations|labels)\['.*'\]")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")


def validate_containers(spec: Object, path: str) -> Iterator[FieldError]:
    """Tell what is wrong with `containers` and `initContainers`."""
    volumes = {each["name"] for each in spec.get("volumes", [])}
    host_network = bool(spec.get("hostNetwork"))
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    names: set[str] = set()
    ports: set[tuple[int, str, str]] = set()
    for part in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(part) or []):
            here = f"{path}.{part}[{index}]"
            yield from _validate_name(container["name"], names, here)
            yield from _validate_container(container, volumes, host_network, here)
            sidecar = part == "containers" or container.get("restartPolicy") == "Always"
            if sidecar:
                yield from _validate_host_ports(container, ports, here)
            else:
                for name in ("lifecycle", *_PROBES):
                    if name in container:
                        yield forbidden(
                            f"{here}.{name}", "may not be set for init containers without restartPolicy=Always"
                        )


def _validate_name(name: str, names: set[str], path: str) -> Iterator[FieldError]:
    if not name:
        yield required(f"{path}.name")
        return
    for text in dns_label(name):
        yield invalid(f"{path}.name", name, text)
    if name in names:
        yield duplicate(f"{path}.name", name)
    names.add(name)


def _validate_container(container: Object, volumes: set[str], host_network: bool, path: str) -> Iterator[FieldError]:
    image = container.get("image", "")
    if not image:
        yield required(f"{path}.image")
    if container.get("terminationMessagePolicy") not in _MESSAGE_POLICIES:
        policy = container.get("terminationMessagePolicy")
        yield not_supported(f"{path}.terminationMessagePolicy", policy, _MESSAGE_POLICIES)
    if container.get("imagePullPolicy") not in _PULL_POLICIES:
        yield not_supported(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), _PULL_POLICIES)
    yield from _validate_ports(container.get("ports", []), host_network, f"{path}.ports")
    yield from _validate_environment(container.get("env", []), f"{path}.env")
    yield from _validate_environments(container.get("envFrom", []), f"{path}.envFrom")
    yield from _validate_mounts(container.get("volumeMounts", []), volumes, f"{path}.volumeMounts")
    if not container.get("securityContext", {}).get("privileged"):
        for mount in container.get("volumeMounts", []):
            if mount.get("mountPropagation") == "Bidirectional":
                text = "Bidirectional mount propagation is available only to privileged containers"
                yield forbidden(f"{path}.volumeMounts.mountPropagation", text)
    for name in _PROBES:
        if name in container:
            yield from _validate_probe(container[name], name, f"{path}.{name}")
    for name in ("postStart", "preStop"):
        if name in container.get("lifecycle", {}):
            yield from _validate_handler(container["lifecycle"][name], f"{path}.lifecycle.{name}")
    yield from validate_resources(container["resources"], f"{path}.resources")
    context = container.get("securityContext", {})
    yield from validate_ids(context, f"{path}.securityContext")
    yield from validate_seccomp(context, f"{path}.securityContext")
    if context.get("privileged") and context.get("allowPrivilegeEscalation") is False:
        text = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        yield invalid(f"{path}.securityContext", context, text)


def validate_ids(context: Object, path: str) -> Iterator[FieldError]:
    """Tell what is wrong with the user and group ids of a security context."""
    for name in ("runAsUser", "runAsGroup", "fsGroup"):
        if not 0 <= context.get(name, 0) < 2**31:
            yield invalid(f"{path}.{name}", context[name], "must be between 0 and 2147483647, inclusive")


def validate_seccomp(context: Object, path: str) -> Iterator[FieldError]:
    """Tell what is wrong with the seccomp profile of a security context."""
    if "seccompProfile" not in context:
        return
    profile, path = context["seccompProfile"], f"{path}.seccompProfile"
    kind, file = profile.get("type", ""), profile.get("localhostProfile")
    if not kind:
        yield required(f"{path}.type", "type is required when seccompProfile is set")
    elif kind not in _PROFILES:
        yield not_supported(f"{path}.type", kind, _PROFILES)
    elif kind == "Localhost" and not file:
        yield required(f"{path}.localhostProfile", "must be set when seccomp type is Localhost")
    elif kind != "Localhost" and file is not None:
        yield invalid(f"{path}.localhostProfile", file, "can only be set when seccomp type is Localhost")


def _validate_ports(ports: list[Object], host_network: bool, path: str) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, port in enumerate(ports):
        here = f"{path}[{index}]"
        if name := port.get("name"):
            wrong = port_name(name)
            for text in wrong:
                yield invalid(f"{here}.name", name, text)
            if not wrong and name in names:
                yield duplicate(f"{here}.name", name)
            names.add(name)
        if not port["containerPort"]:
            yield required(f"{here}.containerPort")
        elif not 1 <= port["containerPort"] <= 65535:
            yield invalid(f"{here}.containerPort", port["containerPort"], "must be between 1 and 65535, inclusive")
        if not 0 <= port.get("hostPort", 0) <= 65535:
            yield invalid(f"{here}.hostPort", port["hostPort"], "must be between 1 and 65535, inclusive")
        elif host_network and port.get("hostPort", port["containerPort"]) != port["containerPort"]:
            yield invalid(f"{here}.hostPort", port["hostPort"], "must match `containerPort` when `hostNetwork` is true")
        if not port.get("protocol"):
            yield required(f"{here}.protocol")
        elif port["protocol"] not in _PROTOCOLS:
            yield not_supported(f"{here}.protocol", port["protocol"], _PROTOCOLS)


def _validate_host_ports(container: Object, seen: set[tuple[int, str, str]], path: str) -> Iterator[FieldError]:
    for index, port in enumerate(container.get("ports", [])):
        if port.get("hostPort"):
            taken = (port["hostPort"], port.get("hostIP", ""), port.get("protocol", ""))
            if taken in seen:
                yield duplicate(f"{path}.ports[{index}].hostPort", f"{taken[2]}/{taken[1]}/{taken[0]}")
            seen.add(taken)


def _validate_environment(variables: list[Object], path: str) -> Iterator[FieldError]:
    for index, each in enumerate(variables):
        here = f"{path}[{index}]"
        if not each["name"]:
            yield required(f"{here}.name")
        else:
            for text in environment_name(each["name"]):
                yield invalid(f"{here}.name", each["name"], text)
        if "valueFrom" not in each:
            continue
        sources = len(each["valueFrom"])
        if sources == 0:
            some = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
            yield invalid(f"{here}.valueFrom", "", f"must specify one of: {some}")
        elif each.get("value"):
            yield invalid(f"{here}.valueFrom", "", "may not be specified when `value` is not empty")
        elif sources > 1:
            yield invalid(f"{here}.valueFrom", "", "may not have more than one field specified at a time")
        if "fieldRef" in each["valueFrom"]:
            yield from _validate_field(each["valueFrom"]["fieldRef"], f"{here}.valueFrom.fieldRef")


def _validate_field(reference: Object, path: str) -> Iterator[FieldError]:
    wanted = reference.get("fieldPath", "")
    if not wanted:
        yield required(f"{path}.fieldPath")
    elif wanted in {"metadata.annotations", "metadata.labels"}:
        yield not_supported(f"{path}.fieldPath", wanted, _FIELD_PATHS)
    elif wanted not in _FIELD_PATHS and not _SUBSCRIPT.fullmatch(wanted):
        text = f"error converting fieldPath: field label not supported: {wanted}"
        yield invalid(f"{path}.fieldPath", wanted, text)


def _validate_environments(sources: list[Object], path: str) -> Iterator[FieldError]:
    for source in sources:
        given = [name for name in ("configMapRef", "secretRef") if name in source]
        if not given:
            yield invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            yield invalid(path, "", "may not have more than one field specified at a time")
        elif not source[given[0]].get("name"):
            yield required(f"{path}.{given[0]}.name")


def _validate_mounts(mounts: list[Object], volumes: set[str], path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, mount in enumerate(mounts):
        here = f"{path}[{index}]"
        if not mount["name"]:
            yield required(f"{here}.name")
        elif mount["name"] not in volumes:
            yield FieldError("FieldValueNotFound", f"{here}.name", f'Not found: "{mount["name"]}"')
        if not mount["mountPath"]:
            yield required(f"{here}.mountPath")
        elif mount["mountPath"] in seen:
            yield invalid(f"{here}.mountPath", mount["mountPath"], "must be unique")
        seen.add(mount["mountPath"])
        if mount.get("mountPropagation", "None") not in _PROPAGATIONS:
            yield not_supported(f"{path}.mountPropagation", mount["mountPropagation"], _PROPAGATIONS)
        if mount.get("subPath") and mount.get("subPathExpr"):
            yield invalid(f"{here}.subPathExpr", mount["subPathExpr"], "subPathExpr and subPath are mutually exclusive")


def _validate_probe(probe: Object, name: str, path: str) -> Iterator[FieldError]:
    yield from _validate_handler(probe, path)
    numbers = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
    for each in numbers:
        if probe.get(each, 0) < 0:
            yield invalid(f"{path}.{each}", probe[each], "must be greater than or equal to 0")
    if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
        yield invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1")


def _validate_handler(handler: Object, path: str) -> Iterator[FieldError]:
    given = [name for name in _HANDLERS if name in handler]
    if not given:
        yield required(path, "must specify a handler type")
    for name in given[1:]:
        yield forbidden(f"{path}.{name}", "may not specify more than 1 handler type")
    for name in given[:1]:
        if name == "exec" and not handler["exec"].get("command"):
            yield required(f"{path}.exec.command")
        if name in {"httpGet", "tcpSocket", "grpc"}:
            yield from _validate_port(handler[name]["port"], f"{path}.{name}.port")


def _validate_port(port: int | str, path: str) -> Iterator[FieldError]:
    if isinstance(port, int) and not 1 <= port <= 65535:
        yield invalid(path, port, "must be between 1 and 65535, inclusive")
    elif isinstance(port, str):
        for text in port_name(port):
            yield invalid(path, port, text)


def validate_resources(resources: Object, path: str) -> Iterator[FieldError]:
    """Tell what is wrong with the requests and limits of a container."""
    limits, requests = resources.get("limits", {}), resources.get("requests", {})
    for part, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            here = f"{path}.{part}[{name}]"
            for text in qualified_name(name):
                yield invalid(f"{path}.{part}", name, text)
            if "/" not in name and not _standard_resource(name):
                yield invalid(here, name, "must be a standard resource type or fully qualified")
                yield invalid(here, name, "must be a standard resource for containers")
            if _amount(amount) < 0:
                yield invalid(here, amount, "must be greater than or equal to 0")
    for name, amount in requests.items():
        if name in limits and not _overcommits(name) and _amount(amount) != _amount(limits[name]):
            yield invalid(f"{path}.requests", amount, f"must be equal to {name} limit of {limits[name]}")
        elif name in limits and _amount(amount) > _amount(limits[name]):
            yield invalid(f"{path}.requests", amount, f"must be less than or equal to {name} limit of {limits[name]}")
        elif name not in limits and not _overcommits(name):
            yield required(f"{path}.limits", "Limit must be set for non overcommitable resources")
    named = {*limits, *requests}
    if any(name.startswith("hugepages-") for name in named) and not named & {"cpu", "memory"}:
        yield forbidden(path, "HugePages require cpu or memory")


def _overcommits(name: str) -> bool:
    """Whether more of it may be promised than there is: not of huge pages, nor of what devices offer."""
    prefix, slash, _ = name.rpartition("/")
    return not name.startswith("hugepages-") and (not slash or prefix.endswith("kubernetes.io"))


def _standard_resource(name: str) -> bool:
    return name in {"cpu", "memory", "ephemeral-storage"} or name.startswith("hugepages-")


def _amount(text: str) -> Any:
    return quantity.value(text) or 0
