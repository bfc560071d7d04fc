"""The health checks have the names that kube-apiserver 1.36.2 gave them, and no others."""

from __future__ import annotations

import asyncio

import pytest
from embedded_server import PATIENCE, serving


def asked(path: str) -> tuple[int, str]:
    async def scenario() -> tuple[int, str]:
        async with serving() as server:
            return await asyncio.wait_for(server.ask("GET", path), PATIENCE)

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    "path",
    [
        "/livez",
        "/readyz/ping",
        "/livez/etcd",
        "/readyz/informer-sync",
        "/healthz/poststarthook/rbac/bootstrap-roles",
        "/readyz/ping?verbose",
        "/livez?exclude=etcd",
    ],
)
def test_a_check_that_there_is_holds(path: str) -> None:
    assert asked(path) == (200, "ok")


@pytest.mark.parametrize("path", ["/readyz/nosuch", "/readyz/etcd", "/livez/informer-sync", "/healthz/", "/livezx"])
def test_a_check_that_there_is_not_is_not_found(path: str) -> None:
    assert asked(path)[0] == 404


def test_all_of_them_are_told_to_whoever_asks() -> None:
    code, told = asked("/readyz?verbose&exclude=log&exclude=nosuch")
    lines = told.splitlines()
    assert (code, lines[:3]) == (200, ["[+]ping ok", "[+]log excluded: ok", "[+]informer-sync ok"])
    assert lines[-2:] == [
        'warn: some health checks cannot be excluded: no matches for "nosuch"',
        "readyz check passed",
    ]
