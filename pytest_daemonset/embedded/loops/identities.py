"""Who the loops are when they write: the user names of kube-controller-manager's and kube-scheduler's loops."""

from __future__ import annotations

from pytest_daemonset.embedded.calls import Caller


def _controller(name: str) -> Caller:
    groups = ("system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated")
    return Caller(f"system:serviceaccount:kube-system:{name}", groups, f"pytest-daemonset-embedded/{name}")


GARBAGE = _controller("generic-garbage-collector")
NAMESPACES = _controller("namespace-controller")
POD_GC = _controller("pod-garbage-collector")
DISRUPTION = _controller("disruption-controller")
QUOTA = _controller("resourcequota-controller")
SERVICE_ACCOUNTS = _controller("service-account-controller")
SCHEDULER = Caller("system:kube-scheduler", ("system:authenticated",), "pytest-daemonset-embedded/kube-scheduler")
