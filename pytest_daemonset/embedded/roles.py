"""The roles and bindings that a cluster has from the start, of those that matter here (kubernetes, rbac/bootstrappolicy)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_daemonset.embedded.api import Api
    from pytest_daemonset.embedded.calls import Caller

Object = dict[str, Any]

_GROUP = "rbac.authorization.k8s.io"
_LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_READ = "get list watch"
_WRITE = "create delete deletecollection patch update"
_ALL = f"{_READ} {_WRITE}"


def _rule(verbs: str, groups: str, resources: str) -> Object:
    """Groups are separated by spaces, `core` standing for the core group."""
    names = ["" if name == "core" else name for name in groups.split()]
    return {"verbs": verbs.split(), "apiGroups": names, "resources": resources.split()}


def _urls(*urls: str) -> Object:
    return {"verbs": ["get"], "nonResourceURLs": list(urls)}


_EVENTS = _rule("create patch update", "core events.k8s.io", "events")
_DISCOVERY = ("/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*")
_HEALTH = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_VIEWED = (
    _rule(
        _READ,
        "core",
        "configmaps events namespaces pods pods/status serviceaccounts resourcequotas resourcequotas/status",
    ),
    _rule(_READ, "apps", "controllerrevisions daemonsets daemonsets/status"),
    _rule(_READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
)
_EDITED = (
    *_VIEWED,
    _rule(_ALL, "core", "configmaps events pods secrets serviceaccounts"),
    _rule("create", "core", "pods/eviction serviceaccounts/token"),
    _rule(_ALL, "apps", "daemonsets"),
    _rule(_ALL, "policy", "poddisruptionbudgets"),
    _rule(_ALL, "coordination.k8s.io", "leases"),
)
_EVERYTHING = ({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, {"verbs": ["*"], "nonResourceURLs": ["*"]})

_ROLES: tuple[tuple[str, tuple[Object, ...], tuple[tuple[str, str], ...]], ...] = (
    ("cluster-admin", _EVERYTHING, (("Group", "system:masters"),)),
    ("admin", (*_EDITED, _rule(_ALL, _GROUP, "roles rolebindings")), ()),
    ("edit", _EDITED, ()),
    ("view", _VIEWED, ()),
    ("system:discovery", (_urls(*_DISCOVERY, *_HEALTH),), (("Group", "system:authenticated"),)),
    (
        "system:public-info-viewer",
        (_urls(*_HEALTH),),
        (("Group", "system:authenticated"), ("Group", "system:unauthenticated")),
    ),
    (
        "system:basic-user",
        (
            _rule("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
            _rule("create", "authentication.k8s.io", "selfsubjectreviews"),
        ),
        (("Group", "system:authenticated"),),
    ),
    (
        "system:node",
        (
            _rule("create get list watch update patch", "core", "nodes"),
            _rule("update patch", "core", "nodes/status pods/status"),
            _rule("get list watch create delete", "core", "pods"),
            _rule("create", "core", "pods/eviction serviceaccounts/token"),
            _rule(_READ, "core", "configmaps secrets serviceaccounts"),
            _rule("get create update patch delete", "coordination.k8s.io", "leases"),
            _EVENTS,
        ),
        (("Group", "system:nodes"),),
    ),
    (
        "system:kube-scheduler",
        (
            _rule(_READ, "core", "nodes namespaces pods"),
            _rule("delete", "core", "pods"),
            _rule("create", "core", "pods/binding bindings"),
            _rule("patch update", "core", "pods/status"),
            _rule("create get list update watch", "coordination.k8s.io", "leases"),
            _rule(_READ, "policy", "poddisruptionbudgets"),
            _EVENTS,
        ),
        (("User", "system:kube-scheduler"),),
    ),
    (
        "system:controller:daemon-set-controller",
        (
            _rule("get list watch", "extensions apps", "daemonsets"),
            _rule("update", "extensions apps", "daemonsets/status daemonsets/finalizers"),
            _rule("list watch", "core", "nodes"),
            _rule("list watch create delete patch", "core", "pods"),
            _rule("create", "core", "pods/binding"),
            _rule("get list watch create delete update patch", "apps", "controllerrevisions"),
            _EVENTS,
        ),
        (("ServiceAccount", "kube-system/daemon-set-controller"),),
    ),
)


def provide(api: Api, caller: Caller) -> None:
    """Create them."""
    for name, rules, subjects in _ROLES:
        metadata = {"name": name, "labels": _LABELS}
        api.create(caller, f"clusterroles.{_GROUP}", "", {"metadata": dict(metadata), "rules": list(rules)})
        if subjects:
            binding = {
                "metadata": dict(metadata),
                "subjects": [_subject(kind, who) for kind, who in subjects],
                "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": name},
            }
            api.create(caller, f"clusterrolebindings.{_GROUP}", "", binding)


def _subject(kind: str, who: str) -> Object:
    if kind == "ServiceAccount":
        namespace, _, name = who.partition("/")
        return {"kind": kind, "name": name, "namespace": namespace}
    return {"apiGroup": _GROUP, "kind": kind, "name": who}
