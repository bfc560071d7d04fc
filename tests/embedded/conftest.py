"""The server's tests run on the event loop that the program takes: uvloop's, where it is installed."""

import asyncio

import pytest

from pytest_daemonset.embedded import eventloop


@pytest.fixture(autouse=True, scope="module")
def policy_of_the_program():
    if not eventloop.installed():
        yield
        return
    import uvloop

    before = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    yield
    asyncio.set_event_loop_policy(before)
