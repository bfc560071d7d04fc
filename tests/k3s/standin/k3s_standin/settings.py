"""What somebody set: /etc/rancher/k3s/config.yaml, then the environment, then the command line; each wins over those before."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import yaml

CONFIG = Path("/etc/rancher/k3s/config.yaml")
_LISTS = {
    "disable", "tls-san", "node-label", "node-taint", "kubelet-arg", "kube-controller-manager-arg", "kube-apiserver-arg",
    "kube-scheduler-arg",
}  # fmt: skip
_SWITCHES = {"disable-agent", "disable-helm-controller", "disable-network-policy", "with-node-id", "debug"}
_ENV = {
    "token": "K3S_TOKEN",
    "server": "K3S_URL",
    "node-name": "K3S_NODE_NAME",
    "write-kubeconfig-mode": "K3S_KUBECONFIG_MODE",
}


class SettingsError(Exception):
    """k3s would end with this."""


def say(level: str, text: str) -> None:
    """One line of log, in the form that k3s's logs have."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    print(f'time="{stamp}" level={level} msg="{quoted}"', flush=True)


class Settings:
    """The merged settings, by the names of the flags."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def text(self, name: str, default: str = "") -> str:
        """One value."""
        value = self._values.get(name, default)
        return str(value) if value is not None else default

    def switch(self, name: str) -> bool:
        """Whether a switch is on."""
        return self._values.get(name, False) in (True, "true", "True")

    def many(self, name: str) -> list[str]:
        """A flag that may be given several times."""
        value = self._values.get(name) or []
        return [str(one) for one in value] if isinstance(value, list) else str(value).split(",")

    def arguments(self, name: str) -> dict[str, str]:
        """The arguments handed on to a component: ``kubelet-arg`` and its sisters."""
        return dict(row.partition("=")[::2] for row in self.many(name))

    def kubelet(self) -> dict[str, Any]:
        """The kubelet's configuration file, with what its flags say over it."""
        arguments = self.arguments("kubelet-arg")
        found = yaml.safe_load(Path(arguments["config"]).read_text()) if "config" in arguments else {}
        if "node-status-update-frequency" in arguments:
            found["nodeStatusUpdateFrequency"] = arguments["node-status-update-frequency"]
        return dict(found)

    @property
    def node_name(self) -> str:
        """The node's name, in lower case; the host name unless it was set."""
        return (self.text("node-name") or socket.gethostname()).lower()


def read(words: list[str]) -> Settings:
    """Merge the three sources."""
    values: dict[str, Any] = {}
    if CONFIG.exists():
        found = yaml.safe_load(CONFIG.read_text()) or {}
        if not isinstance(found, dict):
            raise SettingsError(f"{CONFIG} is no mapping")
        values.update(found)
    values.update({name: os.environ[variable] for name, variable in _ENV.items() if os.environ.get(variable)})
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            raise SettingsError(f"unexpected argument {word}")
        name, equals, value = word.lstrip("-").partition("=")
        if name in _SWITCHES:
            values[name] = value != "false"
            continue
        if not equals:
            if not rest:
                raise SettingsError(f"flag needs an argument: {word}")
            value = rest.pop(0)
        if name in _LISTS:
            values.setdefault(name, [])
            values[name] = [*(values[name] if isinstance(values[name], list) else [values[name]]), value]
        else:
            values[name] = value
    return Settings(values)


def seconds(text: str, default: float) -> float:
    """Read a Go duration such as ``8s``, ``1m`` or ``500ms``."""
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    return default
