"""A controller is led another way by its kubeconfig, and gets its own one back."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_daemonset.controllers.credentials import Credential, written
from pytest_daemonset.controllers.diversion import Diversion, obstacle
from pytest_daemonset.kube.config import Kubeconfig

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_daemonset.controllers.controller import Controller


class Watched:
    """A controller that notes what its kubeconfig was whenever it started."""

    def __init__(self, *paths: Path) -> None:
        self.config = SimpleNamespace(spec="builtin")
        self.replicas = [SimpleNamespace(credential=Credential(path)) for path in paths]
        self.said: list[Any] = []

    async def start(self) -> None:
        self.said.append([Kubeconfig.load(one.credential.kubeconfig).server for one in self.replicas])

    async def stop(self) -> None:
        self.said.append("stop")


def controller(*paths: Path) -> tuple[Watched, Controller]:
    watched = Watched(*paths)
    return watched, cast("Controller", watched)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "controller.kubeconfig"
    where = Kubeconfig("https://10.0.0.1:6443", verify=False, server_name="kubernetes")
    path.write_text(json.dumps(written(where, "robot", "its-token")))
    path.chmod(0o600)
    return path


def test_it_is_started_anew_by_the_proxy_with_its_own_token_and_then_as_before(own: Path) -> None:
    before = own.read_bytes()
    watched, led = controller(own, own)
    diversion = Diversion(led, "https://127.0.0.1:7", b"-----BEGIN CERTIFICATE-----")

    async def there_and_back() -> None:
        await diversion.begin()
        now = Kubeconfig.load(own)
        assert (now.token, now.ca, now.verify, now.server_name) == (
            *("its-token", b"-----BEGIN CERTIFICATE-----"),
            *(True, None),
        )
        await diversion.end()

    asyncio.run(there_and_back())
    assert watched.said == ["stop", ["https://127.0.0.1:7"] * 2, "stop"]
    assert own.read_bytes() == before
    assert own.stat().st_mode & 0o777 == 0o600


def test_what_can_be_led_through_a_proxy(own: Path) -> None:
    assert obstacle(controller(own)[1]) == ""


def test_who_is_no_process_of_ours_cannot_be(own: Path) -> None:
    assert "builtin) is no process of ours" in obstacle(controller()[1])


def test_who_has_no_token_cannot_be(own: Path) -> None:
    own.write_text(own.read_text().replace("its-token", ""))
    assert f"{own} has no token" in obstacle(controller(own)[1])


def test_who_logs_in_by_a_program_cannot_be(own: Path) -> None:
    content = json.loads(own.read_text())
    content["users"][0]["user"] = {"exec": {"command": "login"}}
    own.write_text(json.dumps(content))
    assert "logs in by 'exec'" in obstacle(controller(own)[1])
