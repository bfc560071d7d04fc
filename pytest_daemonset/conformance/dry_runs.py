"""Dry runs that show whether a policy or a webhook of a row is in effect: no event tells it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from pytest_daemonset.kube.errors import ApiError
from pytest_daemonset.kube.resources import PODS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_daemonset.conformance.rig import Rig

Object = dict[str, Any]

_AGAIN: Final = 0.05  # seconds between two dry runs


def until_admitted(
    rig: Rig, probe: Mapping[str, Any], as_wanted: Callable[[Object | ApiError], bool], *, within: float
) -> Object | ApiError | None:
    """Ask for a pod in the row's namespace, without making it, until the answer is as wanted.

    Args:
        rig: the row's.
        probe: the pod.
        as_wanted: judges an answer: the pod as it would be made, or the refusal.
        within: seconds.

    Returns:
        None once the answer is as wanted; the last answer if it has not become so in time.
    """

    async def ask() -> Object | ApiError | None:
        deadline = asyncio.get_running_loop().time() + within
        while True:
            answer: Object | ApiError
            try:
                answer = await rig.client.request("POST", PODS.path(rig.namespace), probe, query={"dryRun": "All"})
            except ApiError as error:
                answer = error
            if as_wanted(answer):
                return None
            if asyncio.get_running_loop().time() > deadline:
                return answer
            await asyncio.sleep(_AGAIN)

    return rig.do(ask)
