"""Where the API server is and how to speak to it, from a kubeconfig in YAML or JSON."""

from __future__ import annotations

import base64
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping


class KubeconfigError(Exception):
    """The kubeconfig cannot be used; the message says which entry and why."""


@dataclass(frozen=True)
class Access:
    """An API server's address and the credentials for it."""

    server: str
    tls: ssl.SSLContext | bool
    token: str | None

    @classmethod
    def load(cls, path: Path) -> Access:
        """The current context of a kubeconfig.

        Args:
            path: the file; relative paths in it are taken from its folder.

        Raises:
            KubeconfigError: an entry is missing, or asks for a kind of authentication other than token or certificate.
        """
        config = yaml.safe_load(path.read_bytes())
        context = _entry(config, "contexts", "context", config.get("current-context") or "", path)
        cluster = _entry(config, "clusters", "cluster", context.get("cluster") or "", path)
        user = _entry(config, "users", "user", context["user"], path) if context.get("user") else {}
        if "exec" in user or "auth-provider" in user:
            raise KubeconfigError(
                f"{path}: user {context['user']!r} wants exec or auth-provider; give a token or a certificate"
            )
        token = user.get("token") or (
            Path(path.parent, user["tokenFile"]).read_text().strip() if user.get("tokenFile") else None
        )
        server = str(cluster["server"]).rstrip("/")
        return cls(server, _tls(cluster, user, path.parent) if server.startswith("https:") else True, token)


def _entry(config: Mapping[str, Any], group: str, kind: str, name: str, path: Path) -> Mapping[str, Any]:
    for entry in config.get(group) or ():
        if entry.get("name") == name:
            return entry.get(kind) or {}
    raise KubeconfigError(f"{path}: expected a {kind} named {name!r} under {group!r}, found none")


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> ssl.SSLContext:
    authority = _bytes(cluster, "certificate-authority", folder)
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    certificate, key = _bytes(user, "client-certificate", folder), _bytes(user, "client-key", folder)
    if certificate and key:
        # ssl reads a certificate chain from files only.
        with tempfile.TemporaryDirectory() as private:
            chain = Path(private, "chain.pem")
            chain.write_bytes(certificate + b"\n" + key)
            context.load_cert_chain(chain)
    return context


def _bytes(entry: Mapping[str, Any], name: str, folder: Path) -> bytes | None:
    if entry.get(f"{name}-data"):
        return base64.b64decode(entry[f"{name}-data"])
    return Path(folder, entry[name]).read_bytes() if entry.get(name) else None
