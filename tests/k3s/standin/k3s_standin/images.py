"""The images that a node has: those whose tars lay in the images folder when the agent started, and what ``ctr images
import`` brought. The folder is not watched, as in k3s before 2025. There is no registry."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

from k3s_standin.rootfs import unpack
from pytest_daemonset.kubelets import pods as views
from pytest_daemonset.kubelets.kubelet import Kubelet

FOLDER = Path("/var/lib/rancher/k3s/agent/images")
IMPORTED = Path("/var/lib/rancher/k3s/agent/imported")
SANDBOX = "rancher/mirrored-pause:3.6"  # k3s's own choice

Object = dict[str, Any]


def names_in(path: Path) -> set[str]:
    """The names in an image tar as ``docker save`` writes it."""
    with tarfile.open(path) as archive:  # compressed or not
        manifest = archive.extractfile("manifest.json")
        if manifest is None:
            raise ValueError(f"{path} has no manifest.json")
        return {canonical(name) for row in json.load(manifest) for name in row.get("RepoTags") or []}


def canonical(name: str) -> str:
    """With registry, folder and tag, as containerd keeps it."""
    first, slash, _ = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif "." not in first and ":" not in first and first != "localhost":
        name = f"docker.io/{name}"
    return name if ":" in name.rpartition("/")[2] or "@" in name else f"{name}:latest"


def take(path: Path) -> set[str]:
    """Import a tar: what it brings stays, also over a restart of the container."""
    names = names_in(path)
    unpack(path, canonical)
    IMPORTED.mkdir(parents=True, exist_ok=True)
    for name in names:
        (IMPORTED / hashlib.sha256(name.encode()).hexdigest()).write_text(name)
    return names


def take_folder() -> None:
    """What an agent does once, before its node is Ready."""
    for path in sorted(FOLDER.glob("*.tar*")) if FOLDER.exists() else []:
        take(path)


class _Loaded:
    def __init__(self) -> None:
        self.names: set[str] = set()
        self.sandbox = canonical(SANDBOX)

    def rescan(self) -> None:
        """Look again at what was imported."""
        self.names = {path.read_text() for path in IMPORTED.iterdir()} if IMPORTED.exists() else set()


loaded = _Loaded()


class ImageKubelet(Kubelet):
    """A virtual kubelet that starts a pod only if its node has the images, that of the sandbox too."""

    __slots__ = ()

    def _next(self, uid: str) -> Object | str | None:
        step = super()._next(uid)
        pod = self.pods.get(uid)
        if not isinstance(step, dict) or pod is None or views.phase(pod) != "Pending":
            return step
        missing = [one for one in pod["spec"]["containers"] if canonical(one["image"]) not in loaded.names]
        if (step.get("status") or {}).get("phase") != "Running":
            return step
        if loaded.sandbox not in loaded.names:
            return None  # without a sandbox no container is so much as waited for
        if not missing:
            return step
        said = (pod.get("status") or {}).get("containerStatuses")
        if said and all((row.get("state") or {}).get("waiting", {}).get("reason") for row in said):
            return None
        return {"status": {"containerStatuses": [_waiting(one) for one in missing]}}


def _waiting(container: Object) -> Object:
    message = f'failed to pull and unpack image "{canonical(container["image"])}": no registry can be reached'
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": {"waiting": {"reason": "ErrImagePull", "message": message}},
    }
