"""Builds the stand-in image from Debian packages and this project; each of its three layers only when what is in it has changed.

``python tests/k3s/standin/build.py`` prints the image's name. Needs root, debootstrap and a Docker daemon; no image registry.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parents[2]
SUITE = "bookworm"
PYTHON = "3.11"  # the one of that suite
MIRROR = "http://deb.debian.org/debian"
REPOSITORY = "pytest-daemonset-k3s-standin"
PACKAGES = ["aiohttp>=3.10", "orjson>=3.10", "pyyaml>=6.0", "trustme>=1.2", "typing_extensions"]
# What a container needs of Debian is Python; the rest would only be carried around.
DROPPED = ["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/cache/apt", "var/lib/apt/lists"]


def image(project: Path = PROJECT) -> str:
    """Build what is missing.

    Args:
        project: whose checkout of this project goes in.

    Returns:
        The image's name, with a tag that tells its content.
    """
    sources = _digest([project / "pytest_daemonset", HERE])
    name = f"{REPOSITORY}:{sources}"
    if not _exists(name):
        base = _base()
        with tempfile.TemporaryDirectory() as folder:
            context = Path(folder)
            for part in ("Dockerfile", "k3s", "ctr"):
                shutil.copy(HERE / part, context / part)
            site = context / "site"
            site.mkdir()
            skip = shutil.ignore_patterns("__pycache__", "conformance")
            shutil.copytree(project / "pytest_daemonset", site / "pytest_daemonset", ignore=skip)
            shutil.copytree(HERE / "k3s_standin", site / "k3s_standin", ignore=skip)
            words = ["build", "-q", "--build-arg", f"BASE={base}", "-t", name, folder]
            # No BuildKit: it may have to pull a front end, and nothing is run here.
            _run(["docker", *words], env={**os.environ, "DOCKER_BUILDKIT": "0"})
    return name


def _base() -> str:
    key = hashlib.sha256("\n".join([SUITE, *PACKAGES, *DROPPED]).encode()).hexdigest()[:12]
    name = f"{REPOSITORY}-base:{key}"
    if _exists(name):
        return name
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        _run(["debootstrap", "--variant=minbase", "--include=python3", SUITE, str(root), MIRROR])
        for part in DROPPED:
            shutil.rmtree(root / part, ignore_errors=True)
        target = root / "usr/lib/python3/dist-packages"
        words = ["--target", str(target), "--python-version", PYTHON, "--only-binary=:all:", *PACKAGES]
        _run(
            [sys.executable, "-m", "pip", "install", "-q", "--no-warn-conflicts", "--disable-pip-version-check", *words]
        )
        with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as tar:
            assert tar.stdout is not None
            _run(["docker", "import", "-", name], stdin=tar.stdout)
        if tar.returncode:
            raise SystemExit(f"tar ended with {tar.returncode}")
    return name


def _digest(folders: list[Path]) -> str:
    found = hashlib.sha256(platform.machine().encode())
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and "conformance" not in path.parts:
                found.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:12]


def _exists(name: str) -> bool:
    return subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False).returncode == 0


def _run(words: list[str], **more: object) -> None:
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **more)  # type: ignore[call-overload]
    if done.returncode:
        tail = done.stdout.decode(errors="replace")[-2000:]
        raise SystemExit(f"{words[0]} ended with {done.returncode}:\n{tail}")


if __name__ == "__main__":
    print(image(*map(Path, sys.argv[1:2])))
