"""``k3s agent``: the handshake by token and node password, for ever where it is refused; then one virtual kubelet."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

from k3s_standin import VERSION
from k3s_standin.images import SANDBOX, canonical, loaded, take_folder
from k3s_standin.running import Access, LogDoor, RunningKubelet
from k3s_standin.settings import Settings, SettingsError, say, seconds
from pytest_daemonset.kubelets import api as kubelet_api
from pytest_daemonset.kubelets import fleet as fleet_module
from pytest_daemonset.kubelets import heartbeats, machines
from pytest_daemonset.kubelets.fleet import Fleet, FleetError, Machine

if TYPE_CHECKING:
    from collections.abc import Awaitable

PASSWORD = Path("/etc/rancher/node/password")
_REGISTERS_AFTER = 1.0  # seconds from registering to Ready: its network comes up
_RETRY = 5.0


class RefusedError(Exception):
    """The server said no; the agent says why, waits, and asks again."""

    def __init__(self, text: str, pause: float = _RETRY) -> None:
        super().__init__(text)
        self.pause = pause


async def join(settings: Settings, server: str = "", token: str = "") -> None:
    """Join, and serve until SIGTERM."""
    server, token = server or settings.text("server"), token or settings.text("token")
    if not token:
        raise SettingsError("--token is required")
    if not server:
        raise SettingsError("--server is required")
    for label in settings.many("node-label"):
        key = label.partition("=")[0]
        if "kubernetes.io/" in key and not key.startswith(("node.kubernetes.io/", "kubelet.kubernetes.io/")):
            raise SettingsError(
                "Failed to validate kubelet flags: unknown 'kubernetes.io' or 'k8s.io' labels specified with "
                f"--node-labels: [{key}]"
            )
    if settings.text("server"):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _cancel_all)
    name, password = settings.node_name, _password()
    while True:
        try:
            config, credentials, ca = await _handshake(server, token, name, password)
            break
        except RefusedError as refused:
            say("error" if refused.pause == _RETRY else "warning", str(refused))
            await asyncio.sleep(refused.pause)
    kubelet = settings.kubelet()
    frequency = seconds(str(kubelet.get("nodeStatusUpdateFrequency", "")), 10.0)
    machines.VERSION = VERSION  # type: ignore[misc]
    kubelet_api._PATIENCE = aiohttp.ClientTimeout(total=5, sock_connect=2)
    fleet_module.Kubelet = RunningKubelet  # type: ignore[misc]
    Access.server, Access.token, Access.ca = server, credentials, ca
    tls = ssl.create_default_context(cadata=ca)
    api = kubelet_api.Api(server, tls, credentials)
    with contextlib.suppress(asyncio.CancelledError):
        try:
            await _serve(
                Fleet(api, emulate=False, lease=float(kubelet.get("nodeLeaseDurationSeconds", heartbeats.DURATION))),
                settings,
                name,
                frequency,
                network=config["FlannelBackend"] != "none",
            )
        finally:
            await api.close()
    if settings.text("server"):
        say("fatal", "flannel exited: <nil>")


def _password() -> str:
    """In the container's own file system: a new container of the same name has another."""
    PASSWORD.parent.mkdir(parents=True, exist_ok=True)
    if not PASSWORD.exists():
        PASSWORD.write_text(secrets.token_hex(16) + "\n")
    return PASSWORD.read_text().strip()


def _cancel_all() -> None:
    for task in asyncio.all_tasks():
        task.cancel()


async def _handshake(server: str, token: str, name: str, password: str) -> tuple[dict[str, Any], str, str]:
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    timeout = aiohttp.ClientTimeout(total=5)
    basic = aiohttp.BasicAuth("node", token)
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=anybody), timeout=timeout) as session:
            async with session.get(f"{server}/cacerts") as answer:
                ca = await answer.text()
            async with session.get(f"{server}/v1-k3s/config", auth=basic) as answer:
                if answer.status != 200:
                    why = f"{server}/v1-k3s/config: {answer.status} {answer.reason}"
                    raise RefusedError(
                        f"Failed to configure agent: failed to retrieve configuration from server: {why}"
                    )
                config = await answer.json()
            headers = {"k3s-Node-Name": name, "k3s-Node-Password": password}
            async with session.post(f"{server}/v1-k3s/serving-kubelet.crt", auth=basic, headers=headers) as answer:
                if answer.status == 403:
                    raise RefusedError(
                        "Failed to configure agent: Node password rejected, duplicate hostname or contents of "
                        "'/etc/rancher/node/password' may not match server node-passwd entry, try enabling a unique node "
                        "name with the --with-node-id flag"
                    )
                if answer.status != 200:
                    raise RefusedError(
                        f"Failed to configure agent: {server}/v1-k3s/serving-kubelet.crt: {answer.status} {answer.reason}"
                    )
                return config, (await answer.json())["token"], ca
    except (aiohttp.ClientError, asyncio.TimeoutError) as error:
        raise RefusedError(f"failed to get CA certs: Get {server}/cacerts: {error}", 2.0) from None


async def _serve(fleet: Fleet, settings: Settings, name: str, frequency: float, *, network: bool) -> None:
    wanted = {
        "name": name,
        "labels": {
            "node.kubernetes.io/instance-type": "k3s-stand-in",
            **dict(row.partition("=")[::2] for row in settings.many("node-label")),
        },
        "taints": [
            *map(_taint, settings.many("node-taint")),
            {"key": "node.cloudprovider.kubernetes.io/uninitialized", "value": "true", "effect": "NoSchedule"},
            {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"},
        ],
        "ready": False,
    }
    take_folder()
    loaded.sandbox = canonical(settings.text("pause-image", SANDBOX))
    loaded.rescan()
    await fleet.read()
    while True:
        try:
            await fleet.join([wanted])
            say("info", f"Successfully registered node {name}")
            break
        except FleetError as error:
            if "already exists" in str(error):
                await _adopt(fleet, wanted)
                say("info", f"Node {name} was registered before")
                break
            print(
                f'E1125 kubelet_node_status.go:95] "Unable to register node with API server" err="{error}"', flush=True
            )
            await asyncio.sleep(1.0)
    if network:
        await asyncio.sleep(_REGISTERS_AFTER)
        await _until_done(lambda: fleet.set_ready([name], ready=True))
        say("info", "Node controller sync successful")
    loop = asyncio.get_running_loop()

    def rescan() -> None:
        loaded.rescan()
        tasks.append(loop.create_task(fleet.settle()))

    loop.add_signal_handler(signal.SIGUSR1, rescan)
    tasks = [loop.create_task(fleet.watch())]
    logs = await LogDoor(lambda: fleet.machines[name].kubelet if name in fleet.machines else None).open()  # type: ignore[return-value,arg-type]
    reachable = True
    try:
        while True:
            await asyncio.sleep(min(1.0, frequency))
            try:
                await _report(fleet, name, network=network)
            except (kubelet_api.ApiError, aiohttp.ClientError, asyncio.TimeoutError) as error:
                if reachable:
                    say("error", f"Error updating node status, will retry: {error!r}")
                reachable = False
                continue
            if not reachable:
                reachable = True
                # The old watch may hang on a connection whose other end is gone; a kubelet's would be pinged to death.
                tasks[0].cancel()
                tasks[0] = loop.create_task(fleet.watch())
                await fleet._heartbeats._renew(name)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await logs.cleanup()


async def _until_done(work: Any) -> None:
    while True:
        try:
            awaited: Awaitable[None] = work()
            return await awaited
        except (kubelet_api.ApiError, aiohttp.ClientError, asyncio.TimeoutError) as error:
            say("error", f"will retry: {error!r}")
            await asyncio.sleep(0.5)


async def _adopt(fleet: Fleet, wanted: dict[str, Any]) -> None:
    """The Node was there: the machine was started anew."""
    name = wanted["name"]
    node = await fleet.api.request("GET", f"/api/v1/nodes/{name}")
    address = next(row["address"] for row in node["status"]["addresses"] if row["type"] == "InternalIP")
    kubelet = RunningKubelet(name, address, fleet.api, lambda: fleet.rules, fleet._pod_address, fleet._failed)
    fleet.machines[name] = Machine(wanted, kubelet)
    for pod in fleet._elsewhere.pop(name, {}).values():
        kubelet.saw(pod)
    kubelet.network = False
    await fleet.restart([name])


async def _report(fleet: Fleet, name: str, *, network: bool) -> None:
    """What a kubelet does all the time: look at its Node, and post its conditions where they are not its own."""
    try:
        node = await fleet.api.request("GET", f"/api/v1/nodes/{name}")
    except kubelet_api.ApiError as error:
        if error.status == 404:  # deleted under it: it does not register anew
            return
        raise
    rows = {row["type"]: row["status"] for row in node["status"].get("conditions") or []}
    if rows.get("Ready") != str(network):
        await fleet._conditions(name, machines.conditions(ready=network))


def _taint(text: str) -> dict[str, str]:
    rest, _, effect = text.rpartition(":")
    key, _, value = rest.partition("=")
    if effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
        raise SettingsError(
            f'invalid argument "{text}" for "--register-with-taints" flag: invalid taint effect: {effect}'
        )
    return {"key": key, "effect": effect, **({"value": value} if value else {})}
