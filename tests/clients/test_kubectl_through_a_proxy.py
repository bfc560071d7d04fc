"""kubectl does not notice a proxy between it and the API: protobuf, tables, patches and watches pass."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from client_objects import daemon_set

from pytest_daemonset.controllers.credentials import written
from pytest_daemonset.kube.config import Kubeconfig
from pytest_daemonset.observe.portal import Portal
from pytest_daemonset.proxy.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def through(kubeconfig: Path, tmp_path: Path) -> Iterator[str]:
    """The option that leads kubectl through a proxy."""
    upstream, portal = Kubeconfig.load(kubeconfig), Portal()
    portal.start()
    proxy = Proxy(upstream)
    try:
        portal.call(proxy.start)
        path = tmp_path / "through.kubeconfig"
        path.write_text(json.dumps(written(Kubeconfig(proxy.server, ca=proxy.authority), "me", upstream.token or "")))
        yield f"--kubeconfig={path}"
        portal.call(proxy.close)
    finally:
        portal.stop()


def test_kubectl_works_through_it(kubectl, namespace, through):
    kubectl(through, "create", "configmap", "x", "--from-literal=a=b", "-n", namespace)
    assert kubectl(through, "get", "configmap", "x", "-n", namespace, "-o", "jsonpath={.data.a}") == "b"
    kubectl(through, "apply", "-n", namespace, "-f", "-", stdin=json.dumps(daemon_set("agent")))
    kubectl(through, "rollout", "status", "-n", namespace, "daemonset/agent", "--timeout=50s")
    assert len(kubectl(through, "get", "nodes", "-o", "wide").splitlines()) == 4
    kubectl(through, "wait", "-n", namespace, "--for=condition=Ready", "pod", "-l", "app=agent", "--timeout=50s")
    kubectl(through, "delete", "daemonset", "agent", "-n", namespace)
    assert "NotFound" in kubectl(through, "get", "daemonset", "agent", "-n", namespace, code=1)
