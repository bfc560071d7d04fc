"""What is filled in where the specification of a pod, or of a pod template, says nothing."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

_TERMINATION_LOG = "/dev/termination-log"
_MODE_0644 = 0o644


def default_template(spec: Object) -> None:
    """Fill in what both a template and a pod have."""
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    # serviceAccount is the deprecated name of serviceAccountName; both are always answered.
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for part in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(part) or []:
            _default_container(container)
    for volume in spec.get("volumes", []):
        _default_volume(volume)


def default_pod(spec: Object) -> None:
    """Fill in what a pod has and a template does not."""
    default_template(spec)
    spec.setdefault("enableServiceLinks", True)
    for container in [*spec.get("initContainers", []), *(spec.get("containers") or [])]:
        resources = container["resources"]
        for name, limit in resources.get("limits", {}).items():
            resources.setdefault("requests", {}).setdefault(name, limit)
        for port in container.get("ports", []) if spec.get("hostNetwork") else []:
            if not port.get("hostPort"):
                port["hostPort"] = port["containerPort"]


def _default_container(container: Object) -> None:
    container.setdefault("terminationMessagePath", _TERMINATION_LOG)
    container.setdefault("terminationMessagePolicy", "File")
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = _pull_policy(container.get("image", ""))
    for port in container.get("ports", []):
        port.setdefault("protocol", "TCP")
    for variable in container.get("env", []):
        _default_field(variable.get("valueFrom", {}).get("fieldRef"))
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if name in container:
            _default_probe(container[name])
    for handler in container.get("lifecycle", {}).values():
        if isinstance(handler, dict):
            _default_http(handler)


def _pull_policy(image: str) -> str:
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in {"", "latest"} else "IfNotPresent"


def _default_probe(probe: Object) -> None:
    defaults = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
    for name, value in defaults.items():
        probe.setdefault(name, value)
    _default_http(probe)


def _default_http(handler: Object) -> None:
    if "httpGet" in handler:
        handler["httpGet"].setdefault("path", "/")
        handler["httpGet"].setdefault("scheme", "HTTP")


def _default_field(reference: Object | None) -> None:
    if reference is not None:
        reference.setdefault("apiVersion", "v1")


def _default_volume(volume: Object) -> None:
    if len(volume) == 1:
        volume["emptyDir"] = {}
    if "hostPath" in volume:
        volume["hostPath"].setdefault("type", "")
    for name in ("secret", "configMap", "downwardAPI", "projected"):
        if name in volume:
            volume[name].setdefault("defaultMode", _MODE_0644)
    for source in (volume.get("projected") or {}).get("sources") or []:
        if "serviceAccountToken" in source:
            source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
        _default_items(source.get("downwardAPI"))
    _default_items(volume.get("downwardAPI"))
    if "iscsi" in volume:
        volume["iscsi"].setdefault("iscsiInterface", "default")
    if "rbd" in volume:
        for name, value in (("pool", "rbd"), ("user", "admin"), ("keyring", "/etc/ceph/keyring")):
            volume["rbd"].setdefault(name, value)
    if "azureDisk" in volume:
        defaults = {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False}
        volume["azureDisk"].update({**defaults, **volume["azureDisk"]})
    if "scaleIO" in volume:
        volume["scaleIO"].setdefault("storageMode", "ThinProvisioned")
        volume["scaleIO"].setdefault("fsType", "xfs")
    claim = volume.get("ephemeral", {}).get("volumeClaimTemplate")
    if claim is not None:
        claim["spec"].setdefault("volumeMode", "Filesystem")
    if "image" in volume and not volume["image"].get("pullPolicy"):
        volume["image"]["pullPolicy"] = _pull_policy(volume["image"].get("reference", ""))


def _default_items(source: Object | None) -> None:
    for item in (source or {}).get("items", []):
        _default_field(item.get("fieldRef"))
