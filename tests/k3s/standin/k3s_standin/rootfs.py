"""Images that hold a program: unpacked when they are imported, so that their containers really run.

The tiny image is not one of them: its program only waits, which a virtual kubelet does as well.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOTS = Path("/var/lib/rancher/k3s/agent/rootfs")
_TINY = ["/tiny"]
_WHITEOUT = ".wh."

Object = dict[str, Any]


def unpack(path: Path, canonical: Callable[[str], str]) -> None:
    """Unpack what is in an image tar.

    Args:
        path: as ``docker save`` writes it.
        canonical: gives a name as the runtime keeps it.
    """
    with tarfile.open(path) as archive:
        for row in json.loads(_read(archive, "manifest.json")):
            config = _read(archive, row["Config"])
            settings = json.loads(config).get("config") or {}
            told = {"root": "", "config": settings}
            if settings.get("Entrypoint") != _TINY:
                root = ROOTS / hashlib.sha256(config).hexdigest()[:16]
                if not root.exists():
                    _unpack_layers(archive, row["Layers"], root)
                told["root"] = str(root)
            ROOTS.mkdir(parents=True, exist_ok=True)
            for name in row.get("RepoTags") or ():
                _record(canonical(name)).write_text(json.dumps(told))


def program_of(name: str) -> Object | None:
    """Where an image is unpacked, and its settings; None where there is nothing to run."""
    path = _record(name)
    told: Object = json.loads(path.read_text()) if path.exists() else {}
    return told if told.get("root") else None


def _record(name: str) -> Path:
    return ROOTS / f"{hashlib.sha256(name.encode()).hexdigest()}.json"


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise ValueError(f"{archive.name} has no {name}")
    return file.read()


def _unpack_layers(archive: tarfile.TarFile, layers: list[str], root: Path) -> None:
    being = root.with_suffix(".being")
    shutil.rmtree(being, ignore_errors=True)
    being.mkdir(parents=True)
    for layer in layers:
        file = archive.extractfile(layer)
        if file is None:
            raise ValueError(f"{archive.name} has no {layer}")
        with tarfile.open(fileobj=file) as content:
            for member in content:
                target = being / member.name
                if target.name.startswith(_WHITEOUT):
                    _remove(target.with_name(target.name.removeprefix(_WHITEOUT)))
                    continue
                if not member.isdir() and (target.is_symlink() or target.exists()):
                    _remove(target)
                content.extract(member, being, numeric_owner=True)
    being.rename(root)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
