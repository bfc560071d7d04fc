"""Who may come in, and how they find the door: the certificate, the tokens, the kubeconfig files."""

from __future__ import annotations

import os
import secrets
import ssl
from base64 import b64encode
from typing import TYPE_CHECKING

import orjson
import trustme

from pytest_daemonset.embedded.calls import Caller

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_daemonset.embedded.settings import Identity


class Authority:
    """A certificate authority of one server's own, with the server's certificate for 127.0.0.1 and localhost."""

    def __init__(self) -> None:
        authority = trustme.CA()
        self.certificate = authority.cert_pem.bytes()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.set_alpn_protocols(["http/1.1"])
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(self.context)


def tokens(identities: tuple[Identity, ...]) -> dict[str, tuple[Identity, Caller]]:
    """A new secret token for each identity."""
    return {secrets.token_urlsafe(32): (each, Caller(each.user, each.groups)) for each in identities}


def write_kubeconfig(directory: Path, identity: Identity, token: str, server: str, certificate: bytes) -> Path:
    """Write DIR/NAME.kubeconfig: JSON (which is YAML), readable by its owner only, complete or not there at all."""
    name = "pytest-daemonset-embedded"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": name, "cluster": {"server": server, "certificate-authority-data": b64encode(certificate).decode()}}
        ],
        "users": [{"name": identity.name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": identity.name}}],
        "current-context": name,
        "preferences": {},
    }
    path = directory / f"{identity.name}.kubeconfig"
    draft = directory / f".{identity.name}.kubeconfig.new"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(orjson.dumps(config, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    draft.replace(path)
    return path
