"""Whether the specification of a pod, or of a pod template, is right."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

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

    Rules = Callable[[dict[str, Any], str], Iterator[FieldError]]

Object = dict[str, Any]

_RESTART = ("Always", "OnFailure", "Never")
_DNS = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_SYSTEMS = ("linux", "windows")
_WHERE = ("nodeName", "affinity")
_SHORT = 16 * 1024  # a specification that is longer is not remembered
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
        *judge(validate_spec, template["spec"], f"{path}.spec"),
        *(
            [forbidden(f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")]
            if ephemeral
            else ()
        ),
    ]


def judge(rules: Rules, spec: Object, path: str) -> list[FieldError]:
    """Tell what is wrong with the specification of a pod, by `validate_spec` and perhaps more.

    The pods of a set say the same but for where they are to run: that they are right in all else is found out once.
    """
    shared = orjson.dumps({name: value for name, value in spec.items() if name not in _WHERE})
    if len(shared) <= _SHORT and _is_right(rules, shared) and not any(_validate_where(spec, path)):
        return []
    return list(rules(spec, path))


@lru_cache(maxsize=512)
def _is_right(rules: Rules, encoded: bytes) -> bool:
    return not any(rules(orjson.loads(encoded), ""))


def _validate_where(spec: Object, path: str) -> Iterator[FieldError]:
    """What `validate_spec` says about `_WHERE`."""
    if "affinity" in spec:
        yield from validate_affinity(spec["affinity"], f"{path}.affinity")
    if name := spec.get("nodeName"):
        for text in dns_subdomain(name):
            yield invalid(f"{path}.nodeName", name, text)
    yield from _validate_gated(spec, path)


def _validate_fields(spec: Object, path: str) -> Iterator[FieldError]:
    for name, validate in _PARTS:
        if name in spec:
            yield from validate(spec[name], f"{path}.{name}")
    for name, rule in _NAMES:
        if spec.get(name):
            for text in rule(spec[name]):
                yield invalid(f"{path}.{name}", spec[name], text)


def _validate_gated(spec: Object, path: str) -> Iterator[FieldError]:
    if spec.get("schedulingGates") and spec.get("nodeName"):
        yield forbidden(f"{path}.nodeName", "cannot be set until all schedulingGates have been cleared")


def validate_spec(spec: Object, path: str) -> Iterator[FieldError]:
    """Tell what is wrong with the specification of a pod or a template."""
    if "volumes" in spec:
        yield from _validate_volumes(spec["volumes"], f"{path}.volumes")
    yield from validate_containers(spec, path)
    if spec.get("restartPolicy") not in _RESTART:
        yield not_supported(f"{path}.restartPolicy", spec.get("restartPolicy"), _RESTART)
    yield from _validate_dns(spec, path)
    yield from _validate_fields(spec, path)
    if not 1 <= spec.get("activeDeadlineSeconds", 1) < 2**31:
        text = "must be between 1 and 2147483647, inclusive"
        yield invalid(f"{path}.activeDeadlineSeconds", spec["activeDeadlineSeconds"], text)
    if spec.get("hostPID") and spec.get("shareProcessNamespace"):
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid(f"{path}.securityContext.shareProcessNamespace", True, text)
    if spec.get("preemptionPolicy", "Never") not in _PREEMPTION:
        yield not_supported(f"{path}.preemptionPolicy", spec["preemptionPolicy"], _PREEMPTION)
    for index, alias in enumerate(spec.get("hostAliases", [])):
        if not is_address(alias["ip"]):
            yield invalid(f"{path}.hostAliases[{index}].ip", alias["ip"], "must be a valid IP address")
    yield from _validate_gated(spec, path)


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
        if not is_address(server):
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


def is_address(text: str) -> bool:
    """Whether it is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
