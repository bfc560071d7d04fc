"""What the plugin can be told, each as an option and as an ini setting: name, default, what it decides."""

from __future__ import annotations

from typing import Final

OPTIONS: Final = {
    "cluster": (
        "embedded",
        "where the cluster comes from: embedded (no Docker, starts in a second) or k3s (containers)",
    ),
    "nodes": ("3", "how many workers a cluster has at the start of each test"),
    "controller": (
        "builtin",
        "the controller under test: builtin, none, 'command: …', 'python: package.module:main' or 'manifest: PATH'",
    ),
    "controller_ready": (
        "",
        "when a command: or python: controller counts as started: 'log: REGEX', 'http: URL', 'lease: NAMESPACE/NAME' or 'write'",
    ),
    "controller_timeout": ("30", "seconds that the controller may take until it is ready"),
    "controller_replicas": ("1", "how many processes of the controller run; they elect a leader by themselves"),
    "controller_service_account": (
        "",
        "namespace/name of the ServiceAccount that a command: or python: controller is, so that its own roles apply",
    ),
    "controller_manifests": (
        "",
        "manifests that are applied before the controller starts: roles, bindings, definitions",
    ),
    "controller_images": (
        "",
        "images that every node has before a manifest: controller starts: names on the Docker daemon, or paths of tars",
    ),
    "profile": ("", "what is known of the controller and its kind: a shipped profile, or the path of a TOML file"),
    "kind": (
        "",
        "the kind under test, as plural.version.group, such as daemonsets.v1beta1.apps.kruise.io; the profile's if empty",
    ),
    "k3s_image": ("", "k3s: the image, with or without a tag; k3s's own if empty"),
    "k3s_version": ("", "k3s: its version, such as v1.36.4+k3s1; a pinned one if empty"),
    "k3s_privileged": ("yes", "k3s: whether the nodes' containers are privileged, as real kubelets need"),
    "k3s_virtual": ("no", "k3s: virtual nodes on k3s's control plane, so that nothing needs to be privileged"),
    "k3s_fast_not_ready": ("no", "k3s: notice a node that is gone after 8 s instead of 40"),
    "k3s_images": ("", "k3s: images of the Docker daemon, or tars, that every node has from the beginning"),
    "k3s_tiny_images": ("", "k3s: names under which every node has an image that only waits"),
    "k3s_env": ("", "k3s: environment variables of all containers, NAME=VALUE,…"),
    "k3s_clusters": ("", "k3s: how many clusters pytest-xdist may start at once; by processors and memory if empty"),
    "keep": ("no", "keep the k3s cluster after the session, and say how to reach and to remove it"),
    "history": ("", "a folder that keeps, for each failed test, what was watched (JSON lines)"),
}
