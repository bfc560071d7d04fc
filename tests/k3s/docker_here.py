"""Whether a Docker daemon answers here, and the stand-in image on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
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
