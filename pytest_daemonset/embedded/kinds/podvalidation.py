"""Whether the specification of a pod, or of a pod template, is right."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.kinds.affinities import validate_affinity, validate_spreading
from pytest_daemonset.embedded.kinds.containers import validate_containers, validate_ids, validate_seccomp
from pytest_daemonset.embedded.kinds.fielderrors import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from pytest_daemonset.embedded.kinds.fields import MESSAGES
from pytest_daemonset.embedded.kinds.metadata import validate_annotations, validate_labels
from pytest_daemonset.embedded.kinds.names import dns_label, dns_subdomain, qualified_name
from pytest_daemonset.embedded.kinds.taints import validate_tolerations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Object = dict[str, Any]

_RESTART = ("Always", "OnFailure", "Never")
_DNS = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_SYSTEMS = ("linux", "windows")
_PREEMPTION = ("PreemptLowerPriority", "Never")
_SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?", re.ASCII)
_HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
# In the order in which they are looked at.
_VOLUME_SOURCES = ("emptyDir", *(name for name in MESSAGES["VolumeSource"].fields if name != "emptyDir"))
# What a volume must say, beside its kind.
_REQUIRED_IN_VOLUMES = (
    ("configMap", "name"),
    ("secret", "secretName"),
    ("persistentVolumeClaim", "claimName"),
    ("csi", "driver"),
    ("nfs", "server"),
    ("nfs", "path"),
)


def _validate_context(context: Object, path: str) -> Iterator[FieldError]:
    yield from validate_ids(context, path)
    yield from validate_seccomp(context, path)
    for index, sysctl in enumerate(context.get("sysctls", [])):
        name = sysctl.get("name", "")
        if not name:
            yield required(f"{path}.sysctls[{index}].name")
        elif len(name) > 253 or not _SYSCTL.fullmatch(name):
            text = f"must have at most 253 characters and match regex ^{_SYSCTL.pattern}$"
            yield invalid(f"{path}.sysctls[{index}].name", name, text)


def _validate_gates(gates: list[Object], path: str) -> Iterator[FieldError]:
    for index, gate in enumerate(gates):
        condition = gate.get("conditionType", "")
        for text in qualified_name(condition):
            yield invalid(f"{path}[{index}].conditionType", condition, text)


def _validate_system(system: Object, path: str) -> Iterator[FieldError]:
    if not system.get("name"):
        yield required(f"{path}.name", "cannot be empty")
    elif system["name"] not in _SYSTEMS:
        yield not_supported(path, system["name"], _SYSTEMS)


# The parts of a specification that can be judged by themselves, and the names in it.
_PARTS: tuple[tuple[str, Callable[[Any, str], Iterable[FieldError]]], ...] = (
    ("nodeSelector", validate_labels),
    ("securityContext", _validate_context),
    ("affinity", validate_affinity),
    ("topologySpreadConstraints", validate_spreading),
    ("tolerations", validate_tolerations),
    ("readinessGates", _validate_gates),
    ("os", _validate_system),
)
_NAMES = (
    ("serviceAccountName", dns_subdomain),
    ("nodeName", dns_subdomain),
    ("hostname", dns_label),
    ("subdomain", dns_label),
    ("priorityClassName", dns_subdomain),
    ("runtimeClassName", dns_subdomain),
)


def validate_template(template: Object, path: str) -> list[FieldError]:
    """Tell what is wrong with a pod template."""
    meta = template["metadata"]
    ephemeral = template["spec"].get("ephemeralContainers")
    return [
        *validate_labels(meta.get("labels", {}), f"{path}.labels"),
        *validate_annotations(meta.get("annotations", {}), f"{path}.annotations"),
        *validate_spec(template["spec"], f"{path}.spec"),
        *(
            [forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")]
            if ephemeral
            else ()
        ),
    ]


def validate_spec(spec: Object, path: str) -> list[FieldError]:
    """Tell what is wrong with the specification of a pod."""
    return list(_validate(spec, path))


def _validate(spec: Object, path: str) -> Iterator[FieldError]:
    if "volumes" in spec:
        yield from _validate_volumes(spec["volumes"], f"{path}.volumes")
    yield from validate_containers(spec, path)
    if spec.get("restartPolicy") not in _RESTART:
        yield not_supported(f"{path}.restartPolicy", spec.get("restartPolicy"), _RESTART)
    yield from _validate_dns(spec, path)
    for name, validate in _PARTS:
        if name in spec:
            yield from validate(spec[name], f"{path}.{name}")
    for name, rule in _NAMES:
        if spec.get(name):
            for text in rule(spec[name]):
                yield invalid(f"{path}.{name}", spec[name], text)
    if not 1 <= spec.get("activeDeadlineSeconds", 1) < 2**31:
        text = "must be between 1 and 2147483647, inclusive"
        yield invalid(f"{path}.activeDeadlineSeconds", spec["activeDeadlineSeconds"], text)
    if spec.get("hostPID") and spec.get("shareProcessNamespace"):
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid(f"{path}.securityContext.shareProcessNamespace", True, text)
    if spec.get("preemptionPolicy", "Never") not in _PREEMPTION:
        yield not_supported(f"{path}.preemptionPolicy", spec["preemptionPolicy"], _PREEMPTION)
    for index, alias in enumerate(spec.get("hostAliases", [])):
        if not _is_address(alias["ip"]):
            yield invalid(f"{path}.hostAliases[{index}].ip", alias["ip"], "must be a valid IP address")
    if spec.get("schedulingGates") and spec.get("nodeName"):
        yield forbidden(f"{path}.nodeName", "cannot be set until all schedulingGates have been cleared")


def _validate_dns(spec: Object, path: str) -> Iterator[FieldError]:
    policy, config = spec.get("dnsPolicy"), spec.get("dnsConfig", {})
    if policy not in _DNS:
        yield not_supported(f"{path}.dnsPolicy", policy, _DNS)
    if policy == "None" and "dnsConfig" not in spec:
        yield required(f"{path}.dnsConfig", "must provide `dnsConfig` when `dnsPolicy` is None")
    elif policy == "None" and not config.get("nameservers"):
        text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        yield required(f"{path}.dnsConfig.nameservers", text)
    for index, server in enumerate(config.get("nameservers", [])):
        if not _is_address(server):
            yield invalid(f"{path}.dnsConfig.nameservers[{index}]", server, "must be a valid IP address")


def _validate_volumes(volumes: list[Object], path: str) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        here, name = f"{path}[{index}]", volume["name"]
        if not name:
            yield required(f"{here}.name")
        elif wrong := dns_label(name):
            for text in wrong:
                yield invalid(f"{here}.name", name, text)
        elif name in names:
            yield duplicate(f"{here}.name", name)
        names.add(name)
        given = [source for source in _VOLUME_SOURCES if source in volume]
        if not given:
            yield required(here, "must specify a volume type")
        for source in given[1:]:
            yield forbidden(f"{here}.{source}", "may not specify more than 1 volume type")
        for source, field in _REQUIRED_IN_VOLUMES:
            if source in given and not volume[source].get(field):
                yield required(f"{here}.{source}.{field}")
        if "hostPath" in given:
            yield from _validate_host_path(volume["hostPath"], f"{here}.hostPath")


def _validate_host_path(source: Object, path: str) -> Iterator[FieldError]:
    if not source["path"]:
        yield required(f"{path}.path")
    elif ".." in source["path"].split("/"):
        yield invalid(f"{path}.path", source["path"], "must not contain '..'")
    if source.get("type", "") not in _HOST_PATH_TYPES:
        yield not_supported(f"{path}.type", source["type"], _HOST_PATH_TYPES)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
