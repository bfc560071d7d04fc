"""An image of a few hundred bytes that any registry-less node can run: a program that waits for SIGTERM, written by hand.

A container's first process hears no signal that it does not handle; blocked ones wait for it all the same, so the program
blocks SIGTERM and SIGINT, waits for one of them, and ends with 0.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import struct
import tarfile
from typing import TYPE_CHECKING, Final

from pytest_daemonset.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME: Final = "pytest-daemonset.invalid/tiny:1"
"""Its name; the reserved domain keeps anybody from pulling something else under it."""

_SIGNALS: Final = (1 << 14) | (1 << 1)  # SIGTERM, SIGINT

# Assembled from:
#     rt_sigprocmask(SIG_BLOCK=0, &set, 0, 8)
#     do r = rt_sigtimedwait(&set, 0, 0, 8) while r < 0
#     exit(0)
#   set:
_CODE: Final = {
    "amd64": bytes.fromhex(
        "b80e00000031ff488d352900000031d241ba080000000f05b880000000488d3d1300000031f631d20f0585c078eab83c00000031ff0f05"
    ),
    "arm64": bytes.fromhex(
        "e81080d2000080d2c1010010020080d2030180d2010000d4281180d220010010010080d2020080d2030180d2010000d4"
        "40ffffb7a80b80d2000080d2010000d4"
    ),
}
_ELF_MACHINE: Final = {"amd64": 62, "arm64": 183}
_BASE: Final = 0x400000
_HEADERS: Final = 64 + 56


def architecture(machine: str = "") -> str:
    """The name that images have for this machine's (or that) architecture.

    Raises:
        UsageError: none for which there is a program.
    """
    machine = machine or platform.machine()
    known = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(machine.lower())
    if known is None:
        raise UsageError(
            f"there is no tiny image for {machine} machines: side-load an image of your own with --daemonset-k3s-images"
        )
    return known


def program(arch: str) -> bytes:
    """The program as an ELF file: one segment, nothing else. Source: the ELF-64 object file format, version 1.5."""
    code = _CODE[arch] + struct.pack("<Q", _SIGNALS)
    size = _HEADERS + len(code)
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    entry = _BASE + _HEADERS
    header = identity + struct.pack("<HHIQQQIHHHHHH", 2, _ELF_MACHINE[arch], 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + code


def image_tar(names: Sequence[str] = (NAME,), arch: str = "") -> bytes:
    """The image as a tar that ``docker load`` and ``ctr images import`` take.

    Args:
        names: under which names it is to be known, each with a tag.
        arch: ``amd64`` or ``arm64``; this machine's when empty.

    Raises:
        UsageError: an architecture for which there is no program.
    """
    arch = arch or architecture()
    layer = _tar({"tiny": (program(arch), 0o755)})
    digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": arch,
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {"Entrypoint": ["/tiny"], "WorkingDir": "/", "StopSignal": "SIGTERM"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "pytest-daemonset"}],
        },
        sort_keys=True,
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": list(names), "Layers": [f"{digest}/layer.tar"]}]
    files = {f"{digest}/layer.tar": layer, config_name: config, "manifest.json": json.dumps(manifest).encode()}
    return _tar({name: (content, 0o644) for name, content in files.items()})


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, (content, mode) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
