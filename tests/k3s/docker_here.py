"""Whether a Docker daemon answers here, and the stand-in image on it."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
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
_CONTROLLER = """\
set -e
secrets=/var/run/secrets/kubernetes.io/serviceaccount
cat > /tmp/kubeconfig <<EOF
current-context: own
contexts: [{name: own, context: {cluster: own, user: own}}]
clusters:
- name: own
  cluster: {server: "https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT", certificate-authority: $secrets/ca.crt}
users: [{name: own, user: {tokenFile: $secrets/token}}]
EOF
mkfifo /tmp/input
sleep infinity > /tmp/input &
exec python3 -m pytest_daemonset.reference --kubeconfig /tmp/kubeconfig "$@" < /tmp/input
"""


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
                program = tarfile.TarInfo("controller")
                program.size = len(_CONTROLLER)
                part.addfile(program, io.BytesIO(_CONTROLLER.encode()))
            changes = ['ENTRYPOINT ["/bin/sh", "/controller"]', "ENV PYTHONPATH=/opt/standin", "WORKDIR /tmp"]
            docker("import", *(word for one in changes for word in ("-c", one)), file.name, name)
    finally:
        docker("rm", "-v", made)
    return name


def docker(*words: str) -> str:
    """What a docker command says; it must succeed."""
    env = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=60, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shell(line: str) -> None:
    """Run a line as a person would; it must succeed."""
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def ours(label: str = "pytest-daemonset") -> list[str]:
    """Containers, networks and volumes with a label of ours."""
    found = docker("ps", "-a", "--filter", f"label={label}", "--format", "container {{.Names}}").splitlines()
    found += docker("network", "ls", "--filter", f"label={label}", "--format", "network {{.Name}}").splitlines()
    return found + [f"volume {name}" for name in docker("volume", "ls", "-q").splitlines()]
