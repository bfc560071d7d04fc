"""What ``doctor --cluster k3s`` looks at: one line each, with the remedy, within seconds and without starting a cluster."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.clusters.doctor import Finding
from pytest_daemonset.clusters.k3s.settings import K3sConfig
from pytest_daemonset.engine.engine import REMEDY, find_daemon
from pytest_daemonset.engine.tiny_image import NAME as TINY
from pytest_daemonset.engine.tiny_image import image_tar
from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

NEEDED_DISK: Final = 5 * 2**30  # bytes: k3s's image unpacked, and a container's layers for a few nodes
NEEDED_INSTANCES: Final = 512  # inotify instances: a node takes some forty
NEEDED_WATCHES: Final = 65536
_PATIENCE: Final = 4.0  # seconds for an answer of the daemon
_CONTROLLERS: Final = {"cpu": "CpuCfsQuota", "cpuset": "CPUSet", "memory": "MemoryLimit", "pids": "PidsLimit"}
_ONLY_V2: Final = 35  # Kubernetes 1.35 is the first whose kubelets refuse cgroups v1, unless they are told not to
_MODULES: Final = ("overlay", "br_netfilter", "nf_conntrack", "iptable_nat")


def findings(image: str = "") -> Iterator[Finding]:
    """Look at the machine.

    Args:
        image: the image that is to be used; k3s's pinned one when empty.
    """
    wanted = K3sConfig(image=image).full_image
    try:
        client, address = find_daemon(_PATIENCE)
    except UsageError as error:
        yield Finding(False, str(error).splitlines()[0], str(error).partition("\n")[2].strip() or REMEDY)
        return
    with contextlib.closing(client):
        said: dict[str, Any] = client.info()
        yield Finding(True, f"Docker {said.get('ServerVersion')} answers at {address}")
        yield cgroups(said, wanted)
        yield _image(client, wanted)
        yield _privileged(client)
        yield _disk(said)
    for check in (_modules, _inotify):
        yield check()


def cgroups(said: dict[str, Any], image: str) -> Finding:
    """What kubelets in containers will think of the machine's control groups.

    Args:
        said: what the daemon says of itself.
        image: the image of k3s; its tag tells the version.
    """
    version = str(said.get("CgroupVersion", "1"))
    if "rootless" in str(said.get("SecurityOptions")):
        return Finding(
            False,
            "Docker runs rootless: k3s with several nodes does not",
            "use a rootful Docker, or --daemonset-k3s-virtual=yes",
        )
    missing = [name for name, known_as in _CONTROLLERS.items() if said.get(known_as) is False]
    if missing:
        return Finding(
            False,
            f"cgroups v{version} without {', '.join(missing)}: kubelets do not start",
            "enable them in the kernel's command line, such as cgroup_enable=memory; or --daemonset-k3s-virtual=yes",
        )
    minor = re.search(r":v1\.(\d+)\.", image)
    if version == "1" and minor and int(minor[1]) >= _ONLY_V2:
        return Finding(
            False,
            f"cgroups v1, which kubelets refuse from Kubernetes 1.{_ONLY_V2} on",
            "boot with systemd.unified_cgroup_hierarchy=1, take an older --daemonset-k3s-version, or "
            'K3sConfig(agent={"kubelet-arg": ["fail-cgroupv1=false"]})',
        )
    return Finding(True, f"cgroups v{version}, driver {said.get('CgroupDriver')}")


def _image(client: Any, image: str) -> Finding:
    from docker.errors import ImageNotFound

    try:
        size = client.images.get(image).attrs["Size"]
    except ImageNotFound:
        return Finding(
            None, f"image {image} is not there yet", f"the first run pulls it; `docker pull {image}` does it now"
        )
    return Finding(True, f"image {image} is there, {size >> 20} MiB")


def _privileged(client: Any) -> Finding:
    """Starts the tiny image privileged: what the daemon says then is the only sure answer."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    made = None
    try:
        client.images.load(image_tar())
        name = f"pytest-daemonset-doctor-{os.urandom(4).hex()}"
        # No network: what is wrong with Docker's own bridge is another matter.
        made = client.containers.create(TINY, privileged=True, network_mode="none", name=name)
        made.start()
    except (DockerException, RequestException, UsageError) as error:
        why = str(getattr(error, "explanation", None) or error)[:160]
        return Finding(
            False,
            f"privileged containers do not start: {why}",
            "real k3s nodes need them: use a machine or runner that allows them, or --daemonset-k3s-virtual=yes",
        )
    finally:
        with contextlib.suppress(DockerException, RequestException):
            if made is not None:
                made.remove(force=True, v=True)
            client.images.remove(TINY)
    return Finding(True, "privileged containers start")


def _disk(said: dict[str, Any]) -> Finding:
    root = Path(str(said.get("DockerRootDir", "/var/lib/docker")))
    try:
        free = shutil.disk_usage(root).free
    except OSError as error:
        return Finding(None, f"{root} cannot be looked at: {error.strerror}", "see that Docker's disk has 5 GiB free")
    text = f"Docker's disk has {free / 2**30:.1f} GiB free"
    return (
        Finding(True, text) if free >= NEEDED_DISK else Finding(False, text, "free 5 GiB: `docker system prune` helps")
    )


def _modules() -> Finding:
    loaded = _text("/proc/modules").split("\n")
    names = {line.split(" ")[0] for line in loaded if line}
    missing = [name for name in _MODULES if name not in names and not Path(f"/sys/module/{name}").exists()]
    if missing:
        # They may be built in, or loaded by the first privileged container.
        return Finding(
            None,
            f"kernel modules not seen: {', '.join(missing)}",
            f"if nodes stay NotReady: `modprobe {' '.join(missing)}`",
        )
    return Finding(True, "the kernel modules are there")


def _inotify() -> Finding:
    have = {name: _text(f"/proc/sys/fs/inotify/max_user_{name}") for name in ("instances", "watches")}
    if not all(have.values()):
        return Finding(None, "no inotify limits to be seen", "Docker runs elsewhere: look there")
    low = [
        f"fs.inotify.max_user_{name}={least}"
        for name, least in (("instances", NEEDED_INSTANCES), ("watches", NEEDED_WATCHES))
        if int(have[name]) < least
    ]
    text = f"inotify: {have['instances']} instances, {have['watches']} watches"
    if low:
        return Finding(None, f"{text}: too few for ten nodes", "sysctl " + " ".join(f"-w {one}" for one in low))
    return Finding(True, text)


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
