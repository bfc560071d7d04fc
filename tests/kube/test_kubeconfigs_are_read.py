"""Kubeconfigs: ours, others', and those that we refuse with a reason."""

from __future__ import annotations

import base64
import json
import ssl
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trustme
import yaml

from pytest_daemonset.errors import UsageError
from pytest_daemonset.kube.config import Kubeconfig

if TYPE_CHECKING:
    from pathlib import Path


def kubeconfig(user: dict[str, Any], **cluster: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443/", **cluster}}],
        "users": [{"name": "u", "user": user}],
    }


def test_a_json_kubeconfig_needs_no_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "admin.kubeconfig"
    path.write_text(json.dumps(kubeconfig({"token": "secret"})))
    monkeypatch.setitem(sys.modules, "yaml", None)
    config = Kubeconfig.load(path)
    assert (config.server, config.token, config.path) == ("https://127.0.0.1:6443", "secret", path)
    assert "secret" not in repr(config)


def test_a_yaml_kubeconfig_may_name_files_beside_it(tmp_path: Path) -> None:
    authority = trustme.CA()
    user = authority.issue_cert("user.example")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    user.cert_chain_pems[0].write_to_path(tmp_path / "user.pem")
    (tmp_path / "user.key").write_bytes(user.private_key_pem.bytes())
    (tmp_path / "token").write_text("from-file\n")
    content = kubeconfig(
        {"client-certificate": "user.pem", "client-key": "user.key", "tokenFile": "token"},
        **{"certificate-authority": "ca.pem"},
    )
    (tmp_path / "config").write_text(yaml.safe_dump(content))
    config = Kubeconfig.load(tmp_path / "config")
    assert config.token == "from-file"
    context = config.tls()
    assert isinstance(context, ssl.SSLContext)
    assert len(context.get_ca_certs()) == 1
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_verification_is_only_left_out_where_the_file_says_so() -> None:
    context = Kubeconfig.parse(kubeconfig({}, **{"insecure-skip-tls-verify": True})).tls()
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize("way", ["exec", "auth-provider"])
def test_a_log_in_by_a_helper_program_is_refused_with_the_remedy(way: str) -> None:
    with pytest.raises(UsageError, match="kubernetes_asyncio"):
        Kubeconfig.parse(kubeconfig({way: {"command": "aws"}}))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "expected a mapping"),
        ("[", "neither JSON nor YAML"),
        ("{}", "no current-context"),
        (json.dumps({**kubeconfig({}), "current-context": "there"}), r"no context named 'there' \(it has: here\)"),
        (json.dumps({**kubeconfig({}), "clusters": []}), "no cluster named 'c'"),
        (json.dumps(kubeconfig({}, server="")), "has no server"),
        (json.dumps(kubeconfig({"client-key-data": "%%%"})), "not base64"),
        (json.dumps(kubeconfig({"tokenFile": "nowhere"})), "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(UsageError, match=told) as caught:
        Kubeconfig.load(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        Kubeconfig.load(tmp_path / "none")


def test_certificates_that_are_none_are_told() -> None:
    data = base64.b64encode(b"nonsense").decode()
    with pytest.raises(UsageError, match="certificates cannot be used"):
        Kubeconfig.parse(kubeconfig({}, **{"certificate-authority-data": data})).tls()
