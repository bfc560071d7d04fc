"""Objects that the tests of all clients make."""

from __future__ import annotations

from typing import Any


def daemon_set(name: str, image: str = "busybox:1.36", **spec: Any) -> dict[str, Any]:
    """A small DaemonSet."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": image, "ports": [{"containerPort": 80}]}]},
            },
            **spec,
        },
    }
