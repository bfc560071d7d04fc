"""Whether a Docker daemon answers here, and the stand-in image on it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
REAL = "DAEMONSET_TEST_K3S_IMAGE"
K3S = os.environ.get(REAL, "")
needs_k3s = pytest.mark.skipif(not K3S, reason=f"{REAL} names no image of k3s, which would have to be pulled")
RUN = "DAEMONSET_TEST_RUN"
"""The environment variable by which the keepers of this run are told from those of others on the same daemon."""
_ENV = dict(os.environ)
FAST_COLLECTION = {"K3S_STANDIN_POD_GC_PERIOD": "1", "K3S_STANDIN_POD_GC_QUARANTINE": "1"}


def why_not() -> str:
    """Why tests that need Docker cannot run here; empty if they can."""
    if shutil.which("docker") is None:
        return "there is no docker command here"
    done = subprocess.run(
        ["docker", "version", "-f", "{{.Server.Version}}"], capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode:
        return f"no Docker daemon answers here: {done.stderr.strip()[:200]}"
    if not os.environ.get("STANDIN_IMAGE") and (shutil.which("debootstrap") is None or os.getuid() != 0):
        return (
            "the stand-in image is built by root with debootstrap (apt install debootstrap), or named in STANDIN_IMAGE"
        )
    return ""


def standin() -> str:
    """The stand-in image, built unless it is there."""
    if named := os.environ.get("STANDIN_IMAGE"):
        return named
    done = subprocess.run(
        [sys.executable, str(HERE / "standin" / "build.py")], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split()[-1]


# What a controller in Python takes of the stand-in image, and what of that it does not: a quarter of the whole is left.
_TAKEN = re.compile(
    r"(usr/)?(lib|lib64|bin/(dash|sh|cat|mkfifo|sleep|python3(\.11)?))(/|$)|bin$|opt/standin(/pytest_daemonset(/(__init__|errors).py|/reference|$)|$)|tmp$"
)
_LEFT = re.compile(r"/(__pycache__|gconv|perl.*|apt|cryptography.*|lib(gnutls|stdc|apt-pkg|db-5|unistring)[^/]*)(/|$)")


def controller_image(base: str) -> str:
    """An image whose container is the reference controller, with the way into the cluster that a pod has.

    Args:
        base: the stand-in image, which has all that it takes.
    """
    name = f"pytest-daemonset.invalid/controller:{base.rpartition(':')[2]}"
    if docker("images", "-q", name):
        return name
    made = docker("create", base).strip()
    try:
        with tempfile.NamedTemporaryFile(suffix=".tar") as file:
            with (
                subprocess.Popen(["docker", "export", made], stdout=subprocess.PIPE) as export,
                tarfile.open(fileobj=export.stdout, mode="r|") as whole,
                tarfile.open(fileobj=file, mode="w") as part,
            ):
                for member in whole:
                    if _TAKEN.match(member.name) and not _LEFT.search(member.name):
                        part.addfile(member, whole.extractfile(member) if member.isreg() else None)
                part.add(HERE / "controller" / "controller.sh", "controller")
            changes = ['ENTRYPOINT ["/bin/sh", "/controller"]', "ENV PYTHONPATH=/opt/standin", "WORKDIR /tmp"]
            docker("import", *(word for one in changes for word in ("-c", one)), file.name, name)
    finally:
        docker("rm", "-v", made)
    return name


def controller_image_for_k3s() -> str:
    """The same for nodes that are real: of Python's own image, unless DAEMONSET_TEST_CONTROLLER_IMAGE names one."""
    if named := os.environ.get("DAEMONSET_TEST_CONTROLLER_IMAGE"):
        return named
    name = "pytest-daemonset.invalid/controller:k3s"
    docker("build", "-q", "-t", name, "-f", str(HERE / "controller" / "Dockerfile"), str(HERE.parents[1]), timeout=600)
    return name


def docker(*words: str, timeout: float = 60) -> str:
    """What a docker command says, of the daemon that was there when the tests began; it must succeed."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=timeout, check=False, env=_ENV)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shell(line: str) -> None:
    """Run a line as a person would; it must succeed."""
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def ours() -> list[str]:
    """Containers and networks of this run, and volumes that nobody uses.

    What another run's keeper looks after is not ours; what belongs to a dead one may be.
    """
    told = '{{.Label "pytest-daemonset.keeper"}}'
    words = ("--filter", "label=pytest-daemonset", "--format")
    rows = docker("ps", "-a", *words, f"{told} container {{{{.Names}}}}").splitlines()
    rows += docker("network", "ls", *words, f"{told} network {{{{.Name}}}}").splitlines()
    found = [what for keeper, _, what in (row.partition(" ") for row in rows) if not _is_anothers(keeper)]
    return found + [f"volume {name}" for name in docker("volume", "ls", "-q", "-f", "dangling=true").splitlines()]


def _is_anothers(keeper: str) -> bool:
    try:
        environ = Path(f"/proc/{keeper}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return f"{RUN}={os.environ[RUN]}".encode() not in environ
