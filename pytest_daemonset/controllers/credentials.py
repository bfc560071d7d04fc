"""A controller's own way into the cluster: a kubeconfig with the token of a ServiceAccount (TokenRequest)."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from pytest_daemonset.errors import UsageError
from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import SERVICE_ACCOUNTS

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_daemonset.kube.client import Client
    from pytest_daemonset.kube.config import Kubeconfig

SECONDS: Final = 24 * 3600  # a session is over by then


@dataclass(frozen=True)
class Credential:
    """One process's way into the cluster.

    Args:
        kubeconfig: the file.
        id: how an audit log calls the token, as ``JTI=…``; empty where all processes share one that it does not tell apart.
    """

    kubeconfig: Path
    id: str = ""


async def issue(client: Client, account: str, path: Path) -> Credential:
    """Have a token issued, and write it down as a kubeconfig that its owner alone can read.

    Args:
        client: who may ask for it; its own kubeconfig says where the cluster is.
        account: the ServiceAccount, as namespace/name.
        path: the file.

    Raises:
        UsageError: there is no such ServiceAccount.
    """
    namespace, _, name = account.partition("/")
    wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": SECONDS}}
    try:
        told = await client.request("POST", SERVICE_ACCOUNTS.path(namespace, name, "token"), wanted)
    except ApiError as error:
        if error.status != 404:
            raise
        raise UsageError(
            f"service_account={account!r}: the cluster has no ServiceAccount {name} in namespace {namespace}; "
            "give a manifest that makes it: ControllerConfig(manifests=[…])"
        ) from None
    token = str(told["status"]["token"])
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(written(client.kubeconfig, name, token), file)
    claims = _claims(token)
    return Credential(path, f"JTI={claims['jti']}" if claims.get("jti") else "")


async def ensure(client: Client, account: str) -> None:
    """Make a ServiceAccount, unless it is there."""
    namespace, _, name = account.partition("/")
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    try:
        await client.create(SERVICE_ACCOUNTS, body, namespace)
    except ApiError as error:
        if error.status != 409:
            raise


def _claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    claims: dict[str, Any] = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def written(where: Kubeconfig, name: str, token: str) -> dict[str, Any]:
    """A kubeconfig, to be written as JSON.

    Args:
        where: the cluster; its credentials are left out.
        name: of the user.
        token: the user's.
    """
    cluster: dict[str, Any] = {"server": where.server}
    if where.ca:
        cluster["certificate-authority-data"] = base64.b64encode(where.ca).decode()
    if not where.verify:
        cluster["insecure-skip-tls-verify"] = True
    if where.server_name:
        cluster["tls-server-name"] = where.server_name
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": "cluster", "user": name}}],
        "current-context": name,
        "preferences": {},
    }
