"""Whether the specification of a pod, or of a pod template, is right."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from pytest_daemonset.embedded.kinds.affinities import validate_affinity, validate_spreading
from pytest_daemonset.embedded.kinds.containers import validate_containers, validate_ids
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
from pytest_daemonset.embedded.kinds.names import dns_label, dns_subdomain
from pytest_daemonset.embedded.kinds.taints import validate_tolerations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Object = dict[str, Any]

_RESTART = ("Always", "OnFailure", "Never")
_DNS = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
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
_VOLUME_SOURCES = tuple(MESSAGES["VolumeSource"].fields)
# What a volume must say, beside its kind.
_REQUIRED_IN_VOLUMES = (
    ("configMap", "name"),
    ("secret", "secretName"),
    ("persistentVolumeClaim", "claimName"),
    ("csi", "driver"),
    ("nfs", "server"),
    ("nfs", "path"),
)


def _validate_pull_secrets(secrets: list[Object], path: str) -> Iterator[FieldError]:
    for index, secret in enumerate(secrets):
        if not secret.get("name"):
            yield required(f"{path}[{index}].name")


# The parts of a specification that can be judged by themselves, and the names in it.
_PARTS: tuple[tuple[str, Callable[[Any, str], Iterable[FieldError]]], ...] = (
    ("nodeSelector", validate_labels),
    ("securityContext", validate_ids),
    ("imagePullSecrets", _validate_pull_secrets),
    ("affinity", validate_affinity),
    ("topologySpreadConstraints", validate_spreading),
    ("tolerations", validate_tolerations),
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
    return [
        *validate_labels(meta.get("labels", {}), f"{path}.labels"),
        *validate_annotations(meta.get("annotations", {}), f"{path}.annotations"),
        *validate_spec(template["spec"], f"{path}.spec"),
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
    for index, alias in enumerate(spec.get("hostAliases", [])):
        if not _is_address(alias["ip"]):
            yield invalid(f"{path}.hostAliases[{index}].ip", alias["ip"], "must be a valid IP address")
    if spec.get("schedulingGates") and spec.get("nodeName"):
        yield forbidden(f"{path}.nodeName", "cannot be set until all schedulingGates have been cleared")


def _validate_dns(spec: Object, path: str) -> Iterator[FieldError]:
    policy, config = spec.get("dnsPolicy"), spec.get("dnsConfig", {})
    if policy not in _DNS:
        yield not_supported(f"{path}.dnsPolicy", policy, _DNS)
    if policy == "None" and not config.get("nameservers"):
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
