"""What the server says about itself: versions, groups, resources, in the plain and the aggregated form."""

from __future__ import annotations

import base64
import hashlib
import sys
from typing import TYPE_CHECKING, Any

import orjson

from pytest_daemonset.embedded import forms, media
from pytest_daemonset.embedded.kinds.fields import MESSAGES
from pytest_daemonset.embedded.reviews import REVIEWS
from pytest_daemonset.embedded.versions import priority

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_daemonset.embedded.calls import Served
    from pytest_daemonset.embedded.kinds.kind import Kind
    from pytest_daemonset.embedded.media import Form

Object = dict[str, Any]

_REVIEWED = frozenset(kind.group for kind in REVIEWS)
_OBJECT_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
_CUSTOM_VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
_PART_VERBS = {"binding": ["create"], "eviction": ["create"], "token": ["create"], "finalize": ["update"]}
_PART_KINDS = {
    "binding": ("", "v1", "Binding"),
    "eviction": ("policy", "v1", "Eviction"),
    "scale": ("autoscaling", "v1", "Scale"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
}

VERSION = orjson.dumps(
    {
        "major": "1",
        "minor": "36",
        "emulationMajor": "1",
        "emulationMinor": "36",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": "v1.36.2+pytest-daemonset",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "cpython" + ".".join(map(str, sys.version_info[:2])),
        "platform": "linux/amd64",
    }
)


def verbs(kind: Kind) -> list[str]:
    """What may be done with the objects of a kind. Namespaces go one by one, and reviews are only asked."""
    if kind.group in _REVIEWED:
        return ["create"]
    if kind.schema is not None:
        return _CUSTOM_VERBS
    if (kind.group, kind.kind) == ("", "Namespace"):
        return [verb for verb in _OBJECT_VERBS if verb != "deletecollection"]
    return _OBJECT_VERBS


def _known(group: str, names: str) -> frozenset[tuple[str, str]]:
    return frozenset((group, name) for name in names.split())


UNIMITATED = (
    _known(
        "",
        "bindings componentstatuses pods/attach pods/ephemeralcontainers pods/exec pods/log pods/portforward pods/proxy pods/resize "
        "nodes/proxy services/proxy watch",
    )
    | _known("networking.k8s.io", "ipaddresses servicecidrs")
    | _known("coordination.k8s.io", "leasecandidates")
)
"""Resources that Kubernetes has by default and that are not imitated, in groups of which something is served."""

_UNIMITATED_GROUPS = frozenset(
    {
        "apiregistration.k8s.io",
        "autoscaling",
        "coordination.k8s.io",
        "flowcontrol.apiserver.k8s.io",
    }
)
_ORDER = (
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
)
"""In which order groups are told: who asks for a short name that several have gets the first. Those of custom resources follow."""

_UNIMITATED_PATHS = ("/metrics", "/logs", "/.well-known", "/debug", "/configz", "/flagz", "/statusz")


def unimitated_path(path: str) -> str:
    """What Kubernetes has at a path that is not served here; "" if it has nothing either."""
    parts = path.split("/")
    if len(parts) > 2 and parts[1] == "apis" and parts[2] in _UNIMITATED_GROUPS:
        return f"the API group {parts[2]}"
    if any(path == each or path.startswith(each + "/") for each in _UNIMITATED_PATHS):
        return path
    return ""


_FIXED = {
    "/": orjson.dumps(
        {
            "paths": [
                "/api",
                "/api/v1",
                "/apis",
                "/healthz",
                "/livez",
                "/openapi/v2",
                "/openapi/v3",
                "/readyz",
                "/version",
            ]
        }
    ),
    "/version": VERSION,
}


def _encode(form: Form, told: Object) -> bytes:
    if form.media_type == media.PROTOBUF and told["kind"] == "APIResourceList":
        # verbs are a list in JSON, and a message that has one in protobuf
        resources = [{**each, "verbs": {"items": each["verbs"]}} for each in told["resources"]]
        told = {**told, "resources": resources}
    return forms.encode(form, told, MESSAGES[told["kind"]])


def _storage_hash(kind: Kind) -> str:
    """Changes with the version in which objects are kept."""
    said = f"{kind.group}/{kind.storage_version or kind.version}/{kind.kind}".encode()
    return base64.b64encode(hashlib.sha256(said).digest()[:8]).decode()


def _rank(group: str) -> int:
    return _ORDER.index(group) if group in _ORDER else len(_ORDER)


class Discovery:
    """Answers to GET on the roots, groups and versions; each encoded once in each form."""

    def __init__(self, served: Mapping[str, Served]) -> None:
        self._kinds = [*(each.kind for each in served.values()), *REVIEWS]
        groups = list(dict.fromkeys(kind.group for kind in self._kinds))
        named = sorted((group for group in groups if group), key=_rank)
        self._told: dict[str, Object] = {
            "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [self._group(group) for group in named]},
        }
        for group in named:
            self._told[f"/apis/{group}"] = {"kind": "APIGroup", "apiVersion": "v1", **self._group(group)}
        for group in groups:
            for version in self._versions(group):
                path = f"/apis/{group}/{version}" if group else f"/api/{version}"
                self._told[path] = self._resources(group, version)
        self._aggregated = {"/api": self._aggregate([""]), "/apis": self._aggregate(named)}
        self._encoded: dict[tuple[str, Form], bytes] = {}

    @property
    def kinds(self) -> list[tuple[Kind, list[str]]]:
        """All kinds that can be asked for and of which objects are known, with their verbs."""
        return [(kind, verbs(kind)) for kind in self._kinds if not kind.empty]

    def find(self, path: str, accept: str) -> tuple[bytes, str] | None:
        """The body and its content type, or None if nothing is told at that path.

        Raises:
            StatusError: 406.
        """
        path = path.rstrip("/") or "/"
        if path in _FIXED:
            return _FIXED[path], media.JSON
        if path not in self._told:
            return None
        routed = "/apis" not in {
            path,
            path.rpartition("/")[0],
        }  # the groups, and each group, have handlers of the aggregator
        form = media.negotiate_discovery(accept, groups=path in self._aggregated, routed=routed)
        if (path, form) not in self._encoded:
            told = (self._aggregated if form.shape == "groups" else self._told)[path]
            self._encoded[path, form] = _encode(form, told)
        return self._encoded[path, form], form.content_type

    def _versions(self, group: str) -> list[str]:
        return sorted({kind.version for kind in self._kinds if kind.group == group}, key=priority)

    def _group(self, group: str) -> Object:
        versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in self._versions(group)]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}

    def _of(self, group: str, version: str) -> list[Kind]:
        found = (kind for kind in self._kinds if (kind.group, kind.version) == (group, version))
        return sorted(found, key=lambda kind: kind.plural)

    def _resources(self, group: str, version: str) -> Object:
        resources: list[Object] = []
        for kind in self._of(group, version):
            whole: Object = {
                "name": kind.plural,
                "singularName": kind.singular,
                "namespaced": kind.namespaced,
                "kind": kind.kind,
                "verbs": verbs(kind),
            }
            if kind.short_names:
                whole["shortNames"] = kind.short_names
            if kind.categories:
                whole["categories"] = kind.categories
            if kind.group not in _REVIEWED:
                whole["storageVersionHash"] = _storage_hash(kind)
            resources.append(whole)
            for part in kind.subresources:
                entry: Object = {"name": f"{kind.plural}/{part}", "singularName": "", "namespaced": kind.namespaced}
                if part in _PART_KINDS:
                    entry["group"], entry["version"], entry["kind"] = _PART_KINDS[part]
                else:
                    entry["kind"] = kind.kind
                resources.append({**entry, "verbs": _PART_VERBS.get(part, ["get", "patch", "update"])})
        group_version = f"{group}/{version}" if group else version
        # the core group's list is of an older form, which has no version
        said = {"kind": "APIResourceList", **({"apiVersion": "v1"} if group else {})}
        return {**said, "groupVersion": group_version, "resources": resources}

    def _aggregate(self, groups: list[str]) -> Object:
        items = []
        for group in groups:
            versions = [
                {
                    "version": version,
                    "freshness": "Current",
                    "resources": [_aggregated(kind) for kind in self._of(group, version)],
                }
                for version in self._versions(group)
            ]
            items.append({"metadata": {"name": group, "creationTimestamp": None}, "versions": versions})
        return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _aggregated(kind: Kind) -> Object:
    told: Object = {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": verbs(kind),
    }
    if kind.short_names:
        told["shortNames"] = kind.short_names
    if kind.categories:
        told["categories"] = kind.categories
    if kind.subresources:
        told["subresources"] = [_aggregated_part(kind, part) for part in kind.subresources]
    return told


def _aggregated_part(kind: Kind, part: str) -> Object:
    group, version, name = _PART_KINDS.get(part, (kind.group, kind.version, kind.kind))
    return {
        "subresource": part,
        "responseKind": {"group": group, "version": version, "kind": name},
        "verbs": _PART_VERBS.get(part, ["get", "patch", "update"]),
    }
