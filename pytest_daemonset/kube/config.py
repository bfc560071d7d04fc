"""A kubeconfig file, as far as this package speaks for itself: server, CA, token or client certificate."""

from __future__ import annotations

import base64
import binascii
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from pytest_daemonset.errors import UsageError

# Ways to log in that need a helper program or a browser; kubernetes_asyncio knows them, we do not imitate it.
_FOREIGN = ("exec", "auth-provider", "username", "password")


@dataclass(frozen=True)
class Kubeconfig:
    """How to reach one API server as one user.

    Secrets are left out of ``repr``. Make one with `load` from a file or `parse` from a dict.
    """

    server: str
    ca: bytes | None = None
    token: str | None = field(default=None, repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    verify: bool = True
    server_name: str | None = None
    path: Path | None = None

    @classmethod
    def load(cls, path: str | Path, context: str | None = None) -> Kubeconfig:
        """Read a kubeconfig file; JSON is tried first, so that a file of ours needs no YAML parser.

        Args:
            path: the file.
            context: the context to use, by default the file's own ``current-context``.

        Raises:
            UsageError: the file cannot be read, is no kubeconfig, or logs in through a helper program.
        """
        path = Path(path)
        try:
            text = path.read_bytes()
        except OSError as error:
            raise UsageError(f"kubeconfig {path}: cannot be read: {error.strerror or error}") from error
        try:
            content: Any = orjson.loads(text)
        except orjson.JSONDecodeError:
            import yaml

            try:
                content = yaml.safe_load(text)
            except yaml.YAMLError as error:
                raise UsageError(f"kubeconfig {path}: neither JSON nor YAML: {error}") from error
        return cls.parse(content, path=path, context=context)

    @classmethod
    def parse(cls, content: Any, *, path: Path | None = None, context: str | None = None) -> Kubeconfig:
        """Read a kubeconfig that is already a dict; file names in it are relative to ``path``'s folder.

        Raises:
            UsageError: as `load`.
        """
        where = f"kubeconfig {path}" if path else "kubeconfig"
        folder = path.parent if path else Path()
        if not isinstance(content, dict):
            raise UsageError(
                f"{where}: expected a mapping with clusters, users and contexts, got {type(content).__name__}"
            )
        name = context or content.get("current-context")
        if not name:
            raise UsageError(f"{where}: it has no current-context; set one or name a context")
        chosen = _named(content, "contexts", "context", name, where)
        cluster = _named(content, "clusters", "cluster", chosen.get("cluster"), where)
        user = _named(content, "users", "user", chosen.get("user"), where) if chosen.get("user") else {}
        for foreign in _FOREIGN:
            if user.get(foreign):
                raise UsageError(
                    f"{where}: user {chosen.get('user')!r} logs in by {foreign!r}, which is not understood here; "
                    "load it with kubernetes_asyncio (pip install 'pytest-daemonset[kubernetes]'), or use a kubeconfig "
                    "with a token or a client certificate"
                )
        server = cluster.get("server")
        if not server:
            raise UsageError(f"{where}: cluster {chosen.get('cluster')!r} has no server")
        token = user.get("token")
        if token is None and user.get("tokenFile"):
            token = _read(folder / user["tokenFile"], where).decode().strip()
        return cls(
            server=str(server).rstrip("/"),
            ca=_material(cluster, "certificate-authority", folder, where),
            token=token,
            certificate=_material(user, "client-certificate", folder, where),
            key=_material(user, "client-key", folder, where),
            verify=not cluster.get("insecure-skip-tls-verify", False),
            server_name=cluster.get("tls-server-name"),
            path=path,
        )

    def tls(self) -> ssl.SSLContext | bool:
        """The TLS context for a client; ``True`` (the default of aiohttp) where the server speaks plain HTTP.

        Raises:
            UsageError: the CA, the certificate or the key is not what it says.
        """
        if not self.server.startswith("https:"):
            return True
        try:
            context = ssl.create_default_context(cadata=self.ca.decode("ascii") if self.ca else None)
            if not self.verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if self.certificate and self.key:
                # ssl reads a key pair from a file only; the file lives no longer than this call.
                with tempfile.NamedTemporaryFile(prefix="pytest-daemonset-", suffix=".pem") as file:
                    file.write(self.certificate.rstrip() + b"\n" + self.key)
                    file.flush()
                    context.load_cert_chain(file.name)
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise UsageError(f"kubeconfig {self.path or ''}: its certificates cannot be used: {error}") from error
        return context


def _named(content: dict[str, Any], plural: str, singular: str, name: Any, where: str) -> dict[str, Any]:
    entries = content.get(plural) or []
    for entry in entries:
        if isinstance(entry, dict) and entry.get("name") == name:
            found = entry.get(singular)
            return found if isinstance(found, dict) else {}
    known = ", ".join(str(entry.get("name")) for entry in entries if isinstance(entry, dict)) or "none"
    raise UsageError(f"{where}: no {singular} named {name!r} (it has: {known})")


def _material(entry: dict[str, Any], key: str, folder: Path, where: str) -> bytes | None:
    inline = entry.get(f"{key}-data")
    if inline:
        try:
            return base64.b64decode(inline, validate=True)
        except (binascii.Error, ValueError) as error:
            raise UsageError(f"{where}: {key}-data is not base64: {error}") from error
    return _read(folder / entry[key], where) if entry.get(key) else None


def _read(path: Path, where: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{where}: it names {path}, which cannot be read: {error.strerror or error}") from error
